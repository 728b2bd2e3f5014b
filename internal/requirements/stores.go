package requirements

var stores = []Row{
	{ID: "STO-01", Breaks: []Break{
		code("store/memstore", `$incarnation != $s.incarnation`, `false`).in("store/memstore", "TestStoreKeepsTheContract/Log/a cursor of another log is a gap"),
		code("store/memstore", `$due.After($now)`, `false`).in("store/memstore", "TestStoreKeepsTheContract/Due/what is not due is not listed"),
	}},
	{ID: "STO-02", Breaks: []Break{
		story("check, then insert: one seat is counted").in("store/memstore", "TestStoreKeepsTheContract/Rules/any sequence of steps comes to what the oracle says"),
	}},
	{ID: "STO-03", Breaks: []Break{
		near("store/sqlitestore", `failureOf($err)`, `return fmt.Errorf("%w: %w", oneseat.ErrUnknownOutcome, explain($path, $err))`, `return nil`).in("store/sqlitestore", "TestAWriteThatFailsLeavesTheOutcomeUnknownAndTheNextOneHeals"),
		code("store/sqlitestore", `if $err := $w.runAll(); $err != nil { $w.disconnect(); $w.finish($err); return }`, `if $err := $w.runAll(); $err != nil { $w.disconnect(); $w.finish(nil); return }`).in("store/sqlitestore", "TestWhenTheDiskIsFullNothingIsLost"),
		near("", `$r.checkFresh($ctx, $c, $how)`, `$r.config.DangerouslyAllowWhenStoreIsDown && errors.Is($err, ErrStoreUnavailable)`, `errors.Is($err, ErrStoreUnavailable)`).in("store/pgstore", "TestWhileThePoolIsUsedUpNobodyIsLetInAndNothingHangs"),
	}},
	{ID: "STO-04", Breaks: []Break{
		code("store/sqlitestore", `"synchronous(FULL)"`, `"synchronous(OFF)"`).in("store/sqlitestore", "TestEveryConnectionSyncsWhatItAcknowledges"),
		code("store/sqlitestore", `if $err = $w.s.prove(); $err == nil { return nil }`, `return nil`).in("store/sqlitestore", "TestACommitIsNotAcknowledgedWhenTheFilesWereSpoiltMeanwhile"),
	}},
	{ID: "STO-05", Breaks: []Break{
		text("store/pgstore/update.go", "WHERE key = $1 AND version = $5 AND", "WHERE key = $1 AND $5::bigint >= 0 AND").in("store/pgstore", "TestStoreContract/Updates/what a change did not see it does not overwrite"),
		code("store/pgstore", `$durable == "off" || $fsync == "off"`, `false`).in("store/pgstore", "TestWhoeverTurnsOffDurabilityIsToldOnce"),
	}},
	{ID: "STO-06", Breaks: []Break{
		text("store/redisstore/commit.lua", "local stale = held ~= ARGV[1] or now > tonumber(ARGV[2])", "local stale = false").in("store/redisstore", "TestStoreContract/Updates/what a change did not see it does not overwrite"),
	}},
	{ID: "STO-07", Breaks: []Break{
		text("store/memstore/memstore.go", "They are lost when", "They are kept when").readBy("cmd/oneseat", "TestTheCommentOfTheMemoryStoreSaysThatItIsLost"),
		code("cmd/oneseat", `$c.store.name == "memory"`, `false`).in("cmd/oneseat", "TestWhoeverKeepsSessionsInMemoryIsToldThatTheyAreLost"),
	}},
	{ID: "STO-08", Breaks: []Break{
		code("store/sqlitestore", `$t.roster = string($b)`, `$t.roster = fmt.Sprintf(string($b))`).in("store/sqlitestore", "TestStoreContract/Strings/any account is kept as it is, and apart from every other"),
	}},
	{ID: "STO-09", Breaks: []Break{
		code("", `return unknownTo(reflect.TypeOf($known).Elem(), $b)`, `return nil, nil`).in(".", "TestUnknownFieldsAreKept"),
		near("store/sqlitestore", `"PRAGMA application_id"`, `$err == nil && $n > $known`, `false`).in("store/sqlitestore", "TestADatabaseOfANewerReleaseIsRefused"),
	}},
	{ID: "STO-10", Breaks: []Break{
		code("", `$p.newcomer != "" && $v.newerThan($p.epoch)`, `false`).in(".", "TestAPartialRestoreIsNoticedAndMendedByEndRealm"),
	}},
	{ID: "STO-11", Breaks: []Break{
		near("", `$r.loader.close()`, `$r.end()`, ``).hangs(".", "TestCloseLeavesNobodyWaiting"),
	}},
	{ID: "STO-12", Breaks: []Break{
		code("", `$c.Streams++`, ``).in("store/memstore", "TestStoreKeepsTheContract/Counts/a sum is what the rosters of a realm say, after every update"),
	}},
}
