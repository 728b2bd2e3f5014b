package simulate

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/oneseat/oneseat"
)

const (
	decideMost   = 120         // operations of one account
	decideWithin = time.Second // of real time
)

// linearize has porcupine look for an order of each account's operations, true to time,
// in which all answers are right. It is called where checks read the store each time,
// unless the store has lost things.
func (w *world) linearize(r *Result) {
	if w.plan.config.MaxStale != oneseat.FreshAlways || w.plan.mishaps(restored) || w.ledger.revived {
		return
	}
	for account := range w.plan.accounts {
		ops := w.operations(account)
		name := accountName(account)
		if len(ops) > decideMost {
			r.Undecided = append(r.Undecided, fmt.Sprintf("%s has %d operations: too long for porcupine, cut off at %d", name, len(ops), decideMost))
			continue
		}
		switch porcupine.CheckOperationsTimeout(model, ops, decideWithin) {
		case porcupine.Ok:
			r.Linear++
		case porcupine.Unknown:
			r.Undecided = append(r.Undecided, fmt.Sprintf("%s has %d operations: porcupine was cut off after %v", name, len(ops), decideWithin))
		case porcupine.Illegal:
			first := culprit(ops)
			what := fmt.Sprintf("the operations of %s have no order in which all answers are right", name)
			if q, ok := first.Input.(query); ok {
				r.Violations = append(r.Violations, Violation{p1, what + ", and had one before this", q.call, q.back.at})
			} else {
				r.Violations = append(r.Violations, Violation{p1, fmt.Sprintf("%s, and had one before %v", what, first.Input), nil, w.plan.span})
			}
		}
	}
}

// culprit returns the operation with whose return the operations cease to have an
// order.
func culprit(ops []porcupine.Operation) porcupine.Operation {
	byReturn := slices.Clone(ops)
	slices.SortStableFunc(byReturn, func(a, b porcupine.Operation) int { return cmp.Compare(a.Return, b.Return) })
	for _, last := range byReturn {
		var some []porcupine.Operation
		for _, o := range ops {
			if _, answer := o.Input.(query); o.Return > last.Return {
				if answer || o.Call > last.Return {
					continue
				}
				o.Return = math.MaxInt64
			}
			some = append(some, o)
		}
		if porcupine.CheckOperationsTimeout(model, some, decideWithin) == porcupine.Illegal {
			return last
		}
	}
	return byReturn[len(byReturn)-1]
}

