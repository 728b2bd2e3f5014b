package oneseat_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/record"
	"github.com/oneseat/oneseat/store/memstore"
)

// wanderer is a sequence of steps of one account, each held against the oracle.
type wanderer struct {
	*rapid.T
	ctx    context.Context // of the test, which is what a sequence is
	clock  atomic.Int64    // of the store, in microseconds
	store  *memstore.Store
	nodes  []node
	oracle *oracle

	configs  []oneseat.Config
	sessions []anySession // all there ever were, streams too
	tokens   []string
	tickets  []oneseat.Ticket
	last     string // the roster as it was committed
	gone     map[oneseat.SessionID]bool
	events   int
	broken   string // what a change did that none may
}

// P1, P3, LIM-01, LIM-02, LIM-09, LIM-11: any sequence of sign-ins, choices,
// streams, changes of limits, blocks and ends comes to what the oracle says, under
// whatever policies, in turn.
func TestAnySequenceComesToWhatTheOracleSays(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := &wanderer{T: rt, ctx: t.Context(), oracle: &oracle{}, gone: map[oneseat.SessionID]bool{}}
		w.clock.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixMicro())
		w.store = memstore.NewAt(w.now)
		for range rapid.IntRange(1, 3).Draw(rt, "configurations") {
			w.configs = append(w.configs, w.config())
			n := newNode(t, w.store, w.configs[len(w.configs)-1])
			defer n.Close() // the test's end closes it too
			w.watch(n)
			w.nodes = append(w.nodes, n)
		}
		other := newNode(t, w.store, oneseat.Config{})
		defer other.Close()                                                                                                  // likewise
		hers := signIn(t, other, "grace", oneseat.SignInRequest{})                                                           // whose ids are foreign
		w.sessions = append(w.sessions, anySession{Session: hers.Session}, streamed(play(t, other, hers.Session, "player"))) // the test's
		rt.Repeat(map[string]func(*rapid.T){"step": w.step(map[string]func(int){
			"sign in": w.signIn, "sign in ": w.signIn, "sign in  ": w.signIn, "play": w.play, "play ": w.play, "play  ": w.play, "redeem": w.redeem, "redeem ": w.redeem,
			"beat": w.beat, "beat ": w.beat, "stop": w.stop, "rotate": w.rotate, "sign out": w.signOut, "end": w.end, "set a limit": w.setLimit, "refresh": w.refresh,
			"another plan": w.anotherPlan, "unblock": w.unblock, "end everything": w.endEverything,
		})})
		if hers, err := other.Sessions(t.Context(), "grace"); err != nil || len(hers) > 1 {
			rt.Fatalf("the other account has %+v, %v", hers, err)
		}
	})
}

// anyOf is one of some, each as likely: rapid by itself likes the first.
func anyOf[T any](some []T) *rapid.Generator[T] {
	return rapid.Custom(func(t *rapid.T) T {
		n := 0
		for range 8 {
			if n *= 2; rapid.Bool().Draw(t, "bit") {
				n++
			}
		}
		return some[n%len(some)]
	})
}

