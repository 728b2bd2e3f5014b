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
	}},
	{ID: "REV-04", Breaks: []Break{
		story("a block leaves a live session").in(".", "TestABlockedAccountIsOut"),
		story("a blocked account signs in").in(".", "TestABlockedAccountIsOut"),
	}},
	{ID: "REV-05", Breaks: []Break{
		code("", `return $s.parent == "" && $s.ID != $e.keep`, `return $s.parent == "" && $e.keep != "" && $s.ID != $e.keep`).in(".", "ExampleRegistry_EndAll"),
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
}
