package requirements

// operation is what operators do and see.
var operation = []Row{
	{ID: "ADM-02", Breaks: []Break{
		code("", `Ending{Reason: $e.how.Reason, By: $e.how.By, Actor: $e.how.Actor}`, `Ending{Reason: $e.how.Reason, By: $e.how.By}`).in("cmd/oneseat", "TestAccountsAndSessionsAreListedShownEndedAndBlocked"),
		code("", `$d.note(EventRealmEnded).Actor = $actor`, `$d.note(EventRealmEnded)`).in("cmd/oneseat", "TestARealmEndsIfItsNameIsTyped"),
		code("", `$e.Actor, $e.Until = $actor, $until`, `$e.Until = $until`).in(".", "TestABlockedAccountIsOut"),
	}},
	{ID: "ADM-03", Breaks: []Break{
		code("server", `!known`, `false`).in("server", "TestOperationsServesFourPathsAndNothingElse"),
	}},
	{ID: "ADM-04", Breaks: []Break{
		near("cmd/oneseat", `strings.Map($restAll)`, `unicode.IsGraphic($r)`, `true`).in("cmd/oneseat", "TestAnErrorHasNothingThatATerminalObeys"),
		near("cmd/oneseat", `strings.TrimSpace($s)`, `return strconv.QuoteToGraphic($s)`, `return $s`).in("cmd/oneseat", "TestAccountsAndSessionsAreListedShownEndedAndBlocked"),
	}},
	{ID: "OPS-01", Breaks: []Break{
		code("cmd/oneseat", `$err == nil && !$local && !$c.dev && $c.cert == "" && !*$plain`, `false`).in("cmd/oneseat", "TestServeRefusesWhatMakesNoSense"),
		code("internal/doctor", `$f.about.DangerouslyAllowWhenStoreIsDown`, `false`).in("internal/doctor", "TestTheSwitchNamedDangerouslyIsFound"),
	}},
	{ID: "OPS-02", Breaks: []Break{
		text("cmd/oneseat/demo.go", "ReadHeaderTimeout: 10 * time.Second,", "").readBy("internal/archtest", "TestEveryServerBoundsHowLongAClientMaySendItsHeader"),
		code("server", `$no = &refusal{status: http.StatusInternalServerError, name: "internal", detail: $detail}`, `panic(p)`).in("server", "TestAPanicIsAProblemAndTheServerGoesOn"),
		text("cmd/oneseat/serve.go", "ReadTimeout:       10 * time.Second,", "ReadTimeout:       0,").in("cmd/oneseat", "TestABodyThatTricklesIsCut"),
	}},
	{ID: "OPS-03", Breaks: []Break{
		code("oneseathttp", `$e.guard != nil && $e.guard.drained()`, `false`).hangs("oneseathttp", "TestADrainEndsWhatIsEndlessAndTheRestFinishes"),
		code("server", `$s.ending() || $s.storesFail($r.Context())`, `$s.storesFail($r.Context())`).in("server", "TestTheServerIsReadyWhileItsStoreAnswersAndUntilItIsDrained"),
	}},
	{ID: "OPS-04", Breaks: []Break{
		code("server", `$s.ending() || $s.storesFail($r.Context())`, `$s.ending()`).in("server", "TestTheServerIsReadyWhileItsStoreAnswersAndUntilItIsDrained"),
	}},
	{ID: "OPS-05", Breaks: []Break{
		text("scripts/vulncheck", `exit "$code"`, `exit 0`).readBy("internal/archtest", "TestAFindingOfGovulncheckFailsAndADatabaseThatIsOutOfReachIsOneLine"),
		text("scripts/vulncheck", `[ -z "$must" ] || exit 1`, ``).readBy("internal/archtest", "TestNothingIsReleasedWhoseVulnerabilitiesNobodyCouldLookUp"),
	}},
	{ID: "OPS-06", Decided: "it is a page, and people judge it"},
	{ID: "OPS-07", Breaks: []Break{
		code("server", `$line.route.answers.add($line.status)`, `$all; s.counters.counter("oneseat_calls_total", "path", $line.theirs, "status", "200").Inc()`).in("server", "TestNoLabelHasWhatACallerWrote"),
	}},
}