func numbers(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

func (w *wanderer) now() time.Time { return time.UnixMicro(w.clock.Load()).UTC() }

func (w *wanderer) limits(name string) oneseat.Limits {
	l := oneseat.Limits{
		Total:    anyOf([]int{0, 1, 1, 1, 2, 2, 3, oneseat.Unlimited}).Draw(w.T, name),
		Streams:  anyOf([]int{0, 1, 1, 1, 2, 2, oneseat.Unlimited}).Draw(w.T, name+", streams"),
		Programs: anyOf([]int{0, 1, 1, 2, oneseat.Unlimited}).Draw(w.T, name+", programs"),
	}
	if l.Total != 0 && rapid.Bool().Draw(w.T, name+", classes") {
		l.Classes = map[oneseat.Class]int{
			anyOf(classesDrawn).Draw(w.T, "class"): anyOf([]int{1, 1, 2, oneseat.Unlimited}).Draw(w.T, "of it"),
			anyOf(classesDrawn).Draw(w.T, "class"): anyOf([]int{1, 2}).Draw(w.T, "of it"),
		}
	}
	return l
}

var classesDrawn = []oneseat.Class{"desktop", "mobile", "other"}

func (w *wanderer) config() oneseat.Config {
	l := w.limits("for everybody")
	c := oneseat.Config{
		Limit: l.Total, ClassLimits: l.Classes, Streams: l.Streams,
		WhenFull:      anyOf([]oneseat.Policy{oneseat.PolicyDisplace, oneseat.PolicyRefuse, oneseat.PolicyAsk, oneseat.PolicyAsk, oneseat.PolicyAsk}).Draw(w.T, "policy"),
		DisplaceOrder: anyOf([]oneseat.DisplaceOrder{oneseat.DisplaceIdlest, oneseat.DisplaceOldest, oneseat.DisplaceSameClass}).Draw(w.T, "who goes"),
		SeatIdle:      anyOf([]time.Duration{0, 20 * time.Minute}).Draw(w.T, "seat idle"),
		ObserveOnly:   anyOf(numbers(5)).Draw(w.T, "observe only") == 0,
		Programs: oneseat.Programs{
			WhenFull: anyOf([]oneseat.Policy{oneseat.PolicyDisplace, oneseat.PolicyRefuse}).Draw(w.T, "programs' policy"),
			Idle:     2 * time.Hour, Absolute: 3 * time.Hour,
		},
		StreamIdle: 10 * time.Minute, Idle: time.Hour, Absolute: 5 * time.Hour, KeepEndings: 2 * time.Hour,
		MaxStale: oneseat.FreshAlways,
		LimitFor: func(context.Context, string) (oneseat.Limits, error) { return w.oracle.plan, nil },
	}
	c.Limit, c.Streams, c.Programs.Limit = cmp.Or(c.Limit, 1), cmp.Or(c.Streams, 1), cmp.Or(l.Programs, 1)
	return c
}

// watch sees every commit of the account. It fails if what was stored is modified in
// place, or if an ended session comes back.
func (w *wanderer) watch(n node) {
	n.set(func() {
		n.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
			if k != oneseat.KeyOf(realm, "ada") {
				return next(ctx, k, c)
			}
			return next(ctx, k, func(v oneseat.View) (oneseat.Change, error) {
				is := ""
				if v.Roster != nil {
					is = string(encode(w, v.Roster))
				}
				if is != w.last {
					w.broken = fmt.Sprintf("what was stored was modified in place:\n%s\n%s", w.last, is)
				}
				did, err := c(v)
				if v.Roster != nil && string(encode(w, v.Roster)) != is {
					w.broken = fmt.Sprintf("what was stored was modified in place:\n%s\n%s", is, encode(w, v.Roster))
				}
				switch {
				case did.Erase:
					w.last = ""
				case did.Roster != nil:
					w.last = string(encode(w, did.Roster))
					for _, s := range record.Of(did.Roster).Seats {
						if w.gone[s.ID] {
							w.broken = fmt.Sprint(s.ID, " is back")
						}
					}
				}
				for _, e := range did.Events {
					if e.Type == oneseat.EventSessionEnded || e.Type == oneseat.EventStreamEnded {
						w.gone[e.Session] = true
					}
				}
				return did, err
			})
		}
	})
}

// step lets some time pass, does one of the actions on a node, and compares.
func (w *wanderer) step(actions map[string]func(i int)) func(*rapid.T) {
	return func(rt *rapid.T) {
		w.T = rt
		do := actions[anyOf(slices.Sorted(maps.Keys(actions))).Draw(rt, "action")]
		w.clock.Add(anyOf([]time.Duration{
			time.Millisecond, time.Millisecond, time.Millisecond, time.Second, time.Second, 10 * time.Second, 59 * time.Second, time.Minute, time.Minute,
			time.Minute, 2 * time.Minute, 4 * time.Minute, 5 * time.Minute, 20 * time.Minute,
		}).Draw(rt, "later").Microseconds())
		i := anyOf(numbers(len(w.nodes))).Draw(rt, "node")
		w.oracle.told = nil
		w.oracle.settle(w.configs[i], w.now())
		do(i)
		w.settle(i)
		w.compare()
	}
}

// settle records what time alone did, should the step not have.
func (w *wanderer) settle(i int) {
	if _, err := w.nodes[i].End(w.ctx, "ada", oneseat.EndOptions{}); err != nil {
		w.Fatal(err)
	}
}

