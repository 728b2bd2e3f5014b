package requirements

// web are cookies, forms of other sites, headers and redirects.
var web = []Row{
	{ID: "WEB-01", Breaks: []Break{
		code("oneseathttp", `http.SetCookie($w, $k)`, `$k.HttpOnly = false; $all`).in("oneseathttp", "TestTheCookieOnASiteIsHostSecureAndLax"),
		near("oneseathttp", `$name != $c.plain`, `http.SameSiteLaxMode`, `http.SameSiteDefaultMode`).in("oneseathttp", "TestTheCookieOnASiteIsHostSecureAndLax"),
		code("oneseathttp", `"__Host-" + $name`, `$name`).in("oneseathttp", "TestTheCookieOnASiteIsHostSecureAndLax"),
		code("oneseathttp", `min($life, longest)`, `min($life, 61*time.Second)`).in("oneseathttp", "TestACookieIsKeptAsLongAsItCanBeOfUse"),
	}},
	{ID: "WEB-02", Breaks: []Break{
		code("oneseathttp", `$c.domain != "" && beneath($r.Host, $c.domain)`, `$c.domain != ""`).in("oneseathttp", "TestAHostBeyondTheDomainGetsACookieOfItsOwnAndTheLogSaysSoOnce"),
		code("oneseathttp", `"__Secure-" + $name`, `$name`).in("oneseathttp", "TestTheGuardsCookiesAreAsStrictAsTheirConfigurationAllows"),
	}},
	{ID: "WEB-03", Breaks: []Break{
		near("oneseathttp", `strings.Cut(trim($pair), "=")`, `found && $v != $value`, `false`).in("oneseathttp", "TestPlantedDoubledAndForeignCookiesAreAnonymous"),
		near("oneseathttp", `strings.Cut(trim($pair), "=")`, `$k != name`, `!strings.EqualFold($k, name)`).in("oneseathttp", "TestPlantedDoubledAndForeignCookiesAreAnonymous"),
		near("oneseathttp", `strings.SplitSeq($line, ";")`, `trim($pair)`, `strings.TrimSpace($pair)`).in("oneseathttp", "TestASiblingHostCanPlantNoCookieThatLooksLikeOursToUs"),
	}},
	{ID: "WEB-04", Breaks: []Break{
		code("oneseathttp", `len($c.CookieName) > longestName`, `false`).in("oneseathttp", "TestWhatMakesNoSenseIsRefusedWithWhatToWrite"),
		code("oneseathttp", `http.SetCookie($w, $k)`, `if $k.Value != "" { $k.Value += strings.Repeat("x", 4096) }; $all`).in("oneseathttp", "TestTheCookieOnASiteIsHostSecureAndLax"),
	}},
	{ID: "WEB-05", Breaks: []Break{
		code("oneseathttp", `$c.DangerouslyPlainHTTP && len($c.FrameAncestors) > 0`, `false`).in("oneseathttp", "TestWhatMakesNoSenseIsRefusedWithWhatToWrite"),
	}},
	{ID: "WEB-06", Breaks: []Break{
		code("oneseathttp", `$next = $g.cross.Handler($next)`, ``).in("oneseathttp", "TestCrossSitePostsAreRefused"),
	}},
	{ID: "WEB-07", Breaks: []Break{
		near("oneseathttp", `$q.holder.Session, $q.why = $restEnter`, `$w.Header()["Cache-Control"] = noStore`, ``).in("oneseathttp", "TestNothingThatDependsOnASessionIsKeptByACache"),
		near("oneseathttp", `$h.Set("WWW-Authenticate", "Session")`, `$h.Set("Cache-Control", "no-store")`, ``).in("oneseathttp", "TestNothingThatDependsOnASessionIsKeptByACache"),
	}},
	{ID: "WEB-08", Breaks: []Break{
		code("oneseathttp", `strings.Join(append([]string{"'self'"}, $g.config.FrameAncestors...), " ")`, `"*"`).in("oneseathttp", "TestAPageInAFrameIsShownBySitesThatAreNamedOnly"),
		near("oneseathttp", `$h.Set("Referrer-Policy", "same-origin")`, `$h.Set("X-Content-Type-Options", "nosniff")`, ``).in("oneseathttp", "TestEveryAnswerOfTheGuardHasTheseHeadersAndNoOthers"),
		code("oneseathttp", `$h.Set("Referrer-Policy", "same-origin")`, ``).in("oneseathttp", "TestEveryAnswerOfTheGuardHasTheseHeadersAndNoOthers"),
		code("oneseathttp", `$policy + strings.Join($restList)`, `strings.Replace($policy, "base-uri 'none'; ", "", 1) + strings.Join($restList)`).in("oneseathttp", "TestEveryAnswerOfTheGuardHasTheseHeadersAndNoOthers"),
		code("internal/demo", `$h.Set("Cross-Origin-Opener-Policy", "same-origin")`, ``).in("internal/demo", "TestEveryAnswerOfTheDemoHasTheseHeadersAndNoOthers"),
		code("oneseathttp/internal/answer", `$h.Set("Cross-Origin-Resource-Policy", "same-origin")`, ``).in("oneseathttp", "TestEveryAnswerOfTheGuardHasTheseHeadersAndNoOthers"),
	}},
	{ID: "WEB-09", Breaks: []Break{
		code("oneseathttp", `cors.New($restOptions).Handler($next)`, `cors.New(cors.Options{AllowOriginFunc: func(string) bool { return true }, AllowCredentials: true}).Handler($next)`).in("oneseathttp", "TestNoOriginThatIsNotNamedIsAllowedCredentials"),
		code("oneseathttp", `len($g.config.Origins) == 0`, `false`).in("oneseathttp", "TestWithoutOriginsNothingIsSaidToOthersAndThisOriginMayDoAll"),
		near("server", `$h["X-Request-Id"]`, `$s.ending()`, `len($h.Values("Access-Control-Allow-Origin")) < 0 || func() bool { $h.Set("Access-Control-Allow-Origin", "*"); return $s.ending() }()`).in("server", "TestRefusalsComeInOneOrder"),
	}},
	{ID: "WEB-10", Breaks: []Break{
		code("oneseathttp", `!strings.HasPrefix($p, "/") || strings.HasPrefix($p, "//")`, `!strings.HasPrefix($p, "/")`).in("oneseathttp", "TestNextTargetsBeyondTheSiteAreRefused"),
		code("oneseathttp", `$c == '\\' || $c < ' ' || $c == 0x7f`, `false`).in("oneseathttp", "TestNextTargetsBeyondTheSiteAreRefused"),
	}},
	{ID: "WEB-11", Breaks: []Break{
		code("oneseathttp", `$program && $g.carrier.InAnswer`, `true`).in("oneseathttp", "TestTheTokenIsInNoAnswerWhereACookieCarriesIt"),
		text("oneseathttp/assets/oneseat.js", "try { marks = localStorage ?? marks; } catch {}", `try { marks = localStorage ?? marks; localStorage.setItem("token", document.cookie); } catch {}`).readBy("internal/archtest", "TestScriptsKeepNoSecretInTheBrowserAndTakeNoFingerprint"),
	}},
}

