package requirements

var endings = []Row{
	{ID: "REV-01", Breaks: []Break{
		story("memory is believed ten times as long").in(".", "TestChecksHoldTheirBoundsUnderAllLatencies"),
		story("a gap in the log is taken for silence").in(".", "TestAGapSuspendsWhatWasCached"),
	}},
	{ID: "REV-02", Breaks: []Break{
		story("upsert on touch").in(".", "TestAUseFindsASessionLiveOrDoesNothing"),
	}},
	{ID: "REV-03", Breaks: []Break{
		code("", `return $s.parent == "" && $s.ID != $e.keep`, `return $s.parent == ""`).in(".", "TestEndEndsSomeAndCountsThem"),
		code("server", `string($s.Device.Class) == $in.Class`, `true`).in("server", "TestSessionsAreListedAndEndedByExactlyOneSelector"),
	}},
	{ID: "REV-04", Breaks: []Break{
		story("a block leaves a live session").in(".", "TestABlockedAccountIsOut"),
		story("a blocked account signs in").in(".", "TestABlockedAccountIsOut"),
	}},
	{ID: "REV-05", Breaks: []Break{
		code("", `return $s.parent == "" && $s.ID != $e.keep`, `return $s.parent == "" && $e.keep != "" && $s.ID != $e.keep`).in(".", "ExampleRegistry_EndAll"),
		text("clients/django/oneseat_django/signals.py", `transaction.on_commit(lambda: seats.end_others(instance))`, `pass`).readBy(django, "tests.test_promises.OnTheDouble.test_set_password_anywhere_ends_the_sessions_of_the_user_and_other_changes_do_not"),
	}},
	{ID: "REV-06", Breaks: []Break{
		code("", `$d.realmEpoch = $d.was.Next()`, `$d.realmEpoch = max($d.realmEpoch, 1)`).in(".", "TestEndRealmEndsEverythingBeforeAndNothingAfter"),
	}},
	{ID: "REV-07", Breaks: []Break{
		code("", `ended{Ending: $how, secret: $s.secret, tag: $s.tag()}`, `ended{Ending: $how, tag: $s.tag()}`).in(".", "TestAnEndingIsToldAsLongAsItIsKept"),
		near("", `$d.expireBlock()`, `$d.forget(0)`, `break`).in(".", "TestTheSweepRecordsTimeoutsAndErasesWhatIsLeft"),
	}},
	{ID: "REV-08", Breaks: []Break{
		code("", `$m.ending != nil && !$m.ending.used.After($since)`, `$m.ending != nil`).in(".", "TestUseAfterTheEndIsReportedOnceAnHour"),
		code("", `$j.report && !$c.secret.IsZero()`, `false`).in(".", "TestUseAfterTheEndIsReportedOnceAnHour"),
	}},
	{ID: "REV-09", Breaks: []Break{
		code("oneseathttp", `http.SetCookie($w, $k)`, `if $k.MaxAge < 0 { $k.Secure = false }; $all`).in("oneseathttp", "TestTheCookieOnASiteIsHostSecureAndLax"),
		near("oneseathttp", `$g.seats.SignOut($r.Context(), $token)`, `$g.forget($w, $r)`, ``).in("oneseathttp", "TestSignOutFreesTheSeatAndForgetsTheCookie"),
	}},
	{ID: "REV-11", Breaks: []Break{
		code("internal/demo", `$mux.HandleFunc("POST /logout", $f.signOut)`, `$all; $mux.HandleFunc("GET /logout", $f.signOut)`).in("internal/demo", "TestSignOutEndsTheSessionAndItsPicture"),
		code("examples/firstapp", `$mux.HandleFunc("POST /logout", $s.signOut)`, `$all; $mux.HandleFunc("GET /logout", $s.signOut)`).in("examples/firstapp", "TestSignOutFreesTheSeat"),
		code("oneseathttp", `$next = $g.cross.Handler($next)`, ``).in("oneseathttp", "TestCrossSitePostsAreRefused"),
	}},
	{ID: "REV-13", Breaks: []Break{
		story("memory is believed ten times as long").in(".", "TestAYesIsNeverOlderThanMaxStale"),
		code("", `$d.doubt || $r.provenAgo($d, $now) > $r.watchStale()/2 || $now.since($d.entry.loaded) > reloadAfter || $restOr`, `$d.doubt`).in(".", "TestHeldRequestsAreCutWithinMaxStaleWhereTheLogIsBroken"),
	}},
}
