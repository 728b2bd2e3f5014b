package oneseat_test

import (
	"errors"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/oneseat/oneseat"
)

// These are the steps of a wanderer. Each does something on the node i, and the same with
// the oracle.

func (w *wanderer) from() oneseat.SignInRequest {
	from := oneseat.SignInRequest{
		Token:    anyOf(append([]string{"", "", "", "", "", "", forged("ada")}, w.tokens...)).Draw(w.T, "token"),
		DeviceID: anyOf([]string{"", deviceID("x"), deviceID("y")}).Draw(w.T, "device id"),
		Device:   oneseat.Device{Class: anyOf(append([]oneseat.Class{"toaster"}, classesDrawn...)).Draw(w.T, "class")},
		Override: anyOf(numbers(6)).Draw(w.T, "take over") == 0,
		Program:  anyOf(numbers(4)).Draw(w.T, "program") == 0,
		Lifetime: w.lifetime(),
	}
	switch {
	case from.Program:
		from.Token = "" // it has no browser's
	case anyOf(numbers(4)).Draw(w.T, "by its id") == 0:
		from.Previous = oneseat.Previous{Account: "ada", Session: anyOf(w.sessions[max(0, len(w.sessions)-4):]).Draw(w.T, "before").ID}
	}
	return from
}

func brought(by oneseat.SignInRequest) had { return had{by.Token, by.Previous.Session} }

// newcomer is the oracle's word for a client. Its id is known once it is admitted.
func (w *wanderer) newcomer(from oneseat.SignInRequest, g oneseat.Grant) *seatOf {
	class := from.Device.Class
	if class == "toaster" {
		class = "other"
	}
	return &seatOf{id: g.Session.ID, token: string(g.Token), device: from.DeviceID, class: string(class), program: from.Program, idle: from.Lifetime.Idle, absolute: from.Lifetime.Absolute}
}

func (w *wanderer) admitted(g oneseat.Grant) {
	w.tokens = append(w.tokens, string(g.Token))
	w.sessions = append(w.sessions, anySession{Session: g.Session})
}

func (w *wanderer) signIn(i int) {
	from := w.from()
	g, err := w.nodes[i].SignIn(w.ctx, "ada", from)
	n := w.newcomer(from, g)
	v := w.oracle.signIn(w.configs[i], n, brought(from), from.Override)
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
			w.oracle.asked(full.Ticket, n)
		}
		w.held(i, true, true)
	}
}

func (w *wanderer) adopt(i int) {
	from := w.from()
	n := w.newcomer(from, oneseat.Grant{})
	if age := anyOf([]time.Duration{0, -time.Hour, time.Microsecond, time.Minute, 20 * time.Minute, 2 * time.Hour, 6 * time.Hour}).Draw(w.T, "age"); age != 0 {
		n.issued = w.now().Add(-age)
	}
	g, err := w.nodes[i].Adopt(w.ctx, "ada", n.issued, from)
	n.id, n.token = g.Session.ID, string(g.Token)
	if w.said("adopt", err, w.oracle.adopt(w.configs[i], n)) {
		w.admitted(g)
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
	if w.said("redeem", err, w.oracle.redeem(w.configs[i], w.newcomer(from, g), brought(from), ticket, ids)) {
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

func (w *wanderer) confirm(i int) {
	on, lifetime := w.ofAda("session"), w.lifetime()
	_, err := w.nodes[i].Confirm(w.ctx, on, lifetime)
	s, v := w.oracle.session(on.ID)
	if w.said("confirm", err, v) {
		s.seen, s.used, s.unused, s.idle, s.absolute = w.now(), w.now(), false, lifetime.Idle, lifetime.Absolute
		w.oracle.settle(w.configs[i], w.now()) // it may be older than that
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

func (w *wanderer) endSome(i int) {
	class, programs := anyOf(classesDrawn).Draw(w.T, "class"), rapid.Bool().Draw(w.T, "programs")
	n, err := w.nodes[i].EndWhere(w.ctx, "ada", oneseat.EndOptions{}, func(s oneseat.Session) bool { return s.Device.Class == class && s.Program == programs })
	w.counts(n, err, w.ends(oneseat.ReasonRevoked, func(s *seatOf) bool { return s.parent == "" && s.class == string(class) && s.program == programs }))
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