// events are event streams: SSE.
var events = []Row{
	{ID: "SSE-01", Breaks: []Break{
		near("oneseathttp", `$lines := $r.Header["Cookie"]`, `if len($lines) == 0 { return "" }`, `if len($lines) == 0 { return $r.URL.Query().Get("token") }`).in("oneseathttp", "TestATokenInAURLIsNone"),
		near("oneseathttp", `$q.holder.Ending == nil`, `$g.refuse($w, $r, $q.why); return`, `_, _ = $w.Write(nil); return`).in("oneseathttp", "TestEventsWithoutASessionAreRefused"),
	}},
	{ID: "SSE-02", Breaks: []Break{
		code("oneseathttp", `$g.fromOutside($r)`, `false`).in("oneseathttp", "TestAnotherSitesPageHoldsNoStreamOpen"),
	}},
	{ID: "SSE-03", Breaks: []Break{
		code("oneseathttp", `$mine == nil && $r.Header.Get("Last-Event-ID") == string($q.holder.Ending.Session)`, `false`).in("oneseathttp", "TestAnEventSourceThatHasHeardOfTheEndIsToldToComeNoMore"),
		code("oneseathttp", `sayLast($e, "ended", $g.problemOf($ended.Ending))`, ``).in("oneseathttp", "TestTheEventsStreamTellsOfTheEndAndIsOver"),
	}},
	{ID: "SSE-04", Breaks: []Break{
		code("oneseathttp", `!$g.background($r)`, `true`).in("oneseathttp", "TestWhatAPageAsksByItselfKeepsNoSessionFromIdling"),
		code("", `$d.doubt || $r.provenAgo($d, $now) > $r.watchStale()/2 || $now.since($d.entry.loaded) > reloadAfter || $restOr`, `$d.doubt`).in(".", "TestHeldRequestsAreCutWithinMaxStaleWhereTheLogIsBroken"),
	}},
	{ID: "SSE-05", Breaks: []Break{
		code("oneseathttp", `$s.of[$id] == streamsMost`, `false`).in("oneseathttp", "TestASessionHasOnlySoManyStreams"),
		code("oneseathttp", `$s.open.Len() >= $most`, `false`).hangs("oneseathttp", "TestAGuardHasOnlySoManyEventStreamsAndTheOldestGoes"),
		code("oneseathttp", `$e.c.SetWriteDeadline(time.Now().Add(sendWithin))`, `error(nil)`).hangs("oneseathttp", "TestAReaderThatIsStuckIsDroppedInSeconds"),
	}},
	{ID: "SSE-06", Breaks: []Break{
		code("oneseathttp", `$h.Set("X-Accel-Buffering", "no")`, ``).in("oneseathttp", "TestEventsAreNeverSilentForLongAndKeepNoSessionFromIdling"),
		code("oneseathttp", `time.NewTicker(max($every, time.Millisecond))`, `time.NewTicker(3 * $every)`).in("oneseathttp", "TestEventsAreNeverSilentForLongAndKeepNoSessionFromIdling"),
	}},
	{ID: "SSE-08", Breaks: []Break{
		code("oneseathttp", `$mine == nil && $r.Header.Get("Last-Event-ID") == string($q.holder.Ending.Session)`, `$mine == nil && $r.Header.Get("Last-Event-ID") != ""`).in("oneseathttp", "TestAnEventSourceThatHasHeardOfTheEndIsToldToComeNoMore"),
	}},
	{ID: "SSE-10", Breaks: []Break{
		near("oneseathttp", `$next.ServeHTTP($w, $r)`, `$q.holder.Session == nil`, `$q.holder.Session == nil && $q.holder.Ending == nil`).in("oneseathttp", "TestASecondSignInEndsTheFirstAndItIsToldWhy"),
	}},
}

