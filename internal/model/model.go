// Package model says what clients of one account may be told, in which order:
// porcupine compares with it what several nodes have answered at once.
//
// It owns the model and the words for calls and replies. The packages that use it make
// the calls, and decide what goes wrong meanwhile: histories, storetest and faults. The
// accounts it knows never time out.
package model

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/anishathalye/porcupine"

	"github.com/oneseat/oneseat"
)

// New is one account as porcupine sees it: what each operation, a [Call] with a
// [Reply], may answer in which state, and to which state it leads. Sessions,
// tokens and tickets are numbers: that of the operation that made them. Checks
// read the store each time. A session on the newcomer's own device goes first, and then
// the oldest. The sessions are of class api, which do not give way because they are
// unused: that is a matter of time, and the model knows none.
func New(limit int, policy oneseat.Policy) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return state{limit: limit} },
		Step: func(s, in, out any) (bool, any) {
			return s.(state).step(in.(Call), out.(Reply), policy)
		},
		Equal: func(a, b any) bool {
			x, y := a.(state), b.(state)
			return slices.Equal(x.live, y.live) && slices.Equal(x.gone, y.gone) && slices.Equal(x.tickets, y.tickets) &&
				slices.Equal(x.streams, y.streams) && slices.Equal(x.lost, y.lost) && x.limit == y.limit && x.blocked == y.blocked
		},
		Partition:         byAccount,
		DescribeOperation: func(in, out any) string { return fmt.Sprintf("%v: %v", in, out) },
		DescribeState:     func(s any) string { return fmt.Sprintf("%+v", s) },
	}
}

func byAccount(all []porcupine.Operation) [][]porcupine.Operation {
	by := make(map[string][]porcupine.Operation)
	for _, o := range all {
		a := o.Input.(Call).Account
		by[a] = append(by[a], o)
	}
	return slices.Collect(maps.Values(by))
}

// Call is an operation. On is the token or session that it is about, With the
// ticket, player or limit, Instead the session that is to go, Device that from which
// somebody signs in; 0 is none.
//
// "end others" is repeated after a lost reply. So it may end others twice, with
// sign-ins in between. Each try is a Call of its own. A try that was not answered is
// open, and its Reply is unknown.
type Call struct {
	Number                    int // of the operation, from 1
	Account                   string
	What                      string
	On, With, Instead, Device int
	Stream                    oneseat.SessionID
	Unsure                    bool // a reply was lost on the way: the first try may have counted
}

func (c Call) String() string {
	text := fmt.Sprint(c.Number, " ", c.What, " ", c.On)
	if c.With+c.Instead != 0 || c.Stream != "" {
		text += fmt.Sprintf(" with %d instead of %d %.4s", c.With, c.Instead, c.Stream)
	}
	if c.Device != 0 {
		text += fmt.Sprintf(" from device %d", c.Device)
	}
	return text + map[bool]string{true: " (reply lost)"}[c.Unsure]
}

// Reply is what came back.
type Reply struct {
	Said       string // yes, none, rotated, full, ended, blocked, no ticket, or unknown
	Reason     oneseat.Reason
	SameDevice bool // it was the device's own session that ended
	Count      int
	Stream     oneseat.SessionID
}

// ReplyOf returns what an error says of the account; nil means yes. It returns false
// if the error says nothing of the account.
func ReplyOf(err error) (Reply, bool) {
	if ended, ok := errors.AsType[*oneseat.EndedError](err); ok {
		return Reply{Said: "ended", Reason: ended.Ending.Reason, SameDevice: ended.Ending.SameDevice}, true
	}
	_, full := errors.AsType[*oneseat.LimitError](err)
	_, blocked := errors.AsType[*oneseat.BlockedError](err)
	_, noTicket := errors.AsType[*oneseat.TicketError](err)
	switch {
	case err == nil:
		return Reply{Said: "yes"}, true
	case full:
		return Reply{Said: "full"}, true
	case blocked:
		return Reply{Said: "blocked"}, true
	case noTicket:
		return Reply{Said: "no ticket"}, true
	case errors.Is(err, oneseat.ErrRotated):
		return Reply{Said: "rotated"}, true
	case errors.Is(err, oneseat.ErrNoSession):
		return Reply{Said: "none"}, true
	case errors.Is(err, oneseat.ErrUnknownOutcome):
		return Reply{Said: "unknown"}, true
	}
	return Reply{}, false
}