func (w *wanderer) compare() {
	o := w.oracle
	if w.broken != "" {
		w.Fatal(w.broken)
	}
	records, err := w.store.Events(w.ctx, oneseat.EventQuery{Realm: realm, Account: "ada", Limit: 1000})
	if err != nil {
		w.Fatal(err)
	}
	var told []string
	for _, r := range slices.Backward(records[:len(records)-w.events]) {
		switch r.Type {
		case oneseat.EventSessionEnded, oneseat.EventStreamEnded:
			told = append(told, fmt.Sprintf("ended %s %s", r.Session, r.Reason))
		case oneseat.EventSessionWouldEnd:
			told = append(told, fmt.Sprintf("would end %s %s", r.Session, r.Reason))
		}
	}
	w.events = len(records)
	if !slices.Equal(told, o.told) {
		w.Fatalf("it says\n%q; the oracle\n%q", told, o.told)
	}
	views, err := w.store.Load(w.ctx, oneseat.KeyOf(realm, "ada"))
	if err != nil {
		w.Fatal(err)
	}
	ro := record.Of(views[0].Roster)
	if ro == nil {
		ro = &record.Record{}
	}
	var are, should []string
	for _, s := range ro.Seats {
		are = append(are, fmt.Sprint(s.ID, s.Parent, s.Device.Class, s.Created.UnixMicro(), s.LastSeen.UnixMicro(), max(s.LastSeen.UnixMicro(), s.LastUsed.UnixMicro()), s.Unused, s.Observed))
	}
	for _, s := range o.seats {
		should = append(should, fmt.Sprint(s.id, s.parent, s.class, s.created.UnixMicro(), s.seen.UnixMicro(), s.used.UnixMicro(), s.unused, s.observed))
	}
	for _, e := range ro.Endings {
		are = append(are, fmt.Sprint(e.Session, e.Parent, e.Reason, e.At.UnixMicro(), e.By))
	}
	for _, e := range o.ends {
		should = append(should, fmt.Sprint(e.id, e.parent, e.reason, e.at.UnixMicro(), e.by))
	}
	are = append(are, fmt.Sprint(len(ro.Pending), ro.Limits.Equal(o.own), ro.Block != nil))
	should = append(should, fmt.Sprint(len(o.tickets), true, o.blocked != nil))
	if !slices.Equal(are, should) {
		w.Fatalf("stored are\n%q; the oracle says\n%q", are, should)
	}
}

// held says whether the account is within its limits.
func (w *wanderer) held(i int, sessions, streams bool) {
	people, programs, players := w.oracle.inForce(w.configs[i])
	var limits []limitOf
	if sessions {
		limits = append(people, programs...)
	}
	if streams {
		limits = append(limits, players...)
	}
	seats := w.oracle.counted(w.configs[i])
	for _, l := range limits {
		if n := len(slices.DeleteFunc(slices.Clone(seats), func(s *seatOf) bool { return !l.counts(s) })); n > l.most {
			w.Fatalf("%d of %s are there of %d", n, l.name, l.most)
		}
	}
}

// said holds what the registry answered against the oracle's verdict.
func (w *wanderer) said(what string, err error, v verdict) bool {
	full, isFull := errors.AsType[*oneseat.LimitError](err)
	over, isOver := errors.AsType[*oneseat.EndedError](err)
	_, blocked := errors.AsType[*oneseat.BlockedError](err)
	_, noTicket := errors.AsType[*oneseat.TicketError](err)
	ok := false
	switch v.why {
	case "":
		ok = err == nil
	case "full":
		ok = isFull && full.Bound == v.limit.name && full.Limit == v.limit.most && slices.Equal(whoFills(*full), v.live)
	case "ended":
		ok = isOver && over.Ending.Session == v.ended.id && over.Ending.Reason == v.ended.reason && over.Ending.By == v.ended.by
	case "blocked":
		ok = blocked
	case "no ticket":
		ok = noTicket
	case "no session":
		ok = errors.Is(err, oneseat.ErrNoSession)
	}
	if !ok {
		w.Fatalf("%s: %v; the oracle says %+v", what, err, v)
	}
	return v.why == ""
}