// owners are what users see and do.
var owners = []Row{
	{ID: "USR-01", Breaks: []Break{
		code("oneseathttp", `answer.Sessions($live, $mine.ID)`, `answer.Sessions($live[:1], $mine.ID)`).in("oneseathttp", "TestTheOwnersListEndsOneAndTheOthers"),
		code("oneseathttp", `$g.seats.End($r.Context(), $mine.Account, oneseat.EndOptions{As: $mine.ID}, $id)`, `1, error(nil)`).in("oneseathttp", "TestTheOwnersListEndsOneAndTheOthers"),
	}},
	{ID: "USR-02", Breaks: []Break{
		code("oneseathttp", `$age == AnyProof || $g.proved($w, $r, $age, $g.path()+"devices")`, `true`).in("oneseathttp", "TestOwnDevicesAskForAProofThatIsNotADayOld"),
		code("oneseathttp", `$now.Sub($s.Proved) > $age`, `false`).in("oneseathttp", "TestAPageMayAskForAFreshProof"),
	}},
	{ID: "USR-04", Breaks: []Break{
		code("oneseathttp", `$n.Title, $n.Detail = $l.Pair("ended.displaced", "device", $device)`, `$n.Title, $n.Detail = $l.Pair("ended.signed_out")`).in("examples/firstapp", "TestTheSecondSignInStopsTheFirstOnesStreamAndItIsToldWhy"),
	}},
	{ID: "USR-05", Breaks: []Break{
		near("server", `$q.seats.Sessions($ctx, $in.Account)`, `for _, $s := range $live { $restAll }`, `if v, err := q.seats.Account(ctx, in.Account); err == nil && len(v.Endings) > 0 { return 0, nil, oneseat.ErrNoSession }; $all`).in("server", "TestAnAccountThatIsKnownAndOneThatIsNotAreAnsweredAlike"),
	}},
}

