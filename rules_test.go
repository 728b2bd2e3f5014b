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
			"sign in": w.signIn, "sign in ": w.signIn, "sign in  ": w.signIn, "adopt": w.adopt, "play": w.play, "play ": w.play, "play  ": w.play, "redeem": w.redeem, "redeem ": w.redeem,
			"beat": w.beat, "beat ": w.beat, "stop": w.stop, "rotate": w.rotate, "confirm": w.confirm, "sign out": w.signOut, "end": w.end, "end some": w.endSome, "set a limit": w.setLimit, "refresh": w.refresh,
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
	if l.Streams != 0 && anyOf(numbers(3)).Draw(w.T, name+", classes of streams") == 0 {
		l.StreamClasses = map[oneseat.Class]int{anyOf(classesDrawn).Draw(w.T, "class"): anyOf([]int{1, 1, 2, oneseat.Unlimited}).Draw(w.T, "streams of it")}
	}
	return l
}

// lifetime is at most as long as that of any session.
func (w *wanderer) lifetime() oneseat.Lifetime {
	return oneseat.Lifetime{
		Idle:     anyOf([]time.Duration{0, 0, 0, 10 * time.Minute}).Draw(w.T, "idle"),
		Absolute: anyOf([]time.Duration{0, 0, 0, 30 * time.Minute}).Draw(w.T, "absolute"),
	}
}

var classesDrawn = []oneseat.Class{"desktop", "mobile", "other"}

func (w *wanderer) config() oneseat.Config {
	l := w.limits("for everybody")
	c := oneseat.Config{
		Limit: l.Total, ClassLimits: l.Classes, Streams: l.Streams, StreamClassLimits: l.StreamClasses,
		WhenStreamsFull:  anyOf([]oneseat.Policy{oneseat.PolicyAsk, oneseat.PolicyAsk, oneseat.PolicyDisplace}).Draw(w.T, "streams' policy"),
		OneSeatPerDevice: anyOf(numbers(4)).Draw(w.T, "one seat per device") == 0,
		WhenFull:         anyOf([]oneseat.Policy{oneseat.PolicyDisplace, oneseat.PolicyRefuse, oneseat.PolicyAsk, oneseat.PolicyAsk, oneseat.PolicyAsk}).Draw(w.T, "policy"),
		DisplaceOrder:    anyOf([]oneseat.DisplaceOrder{oneseat.DisplaceIdlest, oneseat.DisplaceOldest, oneseat.DisplaceSameClass}).Draw(w.T, "who goes"),
		SeatIdle:         anyOf([]time.Duration{0, 20 * time.Minute}).Draw(w.T, "seat idle"),
		ObserveOnly:      anyOf(numbers(5)).Draw(w.T, "observe only") == 0,
		Programs: oneseat.Programs{
			WhenFull: anyOf([]oneseat.Policy{oneseat.PolicyDisplace, oneseat.PolicyRefuse}).Draw(w.T, "programs' policy"),
			Idle:     2 * time.Hour, Absolute: 3 * time.Hour,
		},
		StreamIdle: 10 * time.Minute, Idle: time.Hour, Absolute: 5 * time.Hour, KeepEndings: 2 * time.Hour,
		MaxStale: oneseat.FreshAlways, AdoptUntil: w.now().Add(10 * time.Hour),
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