// whoFills are the sessions, or streams, that fill an account.
func whoFills(full oneseat.LimitError) (ids []oneseat.SessionID) {
	for _, s := range full.Live {
		ids = append(ids, s.ID)
	}
	for _, s := range full.Streams {
		ids = append(ids, s.ID)
	}
	return ids
}

func (w *wanderer) from() oneseat.SignInRequest {
	from := oneseat.SignInRequest{
		Token:    anyOf(append([]string{"", "", "", "", "", "", forged("ada")}, w.tokens...)).Draw(w.T, "token"),
		DeviceID: anyOf([]string{"", deviceID("x"), deviceID("y")}).Draw(w.T, "device id"),
		Device:   oneseat.Device{Class: anyOf(append([]oneseat.Class{"toaster"}, classesDrawn...)).Draw(w.T, "class")},
		Override: anyOf(numbers(6)).Draw(w.T, "take over") == 0,
		Program:  anyOf(numbers(4)).Draw(w.T, "program") == 0,
	}
	if from.Program {
		from.Token = "" // it has no browser's
	}
	return from
}

// newcomer is the oracle's word for a client. Its id is known once it is admitted.
func (w *wanderer) newcomer(from oneseat.SignInRequest, g oneseat.Grant) *seatOf {
	class := from.Device.Class
	if class == "toaster" {
		class = "other"
	}
	return &seatOf{id: g.Session.ID, token: string(g.Token), device: from.DeviceID, class: string(class), program: from.Program}
}

func (w *wanderer) admitted(g oneseat.Grant) {
	w.tokens = append(w.tokens, string(g.Token))
	w.sessions = append(w.sessions, anySession{Session: g.Session})
}

func (w *wanderer) signIn(i int) {
	from := w.from()
	g, err := w.nodes[i].SignIn(w.ctx, "ada", from)
	v := w.oracle.signIn(w.configs[i], w.newcomer(from, g), from.Token, from.Override)
	if w.said("sign in", err, v) {
		w.admitted(g)
		w.held(i, true, true)
		return
	}
	if full, ok := errors.AsType[*oneseat.LimitError](err); ok {
		if asks := !from.Program && w.configs[i].WhenFull == oneseat.PolicyAsk && w.oracle.mayAsk(from.DeviceID); asks != (full.Ticket != "") {
			w.Fatalf("asks: %v, a ticket: %v", asks, full.Ticket != "")
		} else if asks {
			w.tickets = append(w.tickets, full.Ticket)
			w.oracle.asked(full.Ticket, from.DeviceID)
		}
		w.held(i, true, true)
	}
}

// some are ids of whatever there ever was, or of nobody.
func (w *wanderer) some() []oneseat.SessionID {
	all := []oneseat.SessionID{"x", ""}
	for _, s := range w.sessions {
		all = append(all, s.ID)
	}
	for _, s := range w.oracle.seats { // rather those that are there
		all = append(all, s.id, s.id)
	}
	return rapid.SliceOfN(anyOf(all), 0, 3).Draw(w.T, "ids")
}

func (w *wanderer) redeem(i int) {
	if len(w.oracle.tickets) == 0 && anyOf(numbers(8)).Draw(w.T, "a bad one") > 0 {
		w.signIn(i) // perhaps it is asked
		w.clock.Add(1000)
		w.oracle.settle(w.configs[i], w.now())
	}
	from := w.from()
	from.Override, from.Program = false, false
	ticket := anyOf(append([]oneseat.Ticket{forgedTicket(realm, "ada")}, w.tickets[max(0, len(w.tickets)-3):]...)).Draw(w.T, "ticket")
	for _, t := range w.oracle.tickets { // rather a good one
		if rapid.Bool().Draw(w.T, "this") {
			ticket = t.text
		}
	}
	if anyOf(numbers(10)).Draw(w.T, "its own device") > 0 {
		for _, t := range w.oracle.tickets {
			if t.text == ticket {
				from.DeviceID = t.device
			}
		}
	}
	ids := w.some()
	g, err := w.nodes[i].Redeem(w.ctx, ticket, from, ids...)
	if w.said("redeem", err, w.oracle.redeem(w.configs[i], w.newcomer(from, g), from.Token, ticket, ids)) {
		w.admitted(g)
		w.held(i, true, true)
	}
}