// privacy is what is kept about people.
var privacy = []Row{
	{ID: "PRV-01", Breaks: []Break{
		code("", `$d.IP = network($d.IP)`, ``).in("oneseathttp", "TestForwardedAddressesAreBelievedFromTrustedProxiesOnly"),
	}},
	{ID: "PRV-02", Breaks: []Break{
		code("store/redisstore", `$newest[0].at >= uint64($old)`, `false`).in("store/redisstore", "TestTheLogKeepsNoNameForMuchLongerThanAMonthAndWhoReadsItGetsNoGap"),
		near("", `$d.expireBlock()`, `$d.forget(0)`, `break`).in(".", "TestTheSweepRecordsTimeoutsAndErasesWhatIsLeft"),
		code("store/sqlitestore", `time.Now().Add(-keepEvents)`, `time.Now().Add(-100 * keepEvents)`).hangs("store/sqlitestore", "TestEventsOlderThanThirtyDaysAreTrimmedAndThatIsAGap"),
	}},
	{ID: "PRV-03", Breaks: []Break{
		near("", `$d.endAll(Ending{Reason: ReasonRevoked})`, `for len($d.endings) > 0 { $d.forget(0) }`, ``).in("store/memstore", "TestStoreKeepsTheContract/Forgetting/nothing that names an account is left of it"),
	}},
	{ID: "PRV-04", Breaks: []Break{
		text("oneseathttp/assets/dialog.js", "document.adoptedStyleSheets.push(look);", `document.adoptedStyleSheets.push(look); navigator.userAgentData?.getHighEntropyValues(["model"]);`).readBy("internal/archtest", "TestScriptsKeepNoSecretInTheBrowserAndTakeNoFingerprint"),
		code("oneseathttp", `$h.Set("Referrer-Policy", "same-origin")`, `$h.Set("Accept-"+"CH", "Sec-CH-UA-Model"); $all`).in("oneseathttp", "TestEveryAnswerOfTheGuardHasTheseHeadersAndNoOthers"),
	}},
	{ID: "PRV-05", Breaks: []Break{
		code("internal/device", `$b.rank > $s.browser.rank`, `true`).in("internal/device", "TestEveryAgentOfTheTableGetsItsClassAndLabel"),
	}},
	{ID: "PRV-06", Breaks: []Break{
		code("oneseathttp", `$err == nil && $q.holding.Touched()`, `false`).in("oneseathttp", "TestASessionThatGoesOnInAnotherBrowserIsAnEvent"),
		code("oneseathttp", `$q.holder.Rotated = $q.holding.Rotated()`, `if s != nil && s.Device.Label != g.deviceOf(r).Label { err = oneseat.ErrNoSession }; $all`).in("oneseathttp", "TestABrowserThatIsOnAnotherNetworkOrIsUpdatedStaysSignedIn"),
		code("oneseathttp", `$q.holder.Rotated = $q.holding.Rotated()`, `if s != nil && s.Device.IP != "" && !strings.HasPrefix(g.clientIP(r), s.Device.IP[:3]) { err = oneseat.ErrNoSession }; $all`).in("oneseathttp", "TestABrowserThatIsOnAnotherNetworkOrIsUpdatedStaysSignedIn"),
	}},
	{ID: "PRV-07", Breaks: []Break{
		code("oneseathttp", `$n.Title, $n.Detail = $l.Pair("ended.displaced", "device", $device)`, `$n.Title, $n.Detail = $l.Pair("ended.displaced", "device", $device+" "+e.ByDevice.IP)`).in("oneseathttp", "TestADisplacedBrowserIsToldNothingOfTheNetworkOfTheOther"),
	}},
}
