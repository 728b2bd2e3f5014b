package storetest

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/anishathalye/porcupine"

	"github.com/oneseat/oneseat"
)

// model is one account as porcupine sees it: what each operation may answer in
// which state, and to which state it leads. Sessions, tokens and tickets are
// numbers: that of the operation that made them.
func (set setting) model() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return state{limit: set.limit} },
		Step: func(s, in, out any) (bool, any) {
			return s.(state).step(in.(call), out.(reply), set.policy)
		},
		Equal: func(a, b any) bool {
			x, y := a.(state), b.(state)
			return slices.Equal(x.live, y.live) && slices.Equal(x.gone, y.gone) && slices.Equal(x.tickets, y.tickets) &&
				slices.Equal(x.streams, y.streams) && slices.Equal(x.lost, y.lost) && x.limit == y.limit && x.blocked == y.blocked
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

// call is an operation. on is the token or session that it is about, with the
// ticket, player or limit, instead the session that is to go; 0 is none.
type call struct {
	number            int // of the operation, from 1
	account           string
	what              string
	on, with, instead int
	stream            oneseat.SessionID
	unsure            bool // a reply was lost on the way: the first try may have counted
}

func (c call) String() string {
	text := fmt.Sprint(c.number, " ", c.what, " ", c.on)
	if c.with+c.instead != 0 || c.stream != "" {
		text += fmt.Sprintf(" with %d instead of %d %.4s", c.with, c.instead, c.stream)
	}
	return text + map[bool]string{true: " (reply lost)"}[c.unsure]
}

// reply is what came back.
type reply struct {
	said   string // yes, none, full, ended, blocked, no ticket, or unknown
	reason oneseat.Reason
	count  int
	stream oneseat.SessionID
}

// state is never modified, only replaced.
type state struct {
	live    []held // the idlest first
	gone    []left // by session
	tickets []int
	streams []playing
	lost    []takenOver // by stream
	limit   int
	blocked bool
}

// playing is a stream; its id is "" as long as nobody was told.
type playing struct {
	session, player int
	id              oneseat.SessionID
}

// takenOver is a stream that another took over, or that somebody ended.
type takenOver struct {
	id      oneseat.SessionID
	session int
	reason  oneseat.Reason
}

type held struct{ session, token, previous int }

type left struct {
	session, token int
	reason         oneseat.Reason
	renewedBy      int // what else took its place matters to no answer, and would make states many
}

func (s state) step(c call, r reply, policy oneseat.Policy) (bool, state) {
	switch c.what {
	case "redeem":
		return s.redeem(c, r)
	case "play":
		return s.play(c, r)
	case "beat":
		return r == s.heard(c) || r.said == "unknown", s
	case "set a limit":
		s.limit = c.with
		for len(s.live) > s.limit {
			s = s.end(0, oneseat.Revoked, 0)
		}
		return r.said == "yes", s
	case "block":
		for len(s.live) > 0 {
			s = s.end(0, oneseat.AccountWasBlocked, 0)
		}
		s.blocked, s.tickets = true, nil
		return r.said == "yes", s
	case "unblock":
		s.blocked = false
		return r.said == "yes", s
	case "sign in":
		if s.blocked {
			return r.said == "blocked" || r.said == "unknown", s
		}
		renewed := s.standsFor(c.on)
		excess := len(s.live) + 1 - s.limit
		if renewed >= 0 {
			excess--
		}
		if excess > 0 && policy != oneseat.Displace {
			if policy == oneseat.Ask {
				s.tickets = append(slices.Clone(s.tickets), c.number)
			}
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
		if i := slices.IndexFunc(s.streams, func(p playing) bool { return c.stream != "" && p.id == c.stream }); i >= 0 {
			return r.said == "unknown" || r.count == 1, s.stop(i, oneseat.Revoked)
		}
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
	s.streams = slices.DeleteFunc(slices.Clone(s.streams), func(p playing) bool { return p.session == h.session })
	slices.SortFunc(s.gone, func(a, b left) int { return cmp.Compare(a.session, b.session) })
	return s
}

// redeem admits whom a ticket was given to, if the one it chooses makes room.
func (s state) redeem(c call, r reply) (bool, state) {
	i := slices.Index(s.tickets, c.with)
	if i < 0 { // a block that came while the ticket was looked at says so
		return r.said == "no ticket" || r.said == "unknown" || s.blocked && r.said == "blocked", s
	}
	taken := len(s.live)
	chosen := slices.IndexFunc(s.live, func(h held) bool { return c.instead != 0 && h.session == c.instead })
	if chosen >= 0 {
		taken--
	}
	if taken+1 > s.limit {
		return r.said == "full" || r.said == "unknown", s
	}
	if r.said != "yes" && r.said != "unknown" && (!c.unsure || r.said != "ended") {
		return false, s
	}
	if chosen >= 0 {
		s = s.end(chosen, oneseat.Displaced, 0)
	}
	s.tickets = slices.Delete(slices.Clone(s.tickets), i, i+1)
	s.live = append(slices.Clone(s.live), held{session: c.number, token: c.number})
	return true, s
}

// play starts a stream of a session; an account may have one.
func (s state) play(c call, r reply) (bool, state) {
	if a := s.about(c.on); a.said != "yes" {
		return r == a || r.said == "unknown", s
	}
	if i := slices.IndexFunc(s.streams, func(p playing) bool { return p.session == c.on && p.player == c.with }); i >= 0 {
		if r.said == "yes" && s.streams[i].id == "" {
			s.streams = slices.Clone(s.streams)
			s.streams[i].id = r.stream
		}
		return r.said == "unknown" || r.said == "yes" && s.streams[i].id == r.stream, s
	}
	if len(s.streams) > 0 {
		if c.stream == "" || s.streams[0].id != c.stream {
			return r.said == "full" || r.said == "unknown", s
		}
		s = s.stop(0, oneseat.Displaced)
	}
	if r.said != "yes" && r.said != "unknown" && (!c.unsure || r.said != "ended") {
		return false, s
	}
	s.streams = append(slices.Clone(s.streams), playing{c.on, c.with, r.stream})
	return true, s
}

// heard is what a heartbeat is told.
func (s state) heard(c call) reply {
	if slices.Contains(s.streams, playing{c.on, c.with, c.stream}) {
		return reply{said: "yes"}
	}
	for _, l := range s.lost {
		if l.id == c.stream && l.session == c.on {
			return reply{said: "ended", reason: l.reason}
		}
	}
	if a := s.about(c.on); a.said != "yes" {
		return a
	}
	return reply{said: "none"}
}

// about is what is said of a session by its number.
func (s state) about(session int) reply {
	if slices.ContainsFunc(s.live, func(h held) bool { return h.session == session }) {
		return reply{said: "yes"}
	}
	if i := slices.IndexFunc(s.gone, func(g left) bool { return g.session == session }); i >= 0 {
		return reply{said: "ended", reason: s.gone[i].reason}
	}
	return reply{said: "none"}
}

// stop returns the state in which the i-th stream was ended.
func (s state) stop(i int, reason oneseat.Reason) state {
	p := s.streams[i]
	s.streams = slices.Delete(slices.Clone(s.streams), i, i+1)
	s.lost = append(slices.Clone(s.lost), takenOver{p.id, p.session, reason})
	slices.SortFunc(s.lost, func(a, b takenOver) int { return cmp.Compare(a.id, b.id) })
	return s
}
