package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/oneseat/oneseat"
)

// rules holds everything that an account can do, one step after the other, against the
// oracle.
var rules = []promise{
	{"any sequence of steps comes to what the oracle says", machine},
}

// machine has rapid choose settings and steps. rapid shortens a failure, and says with
// which flag to repeat it.
func machine(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	type setting struct {
		limit  int
		policy oneseat.Policy
	}
	settings := []setting{{1, oneseat.PolicyDisplace}, {3, oneseat.PolicyDisplace}, {1, oneseat.PolicyRefuse}, {2, oneseat.PolicyRefuse}}
	all := make([][]*oneseat.Registry, len(settings))
	for i, s := range settings {
		for _, n := range ns {
			all[i] = append(all[i], registry(t, n, oneseat.Config{Realm: fmt.Sprint("machine ", i), Limit: s.limit, WhenFull: s.policy, DisplaceOrder: oneseat.DisplaceOldest}))
		}
	}
	var runs int64
	failed, begun := false, time.Now()
	rapid.Check(t, func(rt *rapid.T) {
		// A slow store gets fewer walks. Shortening a failure may take any time.
		if time.Since(begun) > walking && !failed {
			return
		}
		runs++
		passed := false
		defer func() { failed = failed || !passed }()
		i := rapid.IntRange(0, len(settings)-1).Draw(rt, "setting")
		w := &walk{ctx: t.Context(), nodes: all[i], who: make(map[string]*oracle), began: time.Now()}
		for _, name := range []string{"ada", "grace"} {
			name = fmt.Sprint(name, " ", runs) // a realm of its own
			w.names = append(w.names, name)
			w.who[name] = &oracle{limit: settings[i].limit, refuse: settings[i].policy == oneseat.PolicyRefuse}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"sign in":        w.within(w.signIn),
			"sign in again":  w.within(w.signIn),
			"and once again": w.within(w.signIn),
			"check":          w.within(w.check),
			"sign out":       w.within(w.signOut),
			"rotate":         w.within(w.rotate),
			"end":            w.within(w.end),
			"end others":     w.within(w.endOthers),
			"end all":        w.within(w.endAll),
			"end realm":      w.within(w.endRealm),
			"":               w.within(w.compare),
		})
		w.within(w.compareAll)(rt)
		passed = true
	})
	t.Logf("%d walks", runs)
}

// walking is how long new walks are begun.
const walking = 8 * time.Second

// walk is one sequence of steps.
type walk struct {
	ctx   context.Context // of the test, which is what a walk is
	nodes []*oneseat.Registry
	names []string
	who   map[string]*oracle
	began time.Time

	signIns int
	tokens  []string // every token that was returned, of any account
}

// within runs a step unless the time is over for which the oracle knows the answer. The
// oracle forgets no ending, and has no clock for the seconds in which a token that was
// rotated away or renewed still counts.
func (w *walk) within(step func(*rapid.T)) func(*rapid.T) {
	return func(rt *rapid.T) {
		if w.signIns < oneseat.MaxEndings && time.Since(w.began) < 5*time.Second {
			step(rt)
		}
	}
}

// node returns one of the registries.
func (w *walk) node(rt *rapid.T) *oneseat.Registry {
	return rapid.SampledFrom(w.nodes).Draw(rt, "node")
}

// account returns one of the accounts, and its oracle.
func (w *walk) account(rt *rapid.T) (string, *oracle) {
	name := rapid.SampledFrom(w.names).Draw(rt, "account")
	return name, w.who[name]
}

func (w *walk) signIn(rt *rapid.T) {
	w.signIns++
	name, o := w.account(rt)
	from := oneseat.SignInRequest{
		Token:    w.anyToken(rt),
		DeviceID: rapid.SampledFrom([]string{"", "the id of a phone", "the id of a laptop"}).Draw(rt, "device"),
		Device:   oneseat.Device{Class: oneseat.ClassAPI}, // so it never gives way as unused
		Override: rapid.IntRange(0, 9).Draw(rt, "take over") == 9,
	}
	g, err := w.node(rt).SignIn(w.ctx, name, from)
	want := o.signIn(&session{id: g.Session.ID, token: string(g.Token), device: from.DeviceID}, from.Token, from.Override)
	same(rt, "sign in", answer(err), want)
	if err != nil {
		return
	}
	w.tokens = append(w.tokens, string(g.Token))
	for _, other := range w.who { // another account that was signed in in this browser is not any more
		if other != o && !other.late(from.Token) {
			_ = other.signOut(from.Token) // there may have been none
		}
	}
}

func (w *walk) check(rt *rapid.T) {
	token := w.anyToken(rt)
	o := w.owner(token)
	_, err := w.node(rt).Check(w.ctx, token)
	if o.late(token) && errors.Is(err, oneseat.ErrNoSession) {
		return
	}
	same(rt, "check", answer(err), o.check(token))
}

func (w *walk) signOut(rt *rapid.T) {
	token := w.anyToken(rt)
	o := w.owner(token)
	err := w.node(rt).SignOut(w.ctx, token)
	if o.late(token) && errors.Is(err, oneseat.ErrNoSession) {
		return
	}
	same(rt, "sign out", answer(err), o.signOut(token))
}

