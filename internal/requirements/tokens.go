package requirements

var tokens = []Row{
	{ID: "TOK-01", Breaks: []Break{
		code("", `_, _ = rand.Read($secret[:])`, ``).in(".", "TestTokensAndIdsAreNeverUsedTwice"),
	}},
	{ID: "TOK-02", Breaks: []Break{
		story("a token shows itself").in(".", "TestASecretIsShownByNothing"),
	}},
	{ID: "TOK-03", Breaks: []Break{
		story("a token has two spellings").in(".", "TestMalformedTokensNeverReachTheStore"),
		code("", `$j.verdict != verdictNone`, `true`).in(".", "TestForgedTokensCacheNothingAndEvictNothing"),
	}},
	{ID: "TOK-04", Breaks: []Break{
		code("", `$d.end($is.Renews, Ending{Reason: ReasonRenewed, By: $s.ID, ByDevice: $s.Device})`, ``).in(".", "TestTheSameBrowserIsRenewedSilently"),
		story("a rotation leaves the old secret in force").in(".", "TestRotateTakesOnlyTheSecretInForce"),
	}},
	{ID: "TOK-07", Breaks: []Break{
		near("", `$m.ending.Reason == ReasonSignedOut`, `$d.standsFor($secret)`, `match{seat: &$d.seats[0]}`).in(".", "TestSignOutEndsItsOwnSessionOnly"),
	}},
	{ID: "TOK-08", Breaks: []Break{
		code("", `_, _ = rand.Read($secret[:])`, ``).in(".", "TestTokensAndIdsAreNeverUsedTwice"),
		code("", `$d.realmEpoch = $d.was.Next()`, `$d.realmEpoch = 1`).in(".", "TestWithoutTheControlRecordNothingIssuedBeforeIsAccepted"),
	}},
	{ID: "TOK-11", Breaks: []Break{
		story("a token has two spellings").in(".", "TestMalformedTokensNeverReachTheStore"),
	}},
}

var timeouts = []Row{
	{ID: "TMO-01", Breaks: []Break{
		near("", `ReasonAbsoluteTimeout`, `$idle > 0 && !$now.Before($s.LastSeen.Add($idle))`, `$idle > 0 && $now.After($s.LastSeen.Add($idle))`).in(".", "TestASessionIdlesOutExactlyAtItsDeadline"),
	}},
	{ID: "TMO-02", Breaks: []Break{
		story("a touch moves the absolute deadline").in(".", "TestATouchMovesTheIdleDeadlineAndNotTheAbsoluteOne"),
	}},
	{ID: "TMO-03", Breaks: []Break{
		story("an expiry is answered and then undone").in(".", "TestATimeoutThatCannotBeRecordedIsNotAnswered"),
	}},
	{ID: "TMO-04", Breaks: []Break{
		code("", `$r.checkToken($ctx, $token, usePeek, false)`, `$r.checkToken($ctx, $token, useActive, false)`).in(".", "TestAPeekIsNoActivity"),
	}},
	{ID: "TMO-06", Breaks: []Break{
		story("a clock that is set back undoes time").in(".", "TestTheStoresClockSetBackRevivesNothing"),
		code("", `$m.at = $m.entry.Now.Add($now.since($m.entry.loaded))`, `$m.at = time.Unix(0, int64($now.wall))`).in(".", "TestANodesOwnClockDecidesNothing"),
	}},
	{ID: "TMO-09", Breaks: []Break{
		code("", `$how == useActive && !$u.at.Before($s.LastSeen.Add($s.touchEvery($rule)))`, `$how == useActive`).in(".", "TestASessionInUseIsWrittenOnceInATouchInterval"),
		code("", `$idle > 0 && !$u.at.Before($s.LastSeen.Add($idle-$s.touchEvery($rule)))`, `false`).in(".", "TestNearTheDeadlineNoTouchMeansNo"),
	}},
}
