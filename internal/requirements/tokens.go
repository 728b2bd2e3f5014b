package requirements

var tokens = []Row{
	{ID: "TOK-01", Breaks: []Break{
		code("", `rand.Read($secret[:])`, `rand.Read($secret[:4])`).in(".", "TestEveryBitOfASecretIsRandom"),
		code("", `_, _ = rand.Read($secret[:])`, ``).in(".", "TestTokensAndIdsAreNeverUsedTwice"),
	}},
	{ID: "TOK-02", Breaks: []Break{
		story("a token shows itself").in(".", "TestASecretIsShownByNothing"),
	}},
	{ID: "TOK-03", Breaks: []Break{
		story("a token has two spellings").in(".", "TestMalformedTokensNeverReachTheStore"),
		code("", `$j.verdict != verdictNone`, `true`).in(".", "TestForgedTokensCacheNothingAndEvictNothing"),
		code("", `$c.unknown.Add(1)`, ``).in(".", "TestFiguresCountWhatHappens"),
	}},
	{ID: "TOK-04", Breaks: []Break{
		code("", `$d.end($is.Renews, Ending{Reason: ReasonRenewed, By: $s.ID, ByDevice: $s.Device})`, ``).in(".", "TestTheSameBrowserIsRenewedSilently"),
		story("a rotation leaves the old secret in force").in(".", "TestRotateTakesOnlyTheSecretInForce"),
	}},
	{ID: "TOK-06", Breaks: []Break{
		near("oneseathttp", `$lines := $r.Header["Cookie"]`, `if len($lines) == 0 { return "" }`, `if len($lines) == 0 { return $r.URL.Query().Get("token") }`).in("oneseathttp", "TestATokenInAURLIsNone"),
	}},
	{ID: "TOK-07", Breaks: []Break{
		near("", `$m.ending.Reason == ReasonSignedOut`, `$d.standsFor($secret)`, `match{seat: &$d.seats[0]}`).in(".", "TestSignOutEndsItsOwnSessionOnly"),
	}},
	{ID: "TOK-08", Breaks: []Break{
		code("", `_, _ = rand.Read($secret[:])`, ``).in(".", "TestTokensAndIdsAreNeverUsedTwice"),
		code("", `$d.realmEpoch = $d.was.Next()`, `$d.realmEpoch = 1`).in(".", "TestWithoutTheControlRecordNothingIssuedBeforeIsAccepted"),
	}},
	{ID: "TOK-10", Breaks: []Break{
		text("token.go", `return subtle.ConstantTimeCompare(d[:], e[:]) == 1 &&`, `return subtle.ConstantTimeCompare(nil, nil) == 1 && d == e &&`).readBy("internal/archtest", "TestSecretsAreComparedInConstantTimeOnly"),
		text("server/keys.go", `subtle.ConstantTimeCompare(keys[i].Hash[:], sum[:]) == 1`, `subtle.ConstantTimeCompare(nil, nil) == 1 && keys[i].Hash == sum`).readBy("internal/archtest", "TestSecretsAreComparedInConstantTimeOnly"),
		code("", `subtle.ConstantTimeCompare($d[:], $e[:]) == 1 && $d != digest{}`, `subtle.ConstantTimeCompare($d[:], $e[:]) == 1`).in(".", "TestDigestsCompareAndSpell"),
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
	{ID: "TMO-05", Breaks: []Break{
		code("examples/policies", `oneseat.Config{Idle: time.Hour, Absolute: 24 * time.Hour}`, `oneseat.Config{Idle: 2 * time.Hour, Absolute: 24 * time.Hour}`).in("examples/policies", "TestTheTimeoutsAreThoseOfTheStandards"),
	}},
	{ID: "TMO-06", Breaks: []Break{
		story("a clock that is set back undoes time").in(".", "TestTheStoresClockSetBackRevivesNothing"),
		code("", `$m.at = $m.entry.Now.Add($now.since($m.entry.loaded))`, `$m.at = time.Unix(0, int64($now.wall))`).in(".", "TestANodesOwnClockDecidesNothing"),
	}},
	{ID: "TMO-07", Breaks: []Break{
		code("oneseathttp", `$g.seats.TimeLeft($s)`, `time.Hour, time.Hour`).in("oneseathttp", "TestAPageIsToldInMillisecondsWhenItsSessionEndsByTheStoresClock"),
	}},
	{ID: "TMO-09", Breaks: []Break{
		code("", `$how == useActive && !$u.at.Before($s.LastSeen.Add($s.touchEvery($rule)))`, `$how == useActive`).in(".", "TestASessionInUseIsWrittenOnceInATouchInterval"),
		code("", `$idle > 0 && !$u.at.Before($s.LastSeen.Add($idle-$s.touchEvery($rule)))`, `false`).in(".", "TestNearTheDeadlineNoTouchMeansNo"),
	}},
}