func (w *walk) rotate(rt *rapid.T) {
	token := w.anyToken(rt)
	g, err := w.node(rt).Rotate(w.ctx, token)
	if w.owner(token).late(token) && errors.Is(err, oneseat.ErrNoSession) {
		return
	}
	same(rt, "rotate", answer(err), w.owner(token).rotate(token, string(g.Token)))
	if err == nil {
		w.tokens = append(w.tokens, string(g.Token))
	}
}

func (w *walk) end(rt *rapid.T) {
	name, o := w.account(rt)
	id := w.anyID(rt, o)
	n, err := w.node(rt).End(w.ctx, name, oneseat.EndOptions{}, id, id)
	same(rt, "end", err, nil)
	equal(rt, "end", n, o.endWhere(oneseat.ReasonRevoked, "", func(s *session) bool { return s.id == id }))
}

func (w *walk) endOthers(rt *rapid.T) {
	name, o := w.account(rt)
	id := w.anyID(rt, o)
	n, err := w.node(rt).EndOthers(w.ctx, name, id, oneseat.EndOptions{By: id})
	if s := o.byID(id); id != "" && (s == nil || s.reason != "") { // a session that has ended ends no other
		same(rt, "end others", answer(err), said(s))
		return
	}
	same(rt, "end others", err, nil)
	equal(rt, "end others", n, o.endWhere(oneseat.ReasonRevoked, id, func(s *session) bool { return s.id != id }))
}

func (w *walk) endAll(rt *rapid.T) {
	name, o := w.account(rt)
	n, err := w.node(rt).EndAll(w.ctx, name, oneseat.EndOptions{Reason: oneseat.ReasonCredentialsChanged})
	same(rt, "end all", err, nil)
	equal(rt, "end all", n, o.endWhere(oneseat.ReasonCredentialsChanged, "", func(*session) bool { return true }))
}

func (w *walk) endRealm(rt *rapid.T) {
	same(rt, "end realm", w.node(rt).EndRealm(w.ctx, "the test"), nil)
	for _, o := range w.who {
		o.endWhere(oneseat.ReasonRealmEnded, "", func(*session) bool { return true })
	}
}

// anyToken returns a token that was returned some time ago, or one that never was.
func (w *walk) anyToken(rt *rapid.T) string {
	return rapid.SampledFrom(append([]string{"", "oneseat_forged"}, w.tokens...)).Draw(rt, "token")
}

// anyID returns the id of one of the account's sessions, of another account's, or of
// none.
func (w *walk) anyID(rt *rapid.T, o *oracle) oneseat.SessionID {
	known := []oneseat.SessionID{"", "none"}
	for _, name := range w.names {
		if other := w.who[name]; other != o && len(other.all) > 0 {
			known = append(known, other.all[0].id)
		}
	}
	for _, s := range o.all {
		known = append(known, s.id)
	}
	return rapid.SampledFrom(known).Draw(rt, "session")
}

// owner returns the oracle of a token's account.
func (w *walk) owner(token string) *oracle {
	for _, o := range w.who {
		if o.find(func(s *session) bool { return s.token == token || s.previous == token }) != nil {
			return o
		}
	}
	return &oracle{}
}

// compare holds what is listed of an account against the oracle.
func (w *walk) compare(rt *rapid.T) {
	name, _ := w.account(rt)
	w.list(rt, w.node(rt), name)
}

// compareAll holds every session there was against the oracle.
func (w *walk) compareAll(rt *rapid.T) {
	for _, r := range w.nodes {
		for _, name := range w.names {
			w.list(rt, r, name)
			for _, s := range w.who[name].all {
				w.session(rt, r, name, s)
			}
		}
	}
}

func (w *walk) list(rt *rapid.T, r *oneseat.Registry, name string) {
	got, err := r.Sessions(w.ctx, name)
	same(rt, "list", err, nil)
	listed, expected := []oneseat.SessionID{}, []oneseat.SessionID{}
	for _, s := range slices.Backward(got) {
		listed = append(listed, s.ID)
	}
	for _, s := range w.who[name].live {
		expected = append(expected, s.id)
	}
	if !slices.Equal(listed, expected) {
		rt.Fatalf("%q: live are %v, the oracle says %v", name, listed, expected)
	}
}

func (w *walk) session(rt *rapid.T, r *oneseat.Registry, name string, s *session) {
	_, err := r.CheckID(w.ctx, name, s.id)
	same(rt, fmt.Sprintf("check of session %s of %q", s.id, name), answer(err), said(s))
	_, err = r.Check(w.ctx, s.token)
	same(rt, fmt.Sprintf("check of the token of %s of %q", s.id, name), answer(err), said(s))
}

// same fails unless both errors say the same.
func same(rt *rapid.T, what string, got, want error) {
	rt.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		rt.Fatalf("%s: %v; the oracle says %v", what, got, want)
	}
}

func equal(rt *rapid.T, what string, got, want int) {
	rt.Helper()
	if got != want {
		rt.Fatalf("%s: %d; the oracle says %d", what, got, want)
	}
}