// state is never modified, only replaced.
type state struct {
	live    []held // the oldest first
	gone    []left // by session
	tickets []ticket
	streams []playing
	lost    []takenOver // by stream
	limit   int
	blocked bool
}

// playing is a stream; its id is "" as long as nobody was told the id.
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

type held struct{ session, token, previous, device int }

// ticket is one that was given to a device.
type ticket struct{ number, device int }

// left is a session that has ended.
type left struct {
	held
	how
}

// how is how a session ended. It names the session that took its place only after a
// renewal. No other answer depends on that session, and each difference multiplies the
// states.
type how struct {
	reason     oneseat.Reason
	sameDevice bool
	renewedBy  int
}

// told returns the reply to a client that comes with the session's token.
func (l left) told() Reply { return Reply{Said: "ended", Reason: l.reason, SameDevice: l.sameDevice} }

func (s state) step(c Call, r Reply, policy oneseat.Policy) (bool, state) {
	switch c.What {
	case "redeem":
		return s.redeem(c, r)
	case "play":
		return s.play(c, r)
	case "beat":
		return r == s.heard(c) || r.Said == "unknown", s
	case "set a limit":
		s.limit = c.With
		for len(s.live) > s.limit {
			s = s.end(0, how{reason: oneseat.ReasonLimitLowered})
		}
		return r.Said == "yes" || r.Said == "unknown", s
	case "block":
		for len(s.live) > 0 {
			s = s.end(0, how{reason: oneseat.ReasonAccountBlocked})
		}
		s.blocked, s.tickets = true, nil
		return r.Said == "yes" || r.Said == "unknown", s
	case "unblock":
		s.blocked = false
		return r.Said == "yes" || r.Said == "unknown", s
	case "sign in":
		if s.blocked {
			return r.Said == "blocked" || r.Said == "unknown", s
		}
		renewed := s.standsFor(c.On)
		excess := len(s.live) + 1 - s.limit
		if renewed >= 0 {
			excess--
		}
		own := -1
		if renewed < 0 && excess > 0 {
			own = s.own(c.Device)
		}
		if own >= 0 {
			excess--
		}
		if excess > 0 && policy != oneseat.PolicyDisplace {
			if policy == oneseat.PolicyAsk {
				s.tickets = append(slices.Clone(s.tickets), ticket{c.Number, c.Device})
			}
			return r.Said == "full" || r.Said == "unknown", s
		}
		// With a lost reply it may have been displaced by the time it is told.
		if r.Said != "yes" && r.Said != "unknown" && (!c.Unsure || r.Said != "ended") {
			return false, s
		}
		if renewed >= 0 {
			s = s.end(renewed, how{reason: oneseat.ReasonRenewed, renewedBy: c.Number})
		}
		if own >= 0 {
			s = s.displace(own, c.Device)
		}
		for range excess {
			s = s.displace(0, c.Device)
		}
		return true, s.seat(c)
	case "check":
		if i := s.byPrevious(c.On); i >= 0 {
			return r.Said == "yes" || r.Said == "none", s // its grace is a matter of time
		}
		return s.answers(r, c.On), s
	case "sign out":
		i := max(s.standsFor(c.On), s.byPrevious(c.On))
		if g := slices.IndexFunc(s.gone, func(g left) bool { return c.On != 0 && g.previous == c.On }); i < 0 && g >= 0 {
			i = s.standsFor(s.gone[g].token) // it may stand for the successor of its session
			if i >= 0 && r == s.gone[g].told() || r.Said == "none" {
				return true, s
			}
		}
		switch {
		case i < 0: // what another sign-out has done meanwhile may be taken for its own
			own := c.Unsure && r.Said == "yes" && slices.ContainsFunc(s.gone, func(g left) bool { return g.token == c.On || g.previous == c.On })
			return r.Said == "unknown" || own || s.answers(r, c.On), s
		case r.Said == "none" && s.byPrevious(c.On) >= 0: // its grace is over
			return true, s
		}
		return r.Said == "yes" || r.Said == "unknown", s.end(i, how{reason: oneseat.ReasonSignedOut})
	case "rotate":
		i := s.byToken(c.On)
		if i < 0 {
			return r.Said == "unknown" || s.answers(r, c.On) || c.Unsure && r.Said == "none" ||
				s.byPrevious(c.On) >= 0 && (r.Said == "rotated" || r.Said == "none"), s
		}
		if r.Said != "yes" && r.Said != "unknown" && (!c.Unsure || r.Said != "none" && r.Said != "ended" && r.Said != "rotated") {
			return false, s
		}
		s.live = slices.Clone(s.live)
		s.live[i] = held{s.live[i].session, c.Number, c.On, s.live[i].device}
		return true, s
	case "end":
		if i := slices.IndexFunc(s.streams, func(p playing) bool { return c.Stream != "" && p.id == c.Stream }); i >= 0 {
			return r.Said == "unknown" || r.Count == 1, s.stop(i, oneseat.ReasonRevoked)
		}
		i := slices.IndexFunc(s.live, func(h held) bool { return h.session == c.On })
		if i < 0 {
			return r.Said == "unknown" || r.Count == 0, s
		}
		return r.Said == "unknown" || r.Count == 1, s.end(i, how{reason: oneseat.ReasonRevoked})
	case "end others":
		return s.endOthers(c, r)
	}
	panic("no such operation: " + c.What)
}

