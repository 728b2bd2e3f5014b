package requirements

// calls are the server's API.
var calls = []Row{
	{ID: "API-01", Breaks: []Break{
		code("server", `$no = &refusal{status: http.StatusInternalServerError, name: "internal", detail: $detail}`, `panic(p)`).in("server", "TestAPanicIsAProblemAndTheServerGoesOn"),
		code("server", `$s.write($w, "application/problem+json", $no.status, $p)`, `$s.write($w, "application/json", $no.status, $p)`).in("server", "TestRefusalsComeInOneOrder"),
	}},
	{ID: "API-02", Breaks: []Break{
		code("server", `$w.Header().Set("WWW-Authenticate", "Bearer")`, ``).in("server", "TestRefusalsComeInOneOrder"),
		near("server", `errors.ErrUnsupported`, `errors.Is($err, oneseat.ErrNoSession)`, `errors.Is($err, oneseat.ErrNoSession) || errors.Is($err, oneseat.ErrStoreUnavailable)`).in("server", "TestWithoutAnAnswerOfTheStoreTheAnswerIsNo"),
	}},
	{ID: "API-03", Breaks: []Break{
		near("server", `$s, $err := $q.seats.Peek($ctx, $token)`, `over($err)`, `errors.Is($err, oneseat.ErrNoSession)`).in("server", "TestAProgramThatKnowsOAuthAsksAboutATokenAndEveryNoIsTheSame"),
	}},
	{ID: "API-04", Breaks: []Break{
		code("server", `$a.Expires = $at.Unix()`, ``).in("server", "TestAProgramThatKnowsOAuthAsksAboutATokenAndEveryNoIsTheSame"),
	}},
	{ID: "API-05", Breaks: []Break{
		code("server", `$err != nil && !over($err)`, `$err != nil`).in("server", "TestAProgramThatKnowsOAuthRevokesAToken"),
	}},
	{ID: "API-06", Breaks: []Break{
		code("server", `!$key.allows($c.scope)`, `false`).in("server", "TestAKeyDoesWhatItsScopesSayInItsRealmOnly"),
		code("server", `$byID && !$q.key.allows(ScopeSessions)`, `false`).in("server", "TestAKeyDoesWhatItsScopesSayInItsRealmOnly"),
	}},
	{ID: "API-07", Breaks: []Break{
		code("server", `json.Unmarshal($q.body, $to, json.RejectUnknownMembers(true))`, `json.Unmarshal($q.body, $to)`).in("server", "TestABodyIsReadStrictly"),
		code("server", `json.Unmarshal($q.body, $to, json.RejectUnknownMembers(true))`, `json.Unmarshal($q.body, $to, json.RejectUnknownMembers(true), jsontext.AllowDuplicateNames(true))`).in("server", "TestABodyIsReadStrictly"),
	}},
	{ID: "API-08", Breaks: []Break{
		code("server", `$r.Method != http.MethodPost`, `false`).in("server", "TestRefusalsComeInOneOrder"),
		code("server", `!isType($r.Header.Get("Content-Type"), $want) || $r.Header.Get("Content-Encoding") != ""`, `false`).in("server", "TestRefusalsComeInOneOrder"),
	}},
	{ID: "API-09", Breaks: []Break{
		near("server", `$from.Override, $restFields = $restValues`, `$from.Override, $restFields = $restValues`, `$all; $from.Attempt = oneseat.Attempt{}`).in("server", "TestACallThatIsRepeatedAfterALostAnswerHasTheSameAnswer"),
		story("a retry admits twice").in("server", "TestACallThatIsRepeatedAfterALostAnswerHasTheSameAnswer"),
	}},
	{ID: "API-10", Breaks: []Break{
		code("server", `wait == 0`, `true`).in("server", "TestAnAccountSignsInAsOftenAsItMayAndOthersAsBefore"),
		code("server", `len($b.young) >= mostBuckets || $now.Sub($b.began) > $fills`, `false`).in("server", "TestWhatIsRememberedOfManyAccountsIsBounded"),
	}},
	{ID: "API-11", Breaks: []Break{
		code("server", `return 0, nil, &refusal{status: http.StatusNotFound, name: "no-such-call", detail: $d}`, `http.Redirect(w, r, "/v1/check", http.StatusPermanentRedirect); $all`).in("server", "TestRefusalsComeInOneOrder"),
	}},
	{ID: "API-12", Breaks: []Break{
		code("server", `$line.realm = $s.realms[$key.Realm]`, `for _, of := range $s.realms { $line.realm = of }`).in("server", "TestNoCallWithAKeyOfOneRealmTouchesAnother"),
	}},
	{ID: "API-13", Breaks: []Break{
		text("server/calls.go", `api.PathConfirm:  {scope: ScopeSessions, within: callWithin, required: []string{"account", "session"}, serve: confirm},`, ``).readBy("api/contract", "TestTheFileHasThePathsOfTheServer"),
	}},
}

// records are events and log lines.
var records = []Row{
	{ID: "AUD-01", Breaks: []Break{
		text("event.go", `EventSessionUsedAfterEnd EventType = "session_used_after_end"`, `EventSessionUsedAfterEnd EventType = "session_used_late"`).readBy(".", "TestNamesOfEventsAndReasonsStay"),
		code("", `$d.noteSeat(EventSessionConfirmed, $s)`, ``).in(".", "TestEveryEventIsInTheInventoryWithItsFields"),
	}},
	{ID: "AUD-02", Breaks: []Break{
		code("server", `$s.config.Logger.LogAttrs($ctx, $level, "call", $line...)`, `if c.key != nil { $all }`).in("server", "TestTheLogHasALineForEachCall"),
	}},
	{ID: "AUD-03", Breaks: []Break{
		code("", `$d.noteSeat(EventSessionEnded, &$s).tell($how)`, `$d.noteSeat(EventSessionEnded, &$s)`).in("store/memstore", "TestStoreKeepsTheContract/Expiry/a timeout is recorded once, however many find it"),
		code("", `$d.noteSeat(EventSessionCreated, &$s)`, ``).in(".", "TestApplyEndsWhoGoesAndSeatsTheNewcomer"),
	}},
	{ID: "AUD-04", Breaks: []Break{
		code("oneseathttp", `$g.warnOfCookie($r)`, `g.seats.Config().Logger.Info("a sign-in", "token", string(grant.Token)); $all`).in("oneseathttp", "TestASecondSignInEndsTheFirstAndItIsToldWhy"),
		code("server", `slog.String("error", reason($c.err))`, `slog.String("error", $c.err.Error())`).in("server", "TestNoSecretAndNoNameIsInTheLogOrInARefusal"),
	}},
	{ID: "AUD-05", Breaks: []Break{
		code("server", `harmless.MatchString($id)`, `$id != ""`).in("server", "TestTheLogHasALineForEachCall"),
	}},
	{ID: "AUD-07", Breaks: []Break{
		code("store/sqlitestore", `if $err := $w.events.write($w.logged); $err != nil { return $err }`, ``).in("store/sqlitestore", "TestStoreContract/Log/what is committed is in the log, whole and in order"),
	}},
	{ID: "AUD-09", Breaks: []Break{
		text("server/log.go", `LogAttrs(ctx, level, "call", line...)`, `LogAttrs(ctx, level, "a call", line...)`).readBy("internal/archtest", "TestEveryLogLineIsInTheInventory"),
		text("store/sqlitestore/trim.go", `keepEvents = 30 * 24 * time.Hour`, `keepEvents = 3 * 24 * time.Hour`).readBy("internal/archtest", "TestHowLongEventsAreKeptIsAsThePageSays"),
	}},
}
