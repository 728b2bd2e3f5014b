package storetest

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/anishathalye/porcupine"

	"github.com/oneseat/oneseat"
)

// model is one account as porcupine sees it: what each operation may answer in
// which state, and to which state it leads. Sessions and tokens are numbers:
// that of the operation that made them.
func model(limit int, policy oneseat.Policy) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return state{} },
		Step: func(s, in, out any) (bool, any) {
			return s.(state).step(in.(call), out.(reply), limit, policy)
		},
		Equal: func(a, b any) bool {
			x, y := a.(state), b.(state)
			return slices.Equal(x.live, y.live) && slices.Equal(x.gone, y.gone)
		},
		Partition: func(all []porcupine.Operation) [][]porcupine.Operation {
			by := make(map[string][]porcupine.Operation)
			for _, o := range all {
				a := o.Input.(call).account
				by[a] = append(by[a], o)
			}
			var parts [][]porcupine.Operation
			for _, ops := range by {
				parts = append(parts, ops)
			}
			return parts
		},
		DescribeOperation: func(in, out any) string { return fmt.Sprintf("%v: %v", in, out) },
		DescribeState:     func(s any) string { return fmt.Sprintf("%+v", s) },
	}
}

// call is an operation. on is the token or session that it is about; 0 is none.
type call struct {
	number  int // of the operation, from 1
	account string
	what    string
	on      int
	unsure  bool // a reply was lost on the way: the first try may have counted
}

func (c call) String() string {
	return fmt.Sprintf("%d %s %d%s", c.number, c.what, c.on, map[bool]string{true: " (reply lost)"}[c.unsure])
}

// reply is what came back.
type reply struct {
	said   string // yes, none, full, ended, or unknown
	reason oneseat.Reason
	count  int
}

// state is never modified, only replaced.
type state struct {
	live []held // the idlest first
	gone []left // by session
}

type held struct{ session, token, previous int }

type left struct {
	session, token int
	reason         oneseat.Reason
	renewedBy      int // what else took its place matters to no answer, and would make states many
}

func (s state) step(c call, r reply, limit int, policy oneseat.Policy) (bool, state) {
	switch c.what {
	case "sign in":
		renewed := s.standsFor(c.on)
		excess := len(s.live) + 1 - limit
		if renewed >= 0 {
			excess--
		}
		if excess > 0 && policy == oneseat.Refuse {
			return r.said == "full" || r.said == "unknown", s
		}
		// With a lost reply it may have been displaced by the time it is told.
		if r.said != "yes" && r.said != "unknown" && (!c.unsure || r.said != "ended") {
			return false, s
		}
		if renewed >= 0 {
			s = s.end(renewed, oneseat.Renewed, c.number)
		}
		for range excess {
			s = s.end(0, oneseat.Displaced, 0)
		}
		s.live = append(slices.Clone(s.live), held{session: c.number, token: c.number})
		return true, s
	case "check":
		if i := s.byPrevious(c.on); i >= 0 {
			return r.said == "yes" || r.said == "none", s // its grace is a matter of time
		}
		return r == s.answer(c.on), s
	case "sign out":
		i := s.byToken(c.on)
		if i < 0 {
			return r.said == "unknown" || (r.said == "yes") == (s.leftBy(c.on) >= 0), s
		}
		return r.said == "yes" || r.said == "unknown", s.end(i, oneseat.SignedOut, 0)
	case "rotate":
		i := s.byToken(c.on)
		if i < 0 {
			return r.said == "unknown" || r == s.answer(c.on) || c.unsure && r.said == "none", s
		}
		if r.said != "yes" && r.said != "unknown" && (!c.unsure || r.said != "none") {
			return false, s
		}
		h := held{s.live[i].session, c.number, c.on}
		s.live = append(slices.Delete(slices.Clone(s.live), i, i+1), h)
		return true, s
	case "end":
		i := slices.IndexFunc(s.live, func(h held) bool { return h.session == c.on })
		if i < 0 {
			return r.said == "unknown" || r.count == 0, s
		}
		return r.said == "unknown" || r.count == 1, s.end(i, oneseat.Revoked, 0)
	}
	panic("no such operation: " + c.what)
}

// answer is what a check of a token, not a previous one, says.
func (s state) answer(token int) reply {
	if s.byToken(token) >= 0 {
		return reply{said: "yes"}
	}
	if i := s.leftBy(token); i >= 0 {
		return reply{said: "ended", reason: s.gone[i].reason}
	}
	return reply{said: "none"}
}

// standsFor is the live session that a presented token renews, or -1.
func (s state) standsFor(token int) int {
	i := s.leftBy(token)
	for i >= 0 && s.gone[i].reason == oneseat.Renewed {
		by := s.gone[i].renewedBy
		if l := slices.IndexFunc(s.live, func(h held) bool { return h.session == by }); l >= 0 {
			return l
		}
		i = slices.IndexFunc(s.gone, func(g left) bool { return g.session == by })
	}
	return s.byToken(token)
}

func (s state) byToken(token int) int {
	return slices.IndexFunc(s.live, func(h held) bool { return h.token == token })
}

func (s state) byPrevious(token int) int {
	return slices.IndexFunc(s.live, func(h held) bool { return token != 0 && h.previous == token })
}

func (s state) leftBy(token int) int {
	return slices.IndexFunc(s.gone, func(g left) bool { return g.token == token })
}

// end returns the state in which the i-th live session has ended.
func (s state) end(i int, reason oneseat.Reason, renewedBy int) state {
	h := s.live[i]
	s.live = slices.Delete(slices.Clone(s.live), i, i+1)
	s.gone = append(slices.Clone(s.gone), left{h.session, h.token, reason, renewedBy})
	slices.SortFunc(s.gone, func(a, b left) int { return cmp.Compare(a.session, b.session) })
	return s
}
