package faults

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/model"
	"github.com/oneseat/oneseat/internal/record"
)

const decideWithin = 20 * time.Second

// verdict is what speaks against a history, and what could not be decided.
type verdict struct {
	violations, undecided []string
	calls                 int
}

// judge compares what clients were answered until a time with what is promised.
func (h *history) judge(until time.Duration) verdict {
	h.mu.Lock()
	defer h.mu.Unlock()
	ops := upTo(h.operations, int64(until))
	slices.SortFunc(ops, func(a, b porcupine.Operation) int {
		return cmp.Compare(a.Input.(model.Call).Number, b.Input.(model.Call).Number)
	})
	v := verdict{violations: slices.Clone(h.wrong), calls: len(ops)}
	if h.stale != oneseat.FreshAlways {
		v.violations = append(v.violations, h.late(ops)...)
		return v
	}
	switch porcupine.CheckOperationsTimeout(model.New(h.limit, h.policy), ops, decideWithin) {
	case porcupine.Illegal:
		v.violations = append(v.violations, "there is no order in which all answers are right")
	case porcupine.Unknown:
		v.undecided = append(v.undecided, fmt.Sprintf("%d operations: porcupine was cut off after %v", len(ops), decideWithin))
	case porcupine.Ok:
	}
	return v
}

// upTo returns what was known at a time. A call that had not returned by then is open,
// or is left out if it only reads.
func upTo(all []porcupine.Operation, until int64) []porcupine.Operation {
	var ops []porcupine.Operation
	for _, o := range all {
		if o.Call >= until {
			continue
		}
		if o.Return >= until && o.Return != math.MaxInt64 {
			if o.Input.(model.Call).What == "check" {
				continue
			}
			o.Return, o.Output = math.MaxInt64, model.Reply{Said: "unknown"}
		}
		ops = append(ops, o)
	}
	return ops
}

// late looks at checks that may be answered from memory, with one seat and displace.
// For each session there is a time by which it had ended, and a time before which
// nothing can have ended it. With one seat there are no others to end.
func (h *history) late(ops []porcupine.Operation) []string {
	var found []string
	session := map[int]int{} // the session of a token, by the call that returned the token
	for _, o := range ops {
		switch c := o.Input.(model.Call); c.What {
		case "sign in":
			session[c.Number] = c.Number
		case "rotate":
			session[c.Number] = session[c.On] // calls are in the order of their numbers
		}
	}
	for _, o := range ops {
		c, r := o.Input.(model.Call), o.Output.(model.Reply)
		made := find(ops, c.On)
		if c.What != "check" || made == nil || made.Input.(model.Call).What != "sign in" { // the call returned a new token, so the old one has some seconds left
			continue
		}
		ended, mayHave := int64(math.MaxInt64), false
		for _, e := range ops {
			m := e.Input.(model.Call)
			if m.Account != c.Account || m.What == "check" || m.What == "end others" || m.Number == c.On || m.What != "sign in" && session[m.On] != c.On && m.On != c.On {
				continue
			}
			mayHave = mayHave || e.Return > made.Call && e.Call < o.Return
			if m.What != "rotate" && e.Call > made.Return && e.Output.(model.Reply).Said == "yes" {
				ended = min(ended, e.Return)
			}
		}
		if r.Said == "yes" && ended != math.MaxInt64 && o.Call > ended+int64(h.stale) {
			found = append(found, fmt.Sprintf("%v says yes, of what had ended %v before it began", c, time.Duration(o.Call-ended)))
		}
		if r.Said != "yes" && !mayHave && o.Call > made.Return {
			found = append(found, fmt.Sprintf("%v says %s, and nothing had ended it", c, r.Said))
		}
	}
	return found
}

func find(ops []porcupine.Operation, number int) *porcupine.Operation {
	i := slices.IndexFunc(ops, func(o porcupine.Operation) bool { return o.Input.(model.Call).Number == number })
	if i < 0 {
		return nil
	}
	return &ops[i]
}