// anySession is a session, or a stream of its parent.
type anySession struct {
	oneseat.Session
	Parent oneseat.SessionID
}

func streamed(s oneseat.Stream) anySession { return anySession{asSession(s), s.Session} }

// session is any session, or stream, that there ever was, rather one that is there.
func (w *wanderer) session(name string, stream bool) anySession {
	some := append(slices.Clone(w.sessions), anySession{Session: oneseat.Session{Account: "ada", ID: "x"}})
	fits := func(s anySession) bool { return (s.Parent != "") == stream && w.oracle.live(s.ID) != nil }
	if slices.ContainsFunc(some, fits) && anyOf(numbers(5)).Draw(w.T, name+", there") > 0 {
		some = slices.DeleteFunc(some, func(s anySession) bool { return !fits(s) })
	}
	return anyOf(some).Draw(w.T, name)
}

func (w *wanderer) ofAda(name string) oneseat.Session {
	s := w.session(name, false).Session
	s.Account = "ada" // whoever's it is: an application may be wrong
	return s
}

func (w *wanderer) play(i int) {
	s := w.ofAda("session")
	player := anyOf([]string{"p", "q"}).Draw(w.T, "player")
	ids := w.some()
	got, err := w.nodes[i].StartStream(w.ctx, s, oneseat.Player{ID: player, Instead: ids})
	n := &seatOf{id: got.ID, parent: s.ID, device: "player " + player, class: string(s.Device.Class)}
	if n.class == "" {
		n.class = "other"
	}
	was, v := w.oracle.play(w.configs[i], n, ids)
	if !w.said("play", err, v) {
		return
	}
	if was.id != got.ID || got.Session != s.ID {
		w.Fatalf("the player has %+v; the oracle says %+v", got, was)
	}
	if was == n {
		w.sessions = append(w.sessions, streamed(got))
		w.held(i, false, !n.observed) // one that would have been refused makes nobody go
	}
}

func (w *wanderer) beat(i int) {
	parent, stream := w.ofAda("session"), w.session("stream", true)
	if anyOf(numbers(4)).Draw(w.T, "its own") > 0 && stream.Parent != "" {
		parent.ID = stream.Parent
	}
	err := w.nodes[i].Heartbeat(w.ctx, parent, stream.ID)
	s, v := w.oracle.stream(parent.ID, stream.ID)
	if w.said("beat", err, v) && !w.now().Before(s.seen.Add(w.configs[i].StreamIdle/10)) {
		s.seen, s.used = w.now(), w.now()
		w.oracle.use(w.configs[i], w.oracle.live(parent.ID))
	}
}

func (w *wanderer) stop(i int) {
	parent, stream := w.ofAda("session"), w.session("stream", true)
	if rapid.Bool().Draw(w.T, "its own") && stream.Parent != "" {
		parent.ID = stream.Parent
	}
	if err := w.nodes[i].StopStream(w.ctx, parent, stream.ID); err != nil {
		w.Fatal(err)
	}
	if s, v := w.oracle.stream(parent.ID, stream.ID); v.why == "" {
		w.oracle.end(s, oneseat.ReasonSignedOut, parent.ID)
	}
}

func (w *wanderer) rotate(i int) {
	token := anyOf(append([]string{forged("ada")}, w.tokens...)).Draw(w.T, "token")
	g, err := w.nodes[i].Rotate(w.ctx, token)
	for _, s := range w.oracle.seats {
		if s.parent == "" && s.token == token {
			w.said("rotate", err, verdict{})
			s.previous, s.rotated = s.token, w.now()
			s.token, s.seen, s.used, s.unused = string(g.Token), w.now(), w.now(), false
			w.tokens = append(w.tokens, s.token)
			return
		}
	}
	if err == nil {
		w.Fatalf("rotated a token of nobody: %+v", g)
	}
}

func (w *wanderer) signOut(i int) {
	token := anyOf(append([]string{forged("ada")}, w.tokens...)).Draw(w.T, "token")
	s := w.oracle.standsFor(token)
	switch err := w.nodes[i].SignOut(w.ctx, token); {
	case s != nil && err != nil, s == nil && err == nil:
		w.Fatalf("sign-out: %v; by the oracle it ends %+v", err, s)
	case s != nil:
		w.oracle.end(s, oneseat.ReasonSignedOut, s.id)
	}
}

