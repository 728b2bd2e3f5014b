package mutants

// words are the names that have changed since the patterns below were written:
// what a pattern calls it, and what the code does. It is the one place to change
// when a field or a type gets another name.
var words = map[string]string{}

// ByHand are the mistakes that were made by hand. The simulator and the rounds of
// faults plant some of them too.
var ByHand = []Mistake{
	// Who is admitted, and how often.
	{Name: "a retry admits twice", Edits: []Edit{{
		Find: `if $known { return Decision{Outcome: outcomeAlready}, true }`,
	}}},
	{Name: "a retry after its end admits again", Edits: []Edit{{
		Find: `if $known != (match{}) { return Decision{Outcome: outcomeAlready}, true }`,
		With: `if $known.seat != nil { return Decision{Outcome: outcomeAlready}, true }`,
	}}},
	{Name: "a retry that was forgotten admits again", Edits: []Edit{{
		Find: `!$since.IsZero() && $d.$forgot($since)`,
		With: `false`,
	}}},
	{Name: "an attempt that is repeated late is admitted again", Edits: []Edit{{
		Find: `earliest($d.given.firstTryAt, $c.tried)`,
		With: `$d.given.firstTryAt`,
	}}},
	{Name: "an attempt of a clock that is ahead is admitted again", Edits: []Edit{{
		Find: `!$c.tried.IsZero() && !$d.tried.Before($c.tried)`,
		With: `false`,
	}}},
	{Name: "an attempt is admitted again in a new roster", Edits: []Edit{{
		Find: `$d.tried = time.UnixMicro(int64($v.Version)).UTC()`,
	}}},
	{Name: "an attempt says yes to a session that has timed out", Edits: []Edit{{
		Find: `$change, $is = $d.$admit($c); return $change`,
		With: `$change, $is = $d.$admit($c); if $is.Outcome == outcomeAlready { $change = Change{} }; return $change`,
	}}},
	{Name: "an attempt gives a token in place of any other", Edits: []Edit{{
		Find: `$attempt.on($old).token($key)`,
		With: `$attempt.token($key)`,
	}}},
	{Name: "an attempt with other bytes gets the token of nobody", Edits: []Edit{{
		Find: `if $problem := $d.repeatable($c); $problem != nil { return Decision{Outcome: outcomeInvalid, problem: $problem}, true }`,
	}}},
	{Name: "a retry is another newcomer", Edits: []Edit{{
		Find: `$change, $is = $d.$admit($c); return $change`,
		With: `if !$d.given.firstTryAt.IsZero() { $c.seat.ID += "again" }; $all`,
	}}},
	{Name: "a retry asks for limits before it looks for itself", Edits: []Edit{{
		Find: `$v.$f($p.newcomer) != match{}`,
		With: `false`,
	}}},
	{Name: "the realm's end is a failed try of a sign-in", Edits: []Edit{{
		Find: `if $last = $p; !errors.Is($stale, errBehind) { $tries++ }`,
		With: `$last = $p; $tries++`,
	}}},
	{Name: "a lost reply is forgotten where limits changed", Edits: []Edit{{
		Find: `return fmt.Errorf("%w: %v", ErrUnknownOutcome, $err)`,
		With: `return $err`,
	}}},
	{Name: "a limit counts that was asked for under an old revision", Edits: []Edit{{
		Find: `$p.$has && $v.$f() != $p.revision`,
		With: `$p.newcomer == "" && $all`,
	}}},
	{Name: "a refresh trims to a limit that was asked for before", Edits: []Edit{{
		Find: `$p.$has && $v.$f() != $p.revision`,
		With: `$p.newcomer != "" && $all`,
	}}},
	{Name: "a blocked account signs in", Edits: []Edit{{
		Find: `if $d.blocked != nil { return Decision{Outcome: OutcomeBlocked}, true }`,
		With: `if $d.blocked != nil && !$d.blocked.until.IsZero() { return Decision{Outcome: OutcomeBlocked}, true }`,
	}}},
	{Name: "an adopted session displaces a later sign-in", Edits: []Edit{{
		Find: `$is.Outcome == OutcomeAsked || slices.ContainsFunc($restNewer)`,
		With: `$is.Outcome == OutcomeAsked`,
	}}},
	{Name: "an adopted session is older to the nanosecond", Edits: []Edit{{
		Find: `$c.issued.UTC().Truncate(time.Microsecond)`,
		With: `$c.issued.UTC()`,
	}}},

	// Who goes.
	{Name: "check, then insert: one seat is counted", Edits: []Edit{{
		Find: `for _, $s := range $seats { if $stays($s) { $over++ } }`,
		With: `for _, $s := range $seats[:min(len($seats), 1)] { if $stays($s) { $over++ } }`,
	}}},
	{Name: "unlimited has no ceiling", Edits: []Edit{{
		Find: `bound{Bound{$name, $ceiling, $from}, true}`,
		With: `bound{Bound{$name, 1 << 30, $from}, true}`,
	}}},
	{Name: "whoever is chosen is believed to free a seat", Edits: []Edit{{
		Find: `$policy == PolicyDisplace || $c.override`,
		With: `$all || len($c.chosen) > 0`,
	}}},
	{Name: "the same class goes before the same device", Edits: []Edit{{
		Find: `$order = cmp.Or($order, $class)`,
		With: `$order = cmp.Or($class, $order)`,
	}}},
	{Name: "an unused session gives way at once", Edits: []Edit{{
		Find: `$s.unused && !$c.adopted && !$d.$now().Before($s.Created.Add(unusedFor))`,
		With: `$s.unused && !$c.adopted`,
	}}},
	{Name: "a device id frees no seat", Edits: []Edit{{
		Find: `$s.ID == $c.own`,
		With: `false`,
	}}},
	{Name: "a device id frees every seat of the device", Edits: []Edit{{
		Find: `$s.ID == $c.own`,
		With: `$s.deviceID.Equal($c.seat.deviceID)`,
	}}},
	{Name: "a renewal frees a seat by its device id as well", Edits: []Edit{{
		Find: `$c.adopted || $renews != ""`,
		With: `$c.adopted`,
	}}},
	{Name: "a session that was answered yes gives way as unused", Edits: []Edit{{
		Find: `$s.unused && $rule.whenFull != PolicyDisplace`,
		With: `false`,
	}}},
	{Name: "a program's session gives way as unused", Edits: []Edit{{
		Find: `!$c.adopted && $device.Class != ClassAPI`,
		With: `!$c.adopted`,
	}}},
	{Name: "whose device it was is told to everybody", Edits: []Edit{{
		Find: `$gone.parent == "" && $gone.deviceID.Equal($s.deviceID)`,
		With: `true`,
	}}},
	{Name: "what the application says comes before what is stored", Edits: []Edit{{
		Find: `return [...]struct { Limits; from Source }{$stored, $asked, $configured}`,
		With: `return [...]struct { Limits; from Source }{$asked, $stored, $configured}`,
	}}},
	{Name: "streams are trimmed before sessions", Edits: []Edit{{
		Find: `[]string{boundTotal, boundPrograms, boundStreams}`,
		With: `[]string{boundStreams, boundPrograms, boundTotal}`,
	}}},
	{Name: "a program's session takes a seat of people", Edits: []Edit{{
		Near: `return boundPrograms`,
		Find: `boundPrograms`,
		With: `boundTotal`,
	}}},
	{Name: "a program has the device of a person", Edits: []Edit{{
		Find: `$s.Program != $c.seat.Program`,
		With: `false`,
	}}},
	{Name: "a program proves who it is", Edits: []Edit{{
		Find: `$s.parent == "" && !$c.adopted && !$s.Program`,
		With: `$s.parent == "" && !$c.adopted`,
	}}},
	{Name: "a program lasts as long as a person's session", Edits: []Edit{{
		Find: `$program && $r.programs.Limit != 0`,
		With: `false`,
	}}},
	{Name: "a lowered limit trims nobody", Edits: []Edit{{
		Near: `$d.limits, $d.limitsRev = $limits, $next; $told := $limits.$clone(); $e := $d.$note(EventLimitChanged); $e.Actor, $e.Limits = $actor, &$told`,
		Find: `$d.$trim($actor)`,
	}}},
	{Name: "a block leaves a live session", Edits: []Edit{{
		Find: `for len($d.seats) > 0 { $restEnd }`,
		With: `for len($d.seats) > 1 { $restEnd }`,
	}}},
	{Name: "a ticket is redeemed twice", Edits: []Edit{{
		Near: `$d.seats = append(slices.Clip($d.seats), $s)`,
		Find: `$d.$spend($c.ticketUsed)`,
	}}},
	{Name: "whoever has ended ends others", Edits: []Edit{{
		Find: `if $as := $e.$authority(); $as != "" { $restEnd }`,
		With: `if $as := $e.$authority(); $as != "" && false { $restEnd }`,
	}}},
	{Name: "a ticket pushes out any other", Edits: []Edit{{
		Near: `len($d.tickets) >= maxTickets`,
		Find: `$goes = slices.IndexFunc($d.tickets, $unknown)`,
		With: `$goes = 0`,
	}}},
	{Name: "a ticket is anybody's", Edits: []Edit{{
		Find: `subtle.ConstantTimeCompare($d.tickets[$i].deviceID[:], $c.seat.deviceID[:]) != 1`,
		With: `false`,
	}}},

	// Own devices, unused seats, the order of use.
	{Name: "an own device frees two seats", Edits: []Edit{{
		Find: `$s.ID == $c.own`,
		With: `$c.own != "" && $s.deviceID.Equal($c.seat.deviceID)`,
	}}},
	{Name: "an adoption frees its own device's seat", Edits: []Edit{{
		Find: `$c.adopted || $renews != ""`,
		With: `$renews != ""`,
	}}},
	{Name: "an own device frees its seat in silence", Edits: []Edit{{
		Find: `return $gone.parent == "" && $gone.deviceID.Equal($s.deviceID)`,
		With: `return false`,
	}}},
	{Name: "an unused seat never gives way", Edits: []Edit{{
		Find: `$s.unused && !$c.adopted && !$d.now().Before($s.Created.Add(unusedFor))`,
		With: `false`,
	}}},
	{Name: "an unused seat gives way to an adoption", Edits: []Edit{{
		Find: `$s.unused && !$c.adopted && !$d.now().Before($s.Created.Add(unusedFor))`,
		With: `$s.unused && !$d.now().Before($s.Created.Add(unusedFor))`,
	}}},
	{Name: "a first use is not written where sessions displace", Edits: []Edit{{
		Find: `$s.unused && ($rule.displaceOrder == DisplaceSameClass || $ro.$shared())`,
		With: `false`,
	}}},
	{Name: "a glance is no first use", Edits: []Edit{{
		Find: `$s.unused && $rule.whenFull != PolicyDisplace`,
		With: `$all && u.how != usePeek`,
	}}},
	{Name: "a rotation is no first use", Edits: []Edit{{
		Find: `$s.LastSeen, $s.lastUsed, $s.unused = $now, $never, false`,
		With: `$s.LastSeen, $s.lastUsed = $now, $never`,
	}}},
	{Name: "a stream's start is no first use", Edits: []Edit{{
		Find: `$d.$used($c.seat.parent)`,
	}}},
	{Name: "ending others is no first use", Edits: []Edit{{
		Near: `if $as := $e.$authority(); $as != "" { $restEnd }`,
		Find: `$d.used($as)`,
	}}},
	{Name: "a use that nothing else goes with is not written", Edits: []Edit{{
		Find: `!$d.firstUse`,
		With: `true`,
	}}},
	{Name: "the newest is whoever was newest in any view", Edits: []Edit{{
		Find: `$u.at.After($u.asOf.Add(orderEvery)) || !$ro.$newest($s)`,
		With: `$u.at.After($u.asOf.Add(orderEvery))`,
	}}},
	{Name: "the order of use goes by last-seen", Edits: []Edit{{
		Find: `latest($s.lastUsed, $s.LastSeen)`,
		With: `$s.LastSeen`,
	}}},
	{Name: "a use is in order for a minute", Edits: []Edit{{
		Near: `return useInOrder`,
		Find: `!$u.at.Before($s.$usedAt().Add(orderEvery))`,
		With: `!$u.at.Before($s.$usedAt().Add(6*orderEvery))`,
	}}},
	{Name: "a heartbeat does not use its session", Edits: []Edit{{
		Find: `$d.$used($d.seats[$i].parent)`,
	}}},
	{Name: "the same class comes second", Edits: []Edit{{
		Find: `$order = cmp.Or($order, first($a.Device.Class == $class, $b.Device.Class == $class))`,
		With: `$order = cmp.Or($order, first($a.Device.Class != $class, $b.Device.Class != $class))`,
	}}},
	{Name: "a held session is not in use", Edits: []Edit{{
		Near: `$held = append($held, $d.watchKey)`,
		Find: `for _, $k := range $held { $r.$note($k, $now) }`,
	}}},
	{Name: "a hold's end is no use", Edits: []Edit{{
		Find: `$now.since($w.since) >= orderEvery`,
		With: `false`,
	}}},
	{Name: "authority is looked up before the atomic step", Edits: []Edit{
		{
			Near: `if $as := $e.$authority(); $as != "" { $restEnd }`,
			Find: `if $err := $d.$over($as); $err != nil { $restEnd }`,
		},
		{
			Near: `$err := $r.$change($ctx, $account, $op)`,
			Find: `if $err := $e.how.$check(); $err != nil { return 0, $err }`,
			With: `$all; if as := $e.authority(); as != "" {
				if v, control, err := $r.readFresh($ctx, KeyOf($r.config.Realm, $account)); err != nil {
					return 0, err
				} else if err := v.draft(premises{epoch: control.epoch()}, $r.rule).over(as); err != nil {
					return 0, err
				}
			}`,
		},
	}},
	{Name: "a rotated token rotates", Edits: []Edit{{
		Find: `$m.previous && $m.seat != nil`,
		With: `false`,
	}}},

	// What a roster remembers.
	{Name: "upsert on touch", Edits: []Edit{{
		Near: `$i := $d.$seat($id)`,
		Find: `if $i < 0 || $due == useNotDue { return $d.$changed() }`,
		With: `if $i < 0 {
			$d.seats = append(slices.Clip($d.seats), seat{epoch: $d.given.epoch, Session: Session{ID: $id, Account: $d.Account, Created: $d.was.Now, LastSeen: $d.was.Now}})
			return Change{Roster: $d.Roster}
		}; $all`,
	}}},
	{Name: "a touch changes what is stored", Edits: []Edit{{
		Near: `return &$d.seats[$i]`,
		Find: `$d.seats = slices.Clone($d.seats)`,
	}}},
	{Name: "a touch moves the absolute deadline", Edits: []Edit{{
		Find: `$s.LastSeen, $s.lastUsed = $now, $never`,
		With: `$s.LastSeen, $s.lastUsed, $s.Created = $now, $never, $now`,
	}}},
	{Name: "the newest of an old view counts as the newest", Edits: []Edit{{
		Find: `$u.at.After($u.asOf.Add(orderEvery)) || !$ro.$newest($s)`,
		With: `!$ro.$newest($s)`,
	}}},
	{Name: "every use is written for its order", Edits: []Edit{{
		Find: `$now.$since($b.ordered[$k][0]) >= orderEvery`,
		With: `true`,
	}}},
	{Name: "a request that goes on counts for nothing", Edits: []Edit{{
		Find: `$how >= useHeld && $d.$inOrder($rule)`,
		With: `$how == useActive && $d.$inOrder($rule)`,
	}}},
	{Name: "whoever ends nobody has not used its session", Edits: []Edit{{
		Find: `$d.firstUse = $s.unused`,
	}}},
	{Name: "a rotated session is unused again", Edits: []Edit{{
		Find: `$s.LastSeen, $s.lastUsed, $s.unused = $now, $never, false`,
		With: `$s.LastSeen, $s.lastUsed, $s.unused = $now, $never, true`,
	}}},
	{Name: "a rotation leaves the old secret in force", Edits: []Edit{{
		Find: `$s.previous, $s.secret, $s.rotated, $s.replayed = $s.secret, $secret, $now, $never`,
		With: `$s.previous, $s.rotated, $s.replayed = $secret, $now, $never`,
	}}},
	{Name: "a displacement is told as a renewal", Edits: []Edit{{
		Find: `Ending{Reason: ReasonDisplaced, By: $id, ByDevice: $device}`,
		With: `Ending{Reason: ReasonRenewed, By: $id, ByDevice: $device}`,
	}}},
	{Name: "the newest ending is forgotten first", Edits: []Edit{{
		Find: `$d.endings = slices.Concat($d.endings[:$i], $d.endings[$i+1:])`,
		With: `$d.endings = $d.endings[:len($d.endings)-1]`,
	}}},
	{Name: "heartbeats keep a stream after its session", Edits: []Edit{{
		Near: `$how.Session, $how.Parent, $how.Device, $how.At = $a, $b, $c, $d`,
		Find: `if $child.parent == $id { $restEnd }`,
		With: `if $child.parent == $id && $how.Reason != ReasonDisplaced { $restEnd }`,
	}}},
	{Name: "a player reconnecting has a second stream", Edits: []Edit{{
		Find: `$parent != "" && $s.parent == $parent && $s.deviceID.Equal($player)`,
		With: `false`,
	}}},
	{Name: "a heartbeat keeps the session", Edits: []Edit{{
		Near: `$err := $d.$streaming($parent, $stream)`,
		Find: `$d.$touch($stream, $every)`,
		With: `$d.$touch($parent, $every)`,
	}}},
	{Name: "a heartbeat is not written in time", Edits: []Edit{{
		Find: `$d.rule.streamIdle / 10`,
		With: `$d.rule.streamIdle / 2`,
	}}},
	{Name: "a version restarts", Edits: []Edit{{
		Find: `max($v.Version+1, $now)`,
		With: `$now`,
	}}},
	{Name: "a clock that is set back undoes time", Edits: []Edit{{
		Find: `latest($clock, $last).UTC()`,
		With: `$clock.UTC()`,
	}}},
	{Name: "a retried end of the realm ends twice", Edits: []Edit{{
		Find: `$try > 0 && $v.$epoch() > $before`,
		With: `false`,
	}}},
	{Name: "a panic takes its batch along", Edits: []Edit{{
		Find: `if $p := recover(); $p != nil { $restTell }`,
	}}},

	// What memory may say.
	{Name: "what arrives late is cached", Edits: []Edit{{
		Find: `$v.Roster == nil || $v.Version < $s.loads[$v.Key].least`,
		With: `$v.Roster == nil`,
	}}},
	{Name: "what is dropped is followed by what is older", Edits: []Edit{{
		Find: `if $l := $s.loads[$k]; $l != nil { $l.least = max($l.least, $e.Version) }`,
	}}},
	{Name: "a load overwrites a newer version", Edits: []Edit{{
		Find: `$old != nil && $old.Version > $v.Version`,
		With: `false`,
	}}},
	{Name: "memory is believed ten times as long", Edits: []Edit{{
		Find: `$now.$since($fresh) <= $c.maxStale`,
		With: `$now.$since($fresh) <= 10*$c.maxStale`,
	}}},
	{Name: "a proof extends what was cached after it began", Edits: []Edit{{
		Near: `$call := proof{begun: $step, at: $now}`,
		Find: `$call.gap = $f.gap`,
		With: `$call.gap, $call.begun, $call.at = $f.gap, $step, $now`,
	}}},
	{Name: "a proof counts as of its end", Edits: []Edit{{
		Near: `$call := proof{begun: $step, at: $now}`,
		Find: `$call.gap = $f.gap`,
		With: `$call.gap, $call.at = $f.gap, $now`,
	}}},
	{Name: "a lease counts from the end of a read", Edits: []Edit{{
		Near: `$b.began = $now`,
		Find: `$b.control = $b.views[$k]`,
		With: `$b.control, $b.began = $b.views[$k], $now`,
	}}},
	{Name: "a gap in the log is taken for silence", Edits: []Edit{{
		Find: `$f.cursor == "" || $tail.Gap`,
		With: `$f.cursor == ""`,
	}}},
	{Name: "a gap vouches for what was on its way", Edits: []Edit{{
		Find: `$p != nil && $p.gap <= $e.begun`,
		With: `$p != nil && $p.gap <= $e.cached`,
	}}},
	{Name: "only the wall clock counts", Edits: []Edit{{
		Near: `$w < 0 || $m < 0`,
		Find: `max($w, $m)`,
		With: `$w`,
	}}},
	{Name: "a cached no is believed", Edits: []Edit{{
		Near: `$r.stats.cached.Add(1)`,
		Find: `$r.$recollect($c, $now, $m)`,
		With: `$all; if $m.verdict == verdictNone && $m.entry != nil && $m.usable { return true, ErrNoSession }`,
	}}},
	{Name: "an expiry is answered and then undone", Edits: []Edit{{
		Near: `$j = $v.$judge($restBy)`,
		Find: `if $v, $j, $err = $r.$settled($restOf); $err != nil { return View{}, judgement{}, $err }`,
		With: `return View{}, judgement{}, &EndedError{Ending{Session: $j.seat.ID, Reason: ReasonIdleTimeout, At: $v.Now}}`,
	}}},
	{Name: "an idle end ignores a touch", Edits: []Edit{{
		Near: `$j = $v.$judge($restBy)`,
		Find: `if $v, $j, $err = $r.$settled($restOf); $err != nil { return View{}, judgement{}, $err }`,
		With: `if _, _, $err = $r.$settled($restOf); $err != nil { return View{}, judgement{}, $err }
			return View{}, judgement{}, &EndedError{Ending{Session: $j.seat.ID, Reason: ReasonIdleTimeout, At: $v.Now}}`,
	}}},
	{Name: "a check joins a read that is under way", Edits: []Edit{
		{
			Near: `$r.$read($b); close($b.done)`,
			Find: `$l.waiting = $l.waiting[1:]`,
		},
		{
			Near: `$l.waiting = $l.waiting[1:]`,
			Find: `$r.$read($b)`,
			With: `$all; $l.mu.Lock(); $l.waiting = $l.waiting[1:]; $l.mu.Unlock()`,
		},
	}},

	// What reaches those who wait.
	{Name: "a watch is verified before it is on the list", Edits: []Edit{
		{
			Near: `if !$closed { $d := $shard.$add($c, $w, $by); if $newer { $d.$note($e, $control, $term) } }; $shard.mu.Unlock(); if $closed { return false }; if $says { return true }; $how := usePeek; if $holds { $how = useHeld }; if $err := r.$verify($ctx, $c, $how); $err != nil { $shard.$tell($w, $err) }`,
			Find: `$shard.mu.Lock()`,
			With: `if err := r.$verify($ctx, $c, usePeek); err != nil { $by.SessionEnded(err); return true }; $all`,
		},
		{
			Near: `if $closed { return false }`,
			Find: `if $err := r.$verify($ctx, $c, $how); $err != nil { $shard.$tell($w, $err) }`,
			With: `_ = $how`,
		},
	}},
	{Name: "a watch trusts what memory said before", Edits: []Edit{{
		Find: `$m.entry != nil && !$m.entry.gone.Load() && !$m.control.gone.Load()`,
		With: `$m.entry != nil`,
	}}},
	{Name: "what the log says cuts nothing", Edits: []Edit{{
		Find: `$r.$end(watchKey{key: $key, id: $e.Session}, $e.Version, &EndedError{$e.Ending()})`,
	}}},
	{Name: "a stream that stopped elsewhere is played on", Edits: []Edit{{
		Find: `$r.$over($v); return $v, nil`,
		With: `return $v, nil`,
	}}},
	{Name: "repeats are forgotten with their generation", Edits: []Edit{{
		Find: `max($s.recent[$k], $s.older[$k])`,
		With: `$s.recent[$k]`,
	}}},
	{Name: "accounts hear of each other", Edits: []Edit{{
		Find: `for $sub := range $s.by[$e.Account] { $restSend }`,
		With: `for _, subs := range $s.by { for $sub := range subs { $restSend } }`,
	}}},

	// Secrets and names.
	{Name: "a token has two spellings", Edits: []Edit{{
		Find: `base64.RawURLEncoding.Strict()`,
		With: `base64.RawURLEncoding`,
	}}},
	{Name: "a device id of any length is taken", Edits: []Edit{{
		Find: `$n > 0 && ($n < MinDeviceID || $n > MaxDeviceID)`,
		With: `false`,
	}}},
	{Name: "a token shows itself", Edits: []Edit{{
		Find: `return []byte(redacted), nil`,
		With: `return []byte(t), nil`,
	}}},
	{Name: "a key runs realm and account together", Edits: []Edit{{
		Find: `$b = binary.BigEndian.AppendUint64($b, uint64(len($s))); $b = append($b, $s...)`,
		With: `$b = append($b, $s...); $b = binary.BigEndian.AppendUint64($b, 0)`,
	}}},
}