// answer returns the reply to a check of a token that was not rotated away.
func (s state) answer(token int) Reply {
	if s.byToken(token) >= 0 {
		return Reply{Said: "yes"}
	}
	if i := s.leftBy(token); i >= 0 {
		return s.gone[i].told()
	}
	return Reply{Said: "none"}
}

// answers reports whether a reply may be the answer to a token. The token is not the
// one that a live session had before its last rotation.
func (s state) answers(r Reply, token int) bool {
	i := slices.IndexFunc(s.gone, func(g left) bool { return token != 0 && g.previous == token })
	return r == s.answer(token) || i >= 0 && r == s.gone[i].told()
}

// standsFor returns the live session that a presented token renews, or -1.
func (s state) standsFor(token int) int {
	i := s.leftBy(token)
	for i >= 0 && s.gone[i].reason == oneseat.ReasonRenewed {
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

// own returns the session on a device, the oldest of several, or -1. It is the only
// session that goes before its turn when a newcomer comes from that device.
func (s state) own(device int) int {
	return slices.IndexFunc(s.live, func(h held) bool { return device != 0 && h.device == device })
}

// displace returns the state in which the i-th live session has given way to a newcomer
// from a device.
func (s state) displace(i, device int) state {
	return s.end(i, how{reason: oneseat.ReasonDisplaced, sameDevice: device != 0 && s.live[i].device == device})
}

// seat returns the state in which somebody has signed in.
func (s state) seat(c Call) state {
	s.live = append(slices.Clone(s.live), held{session: c.Number, token: c.Number, device: c.Device})
	return s
}

// endOthers ends all sessions but one, on the authority of that one. If that one has
// ended, nothing ends.
func (s state) endOthers(c Call, r Reply) (bool, state) {
	if a := s.about(c.On); a.Said != "yes" {
		return r == a || r.Said == "unknown", s
	}
	n := len(s.live) - 1
	for i := n; i >= 0; i-- {
		if s.live[i].session != c.On {
			s = s.end(i, how{reason: oneseat.ReasonRevoked})
		}
	}
	s.tickets = nil
	return r.Said == "unknown" || r.Said == "yes" && (r.Count == n || c.Unsure && r.Count > n), s // a try before may have ended some
}

// end returns the state in which the i-th live session has ended.
func (s state) end(i int, as how) state {
	h := s.live[i]
	s.live = slices.Delete(slices.Clone(s.live), i, i+1)
	s.gone = append(slices.Clone(s.gone), left{h, as})
	s.streams = slices.DeleteFunc(slices.Clone(s.streams), func(p playing) bool { return p.session == h.session })
	slices.SortFunc(s.gone, func(a, b left) int { return cmp.Compare(a.session, b.session) })
	return s
}

// redeem admits the newcomer that holds a ticket, if the session that it chooses makes
// room.
func (s state) redeem(c Call, r Reply) (bool, state) {
	i := slices.Index(s.tickets, ticket{c.With, c.Device})
	if i < 0 { // a block that came in the meantime may be the answer
		return r.Said == "no ticket" || r.Said == "unknown" || s.blocked && r.Said == "blocked", s
	}
	byChoice := func(h held) bool { return c.Instead != 0 && h.session == c.Instead }
	goes := slices.IndexFunc(s.live, byChoice)
	excess := len(s.live) + 1 - s.limit
	if goes >= 0 {
		excess--
	}
	own := -1
	if excess > 0 {
		own = s.own(c.Device)
	}
	if excess > 0 && (own < 0 || own == goes || excess > 1) {
		return r.Said == "full" || r.Said == "unknown", s
	}
	if r.Said != "yes" && r.Said != "unknown" && (!c.Unsure || r.Said != "ended") {
		return false, s
	}
	if goes >= 0 {
		s = s.displace(goes, c.Device)
	}
	if own >= 0 {
		s = s.displace(s.own(c.Device), c.Device)
	}
	s.tickets = slices.Delete(slices.Clone(s.tickets), i, i+1)
	return true, s.seat(c)
}

// play starts a stream of a session; an account may have one.
func (s state) play(c Call, r Reply) (bool, state) {
	if a := s.about(c.On); a.Said != "yes" {
		return r == a || r.Said == "unknown", s
	}
	if i := slices.IndexFunc(s.streams, func(p playing) bool { return p.session == c.On && p.player == c.With }); i >= 0 {
		if r.Said == "yes" && s.streams[i].id == "" {
			s.streams = slices.Clone(s.streams)
			s.streams[i].id = r.Stream
		}
		return r.Said == "unknown" || r.Said == "yes" && s.streams[i].id == r.Stream, s
	}
	if len(s.streams) > 0 {
		if c.Stream == "" || s.streams[0].id != c.Stream {
			return r.Said == "full" || r.Said == "unknown", s
		}
		s = s.stop(0, oneseat.ReasonDisplaced)
	}
	if r.Said != "yes" && r.Said != "unknown" && (!c.Unsure || r.Said != "ended") {
		return false, s
	}
	s.streams = append(slices.Clone(s.streams), playing{c.On, c.With, r.Stream})
	return true, s
}

// heard returns the reply to a heartbeat.
func (s state) heard(c Call) Reply {
	if slices.Contains(s.streams, playing{c.On, c.With, c.Stream}) {
		return Reply{Said: "yes"}
	}
	for _, l := range s.lost {
		if l.id == c.Stream && l.session == c.On {
			return Reply{Said: "ended", Reason: l.reason}
		}
	}
	if a := s.about(c.On); a.Said != "yes" {
		return a
	}
	return Reply{Said: "none"}
}

// about returns what is said of the session with a number.
func (s state) about(session int) Reply {
	if slices.ContainsFunc(s.live, func(h held) bool { return h.session == session }) {
		return Reply{Said: "yes"}
	}
	if i := slices.IndexFunc(s.gone, func(g left) bool { return g.session == session }); i >= 0 {
		return s.gone[i].told()
	}
	return Reply{Said: "none"}
}

// stop returns the state in which the i-th stream was ended.
func (s state) stop(i int, reason oneseat.Reason) state {
	p := s.streams[i]
	s.streams = slices.Delete(slices.Clone(s.streams), i, i+1)
	s.lost = append(slices.Clone(s.lost), takenOver{p.id, p.session, reason})
	slices.SortFunc(s.lost, func(a, b takenOver) int { return cmp.Compare(a.id, b.id) })
	return s
}