// uncut returns the sessions that have ended and whose work goes on. It waits for the
// last of the work, because a busy machine may be slow. It waits less than a minute,
// because after a minute everything that is held is read anew in any case.
func (h *history) uncut(nodes []*node, s store) []string {
	var found []string
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		found = nil
		live := map[oneseat.SessionID]bool{}
		for i := range accounts {
			views, err := s.Load(context.Background(), oneseat.KeyOf(h.realm, h.account(i)))
			if err != nil {
				return []string{"Load: " + err.Error()}
			}
			if ro := record.Of(views[0].Roster); ro != nil {
				for _, s := range ro.Seats {
					live[s.ID] = true
				}
			}
		}
		h.mu.Lock()
		for _, w := range h.held {
			runs := slices.ContainsFunc(nodes, func(n *node) bool { return n.now() == w.process })
			if runs && !w.cut && !live[w.on.id] {
				found = append(found, fmt.Sprintf("session %s is over, and its work in flight was not cut", w.on.id))
			}
		}
		h.mu.Unlock()
		if len(found) == 0 || time.Now().After(end) {
			return found
		}
	}
}

// audit reads the log. No commit may have left more sessions than the limit, and no
// session that had ended may have come back.
func (h *history) audit(s store) []string {
	var found []string
	for i := range accounts {
		records, err := s.Events(context.Background(), oneseat.EventQuery{Realm: h.realm, Account: h.account(i), Limit: 1000})
		if err != nil {
			return []string{"Events: " + err.Error()}
		}
		slices.SortFunc(records, func(a, b oneseat.Record) int { return cmp.Compare(a.Seq, b.Seq) })
		live, ended := map[oneseat.SessionID]bool{}, map[oneseat.SessionID]bool{}
		for _, r := range records {
			switch r.Type {
			case oneseat.EventSessionCreated:
				if live[r.Session] || ended[r.Session] {
					found = append(found, fmt.Sprintf("session %s of %s is created twice", r.Session, h.account(i)))
				}
				live[r.Session] = true
			case oneseat.EventSessionEnded:
				if !live[r.Session] {
					found = append(found, fmt.Sprintf("session %s of %s ends and is not there", r.Session, h.account(i)))
				}
				delete(live, r.Session)
				ended[r.Session] = true
			}
			if len(live) > h.limit {
				found = append(found, fmt.Sprintf("%s has %d sessions of %d", h.account(i), len(live), h.limit))
			}
		}
		views, err := s.Load(context.Background(), oneseat.KeyOf(h.realm, h.account(i)))
		if err != nil {
			return append(found, "Load: "+err.Error())
		}
		ro := record.Of(views[0].Roster)
		if ro == nil {
			continue
		}
		for _, s := range ro.Seats {
			if !live[s.ID] {
				found = append(found, fmt.Sprintf("session %s of %s is seated, and by the log it is not", s.ID, h.account(i)))
			}
			delete(live, s.ID)
		}
		for id := range live {
			found = append(found, fmt.Sprintf("session %s of %s is live by the log, and has no seat", id, h.account(i)))
		}
	}
	return found
}

// miscounted returns the sums that differ from those of the rosters. It looks again for
// a while, because an update whose caller has given up may still be on its way.
func (h *history) miscounted(s store) []string {
	var found []string
	for end := time.Now().Add(3 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		found = nil
		views, err := s.Rosters(context.Background(), oneseat.RosterQuery{Realm: h.realm, Limit: 1000})
		if err != nil {
			return []string{"Rosters: " + err.Error()}
		}
		want := map[uint64]oneseat.Count{}
		for _, v := range views {
			epoch, c := v.Roster.Count()
			want[epoch] = want[epoch].Plus(c)
		}
		for epoch, c := range want {
			if got, err := s.Count(context.Background(), h.realm, epoch); err != nil || got != c {
				found = append(found, fmt.Sprintf("Count says %+v, %v, of epoch %d; the rosters are %+v", got, err, epoch, c))
			}
		}
		if len(found) == 0 || time.Now().After(end) {
			return found
		}
	}
}
