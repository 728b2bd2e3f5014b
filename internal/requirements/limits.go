package requirements

var limits = []Row{
	{ID: "LIM-01", Breaks: []Break{
		story("check, then insert: one seat is counted").in(".", "TestNoRosterEverHoldsMoreThanTheLimit"),
	}},
	{ID: "LIM-02", Breaks: []Break{
		story("what the application says comes before what is stored").in(".", "TestTheMostSpecificLimitCounts"),
		code("", `$is.Bound, $is.Limit, $is.Source = $full.Name, $full.Limit, $full.Source`, `$is.Bound, $is.Limit, $is.Source = $full.Name, $full.Limit, SourceConfig`).in(".", "TestExplainSaysWhoSaidTheLimit"),
	}},
	{ID: "LIM-03", Breaks: []Break{
		code("", `setDefault(&$c.WhenFull, PolicyDisplace)`, `setDefault(&$c.WhenFull, PolicyRefuse)`).in(".", "TestTheDefaultsStayTheSame"),
		code("", `$policy == PolicyDisplace || $c.override`, `$policy != PolicyAsk || $c.override`).in(".", "TestDecideTable"),
	}},
	{ID: "LIM-04", Breaks: []Break{
		code("", `for _, $id := range $displaces { $how.SameDevice = $d.sameDevice($id, $s); $d.end($id, $how) }`, ``).in(".", "TestTheNewestSignInWinsAndTheOtherIsTold"),
	}},
	{ID: "LIM-05", Breaks: []Break{
		story("a ticket is redeemed twice").in(".", "TestTheTicketLetsTheNewcomerChoose"),
		code("", `$d.now().Add(ticketLife)`, `$d.now().Add(2 * ticketLife)`).in(".", "TestATicketIsGoodForFiveMinutes"),
	}},
	{ID: "LIM-06", Breaks: []Break{
		code("", `$s.ID == $renews || $d.rule.observeOnly && $s.observed`, `$d.rule.observeOnly && $s.observed`).in(".", "TestTheSameBrowserIsRenewedSilently"),
		near("", `$policy == PolicyDisplace`, `$renewed != nil && $b.counts($renewed)`, `false`).in(".", "TestARenewalOverALoweredLimitIsNotRefused"),
	}},
	{ID: "LIM-07", Breaks: []Break{
		near("", `$c.issuedAt($d.now())`, `$d.room($c)`, `Decision{Outcome: OutcomeAdmitted}`).in(".", "TestAdoptionGoesThroughTheRulesOfTheDoor"),
	}},
	{ID: "LIM-08", Breaks: []Break{
		code("", `$d.noteSeat($event, &$c.seat).Bound = $is.$bound()`, `$d.noteSeat(EventSessionCreated, &$c.seat).Bound = $is.$bound()`).in(".", "TestARefusalIsNeitherASessionNorAFailedSignIn"),
	}},
	{ID: "LIM-09", Breaks: []Break{
		story("a lowered limit trims nobody").in(".", "TestALoweredStoredLimitTrimsAtOnce"),
		near("", `$d.limitsRev = $d.was.Next()`, `$d.trim("")`, ``).in(".", "TestALoweredConfiguredLimitTrimsAtTheNextSignInOrRefresh"),
	}},
	{ID: "LIM-10", Breaks: []Break{
		code("", `return append($bounds, newBound($pool, $most, $l.from))`, `if _, classes := $l.of($pool); len(classes) > 0 { return $bounds }; $all`).in(".", "TestNoClassGetsPastTheTotal"),
	}},
	{ID: "LIM-11", Breaks: []Break{
		near("", `$reason, $over = ReasonRealmEnded, true`, `if $over { $d.end($s.ID, Ending{Reason: $reason}) }`, `if $over && $reason == ReasonRealmEnded { $d.end($s.ID, Ending{Reason: $reason}) }`).in(".", "TestATimedOutSessionHoldsNoSeat"),
	}},
	{ID: "LIM-12", Breaks: []Break{
		code("", `$policy == PolicyDisplace || $c.override`, `$policy == PolicyDisplace`).in(".", "TestTakeOverDisplacesUnderRefuse"),
		code("", `$d.rule.seatIdle > 0 && !$d.now().Before($s.LastSeen.Add($d.rule.seatIdle))`, `false`).in(".", "TestAClosedLaptopDoesNotLockItsOwnerOut"),
	}},
	{ID: "LIM-13", Breaks: []Break{
		code("", `$d.note(EventTakeoverNoticed)`, ``).in(".", "TestDevicesThatThrowEachOtherOutInTurn"),
		code("", `!$d.now().Before($e.At.Add(takeoverWindow))`, `false`).in(".", "TestTheWindowOfATakeover"),
	}},
	{ID: "LIM-14", Breaks: []Break{
		story("unlimited has no ceiling").in(".", "TestUnlimitedMeansTheCeilingWithTheIdlestGoing"),
		code("", `$n != Unlimited && ($n < 1 || $n > $most)`, `false`).in(".", "TestImpossibleLimits"),
	}},
	{ID: "LIM-15", Breaks: []Break{
		code("", `$b = binary.BigEndian.AppendUint64($b, uint64(len($s))); $b = append($b, $s...)`, `$b = append($b, $s...)`).in(".", "TestKeysAreSpeltUnlike"),
		near("", `$a == ""`, `!utf8.ValidString($a)`, `false`).in(".", "TestWhatCannotNameAnAccountIsATypedError"),
	}},
	{ID: "LIM-16", Breaks: []Break{
		code("", `$b = binary.BigEndian.AppendUint64($b, uint64(len($s))); $b = append($b, $s...)`, `if $s != "" { $s = string(unicode.ToLower(rune($s[0]))) + $s[1:] }; $all`).in(".", "ExampleRegistry_SignIn_spelling"),
	}},
}