// operations returns an account's operations for porcupine. An update that a client
// asked for happened between its call and its return, or, without a return, at any time
// since its call. What nodes do by themselves, and what happens to the store, happened
// at its commit. The sessions that an update has ended are taken from the store: other
// tests check which sessions the rules choose.
func (w *world) operations(account int) []porcupine.Operation {
	var ops []porcupine.Operation
	for _, e := range w.ledger.effects[account] {
		o := porcupine.Operation{Input: e.changes, Call: e.seq, Return: e.seq}
		if c := e.by; c != nil {
			o.Call = c.began.seq
			o.Return = math.MaxInt64
			if c.said == "yes" || c.said == "ended" || c.said == "none" || c.said == "full" {
				o.Return = c.back.seq
			}
		}
		ops = append(ops, o)
	}
	for _, c := range w.calls {
		if c.account != account || c.said != "yes" && c.said != "ended" && c.said != "none" {
			continue
		}
		switch c.what {
		case "check stream", "beat":
			if s := w.ledger.byID[c.stream.ID]; s != nil && !s.vague {
				ops = append(ops, porcupine.Operation{Input: query{c, s.number, 0}, Call: c.began.seq, Return: c.back.seq})
			}
		case "check", "peek", "check id", "hold":
			sec := w.ledger.bySecret[c.on.digest]
			if sec == nil || sec.vague {
				continue
			}
			q := query{c, sec.number, sec.place}
			ops = append(ops, porcupine.Operation{Input: q, Call: c.began.seq, Return: c.back.seq})
		}
	}
	slices.SortFunc(ops, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	for i := range ops {
		ops[i].ClientId = i
	}
	return ops
}

// query is a check and its answer.
type query struct {
	*call
	session, place int // of its token
}

// The model's state is a text of four bytes for each session, so states can be
// compared.
type standing struct {
	number int
	place  int    // of its newest token
	how    string // live, lost, or the reason of its end
}

var hows = []string{
	"live", "lost", string(oneseat.ReasonSignedOut), string(oneseat.ReasonDisplaced), string(oneseat.ReasonRenewed), string(oneseat.ReasonRevoked),
	string(oneseat.ReasonIdleTimeout), string(oneseat.ReasonAbsoluteTimeout), string(oneseat.ReasonCredentialsChanged), string(oneseat.ReasonRealmEnded),
	string(oneseat.ReasonAccountBlocked), string(oneseat.ReasonLimitLowered),
}

func decode(state string) []standing {
	all := make([]standing, 0, len(state)/4+1)
	for ; len(state) > 0; state = state[4:] {
		all = append(all, standing{int(state[0])<<8 | int(state[1]), int(state[2]), hows[state[3]]})
	}
	return all
}

func encode(all []standing) string {
	b := make([]byte, 0, 4*len(all))
	for _, s := range all {
		b = append(b, byte(s.number>>8), byte(s.number), byte(s.place), byte(slices.Index(hows, s.how)))
	}
	return string(b)
}

var model = porcupine.Model{
	Init: func() any { return "" },
	Step: func(state, in, _ any) (bool, any) {
		all := decode(state.(string))
		if q, ok := in.(query); ok {
			return q.right(all), state
		}
		for _, c := range in.([]change) {
			if all = c.apply(all); all == nil {
				return false, state
			}
		}
		return true, encode(all)
	},
}

func find(all []standing, number int) int {
	return slices.IndexFunc(all, func(s standing) bool { return s.number == number })
}

// right reports whether the answer is the one that the state gives.
func (q query) right(all []standing) bool {
	i := find(all, q.session)
	if i < 0 {
		return q.said == "none"
	}
	s := all[i]
	newest := q.what == "check id" || q.place == s.place
	if q.ofStream() && s.how != "live" && s.how != "lost" { // a stream's end that leaves no trace is followed by the end of its session
		return q.said != "yes"
	}
	switch s.how {
	case "lost":
		return q.said == "none" || q.said == "ended" // by what a node still knows
	case "live":
		previous := q.place == s.place-1 // its seconds depend on the time
		return q.said == "yes" && (newest || previous) || q.said == "none" && !newest
	case string(oneseat.ReasonRealmEnded): // it may be recorded later, for another reason
		return q.said == "ended" || q.said == "none"
	}
	return q.said == "ended" && string(q.ending.Reason) == s.how || q.said == "none" // none where the ending is forgotten
}

func (q query) ofStream() bool { return q.what == "check stream" || q.what == "beat" }

func (c change) String() string {
	return strings.TrimSpace(fmt.Sprintf("%v is %s %s", c.on, c.what, c.why))
}

// apply returns the state after a change, or nil if the change cannot happen.
func (c change) apply(all []standing) []standing {
	i := find(all, c.on.number)
	switch c.what {
	case "created":
		if i >= 0 && all[i].how != "lost" && (c.on.parent == "" || all[i].how == "live") {
			return nil
		}
		if i >= 0 {
			all = slices.Delete(all, i, i+1)
		}
		return append(all, standing{number: c.on.number, how: "live"})
	case "lost":
		if i >= 0 {
			all[i].how = "lost"
		}
		return all
	}
	if i < 0 {
		return nil
	}
	switch s := &all[i]; {
	case c.what == "rotated" && (s.how == "live" || s.how == "lost") && c.place == s.place+1:
		s.place++
	case c.what == "realm" && s.how == "live":
		s.how = string(oneseat.ReasonRealmEnded)
	case c.what == "realm": // it had ended before, for another reason
	case c.what == "ended" && (s.how == "live" || s.how == "lost"):
		s.how = string(c.why)
	case c.what == "ended" && s.how == string(oneseat.ReasonRealmEnded):
	default:
		return nil
	}
	return all
}