// ends ends what which selects, as far as it is there by then.
func (w *wanderer) ends(why oneseat.Reason, which func(*seatOf) bool) (n int) {
	for _, s := range slices.Clone(w.oracle.seats) {
		if which(s) && slices.Contains(w.oracle.seats, s) {
			w.oracle.end(s, why, "")
			n++
		}
	}
	return n
}

func (w *wanderer) counts(n int, err error, want int) {
	if n != want || err != nil {
		w.Fatalf("%d ended, %v; the oracle says %d", n, err, want)
	}
}

func (w *wanderer) end(i int) {
	ids := w.some()
	n, err := w.nodes[i].End(w.ctx, "ada", oneseat.EndOptions{}, ids...)
	w.counts(n, err, w.ends(oneseat.ReasonRevoked, func(s *seatOf) bool { return slices.Contains(ids, s.id) }))
}

// endEverything does one of the operations that leave little.
func (w *wanderer) endEverything(i int) {
	anyOf([]func(int){w.endOthers, w.endOthers, w.endAll, w.endRealm, w.block, w.block}).Draw(w.T, "how")(i)
}

func (w *wanderer) endOthers(i int) {
	keep := w.session("keep", false).ID
	n, err := w.nodes[i].EndOthers(w.ctx, "ada", keep, oneseat.EndOptions{Reason: oneseat.ReasonCredentialsChanged})
	if s := w.oracle.live(keep); s == nil || s.parent != "" { // what is over ends nobody
		if n != 0 || err == nil {
			w.Fatalf("%d were ended, %v, for a session that is over", n, err)
		}
		return
	}
	w.oracle.use(w.configs[i], w.oracle.live(keep)) // written only if anything is
	w.counts(n, err, w.ends(oneseat.ReasonCredentialsChanged, func(s *seatOf) bool { return s.parent == "" && s.id != keep }))
	w.oracle.tickets = nil
}

func (w *wanderer) endAll(i int) {
	n, err := w.nodes[i].EndAll(w.ctx, "ada", oneseat.EndOptions{})
	w.counts(n, err, w.ends(oneseat.ReasonRevoked, func(s *seatOf) bool { return s.parent == "" }))
	w.oracle.tickets = nil
}

func (w *wanderer) endRealm(i int) {
	w.settle(i) // else the realm's end would be why it has timed out
	if err := w.nodes[i].EndRealm(w.ctx, ""); err != nil {
		w.Fatal(err)
	}
	for _, s := range w.oracle.seats {
		s.realmIsOver = true
	}
	w.oracle.tickets = nil
	w.oracle.settle(w.configs[i], w.now())
}

func (w *wanderer) setLimit(i int) {
	l := w.limits("stored")
	if err := w.nodes[i].SetLimit(w.ctx, "ada", l, ""); err != nil {
		w.Fatal(err)
	}
	w.oracle.own = l
	w.oracle.trim(w.configs[i])
	w.held(i, true, true)
}

func (w *wanderer) refresh(i int) {
	if err := w.nodes[i].RefreshLimits(w.ctx, "ada"); err != nil {
		w.Fatal(err)
	}
	w.oracle.trim(w.configs[i])
	w.held(i, true, true)
}

func (w *wanderer) anotherPlan(int) { w.oracle.plan = w.limits("plan") }

func (w *wanderer) block(i int) {
	until := anyOf([]time.Time{{}, w.now(), w.now().Add(time.Second), w.now().Add(time.Minute), w.now().Add(2 * time.Minute)}).Draw(w.T, "until")
	err := w.nodes[i].Block(w.ctx, "ada", until, "")
	if _, over := errors.AsType[*oneseat.TimeError](err); over && until.Equal(w.now()) {
		return
	}
	if err != nil || until.Equal(w.now()) {
		w.Fatal(until, err)
	}
	w.oracle.block(until)
	w.oracle.settle(w.configs[i], w.now())
}

func (w *wanderer) unblock(i int) {
	if err := w.nodes[i].Unblock(w.ctx, "ada", ""); err != nil {
		w.Fatal(err)
	}
	w.oracle.blocked = nil
}
