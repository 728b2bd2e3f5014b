package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/oneseat/oneseat"
)

// lostReplies is about a registry that does not learn what became of an update, and
// about changes that run more than once.
var lostReplies = []promise{
	{"a sign-in whose reply is lost is admitted once", signInOnce},
	{"a sign-in that takes the last seat is not refused because of itself", lastSeat},
	{"a sign-in without any reply is unknown, and admitted once at most", neverAnswered},
	{"a sign-in that was displaced before its reply came says so", displacedBetween},
	{"a sign-in whose ending was forgotten before its reply came stays unknown", forgottenBetween},
	{"a sign-in that is repeated on other nodes is one session", repeated},
	{"a sign-in that is repeated after 40 others raises nothing", repeatedLate},
	{"a store that fails after a reply was lost leaves the outcome unknown", failsAfterwards},
	{"an update that the store did not take is not done", notTaken},
	{"an ending whose reply is lost is recorded once, and counted", endOnce},
	{"a rotation whose reply is lost happens once", rotateOnce},
	{"the end of a realm whose reply is lost happens once", endRealmOnce},
	{"a change that runs twice counts once", rerun},
}

// count returns how many events of one type the history has of a session, or of all
// sessions if id is "".
func count(t *testing.T, n node, what oneseat.EventType, id oneseat.SessionID) int {
	t.Helper()
	c := 0
	for _, r := range listEvents(t, n, oneseat.EventQuery{Realm: realm, Session: id, Limit: 1000}) {
		if r.Type == what {
			c++
		}
	}
	return c
}

// seated fails unless exactly these sessions are live, each once, and each was created
// once.
func seated(t *testing.T, n node, account string, want ...oneseat.SessionID) {
	t.Helper()
	got := ids(n.load(t, key(account)))
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("live are %v, want %v", got, want)
	}
	for _, id := range got {
		if c := count(t, n, oneseat.EventSessionCreated, id); c != 1 {
			t.Errorf("session %s was created %d times", id, c)
		}
	}
}

// attempted is a sign-in that may be repeated, first made now by the store's clock.
func attempted(t *testing.T, n node, id byte) oneseat.SignInRequest {
	t.Helper()
	return oneseat.SignInRequest{Attempt: oneseat.Attempt{ID: [32]byte{id}, Secret: [32]byte{id, 1}, Tried: n.load(t, key("ada")).Now}}
}

func repeated(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 3)
	how := attempted(t, ns[0], 1)
	var first oneseat.Grant
	for i, n := range ns {
		g, err := registry(t, n, oneseat.Config{}).SignIn(t.Context(), "ada", how)
		if i == 0 {
			first = g
		}
		if err != nil || g.Token != first.Token || g.Session.ID != first.Session.ID {
			t.Errorf("%+v, and then %+v, %v", first, g, err)
		}
	}
	seated(t, ns[0], "ada", first.Session.ID)
}

func repeatedLate(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	here, there := registry(t, ns[0], oneseat.Config{}), registry(t, ns[1], oneseat.Config{})
	how := attempted(t, ns[0], 1)
	first, err := here.SignIn(t.Context(), "ada", how)
	if err != nil {
		t.Fatal(err)
	}
	var last oneseat.Grant
	for range 40 {
		if last, err = there.SignIn(t.Context(), "ada", oneseat.SignInRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range []*oneseat.Registry{here, there} {
		if g, err := r.SignIn(t.Context(), "ada", how); !errors.Is(err, oneseat.ErrUnknownOutcome) {
			t.Errorf("the late try: %+v, %v", g.Session, err)
		}
		if _, err := r.Check(t.Context(), string(first.Token)); err == nil {
			t.Error("the first token is good again")
		}
	}
	seated(t, ns[1], "ada", last.Session.ID)
}

func signInOnce(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	for limit, r := range map[int]*oneseat.Registry{
		1: registry(t, unreliable{ns[0]}, oneseat.Config{Limit: 1}),
		3: registry(t, unreliable{ns[0]}, oneseat.Config{Limit: 3}),
	} {
		for i, fates := range [][]fate{
			{replyLost}, {requestLost}, {replyLost, replyLost}, {requestLost, replyLost, requestLost}, {rehearsed}, {replyLost, rehearsed},
		} {
			account := fmt.Sprint("account ", limit, " ", i)
			before := []oneseat.Grant{signIn(t, r, account, oneseat.SignInRequest{})}
			tr := &trouble{key: key(account), fates: fates}
			g, err := r.SignIn(tr.with(t.Context()), account, oneseat.SignInRequest{})
			if err != nil {
				t.Errorf("%v: SignIn returned %v", fates, err)
				continue
			}
			if len(tr.met) != len(fates) {
				t.Errorf("%v: only %v came true", fates, tr.met)
			}
			if s, err := r.Check(t.Context(), string(g.Token)); err != nil || s.ID != g.Session.ID {
				t.Errorf("%v: the session that SignIn returned: %+v, %v", fates, s, err)
			}
			want := []oneseat.SessionID{g.Session.ID}
			if limit > 1 {
				want = append(want, before[0].Session.ID)
			} else if c := count(t, ns[1], oneseat.EventSessionEnded, before[0].Session.ID); c != 1 {
				t.Errorf("%v: the session before it was ended %d times", fates, c)
			}
			seated(t, ns[1], account, want...)
		}
	}
}

func lastSeat(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	r := registry(t, unreliable{ns[0]}, oneseat.Config{WhenFull: oneseat.PolicyRefuse})
	tr := &trouble{key: key("ada"), fates: []fate{replyLost, replyLost}}
	g, err := r.SignIn(tr.with(t.Context()), "ada", oneseat.SignInRequest{})
	if err != nil {
		t.Fatalf("SignIn returned %v", err)
	}
	seated(t, ns[1], "ada", g.Session.ID)
}

// always is a fate more often than any registry tries again.
func always(f fate) []fate { return slices.Repeat([]fate{f}, 100) }

func neverAnswered(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	r := registry(t, unreliable{ns[0]}, oneseat.Config{Limit: 3})
	for fate, most := range map[fate]int{replyLost: 1, requestLost: 0} {
		account := "account " + string(fate)
		g := signIn(t, r, account, oneseat.SignInRequest{})
		tr := &trouble{key: key(account), fates: always(fate)}
		if _, err := r.SignIn(tr.with(t.Context()), account, oneseat.SignInRequest{}); !errors.Is(err, oneseat.ErrUnknownOutcome) {
			t.Errorf("%s: SignIn returned %v, want oneseat.ErrUnknownOutcome", fate, err)
		}
		got := ids(ns[1].load(t, key(account)))
		if len(got) != 1+most || got[0] != g.Session.ID {
			t.Errorf("%s: live are %v, want %s and %d more", fate, got, g.Session.ID, most)
		}
		seated(t, ns[1], account, got...)
	}
}

func displacedBetween(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	a, b := registry(t, unreliable{ns[0]}, oneseat.Config{}), registry(t, ns[1], oneseat.Config{})
	var winner oneseat.Grant
	tr := &trouble{key: key("ada"), fates: []fate{replyLost}, between: func() { winner = signIn(t, b, "ada", oneseat.SignInRequest{}) }}
	_, err := a.SignIn(tr.with(t.Context()), "ada", oneseat.SignInRequest{})
	if e, ok := errors.AsType[*oneseat.EndedError](err); !ok || e.Ending.Reason != oneseat.ReasonDisplaced || e.Ending.By != winner.Session.ID {
		t.Errorf("SignIn returned %v, want an *oneseat.EndedError: displaced by %s", err, winner.Session.ID)
	}
	seated(t, ns[1], "ada", winner.Session.ID)
	if c := count(t, ns[1], oneseat.EventSessionCreated, ""); c != 2 {
		t.Errorf("%d sessions were created, want 2", c)
	}
}

func forgottenBetween(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	a, b := registry(t, unreliable{ns[0]}, oneseat.Config{}), registry(t, ns[1], oneseat.Config{})
	var winner oneseat.Grant
	tr := &trouble{key: key("ada"), fates: []fate{replyLost}, between: func() {
		for range oneseat.MaxEndings + 1 {
			winner = signIn(t, b, "ada", oneseat.SignInRequest{})
		}
	}}
	if _, err := a.SignIn(tr.with(t.Context()), "ada", oneseat.SignInRequest{}); !errors.Is(err, oneseat.ErrUnknownOutcome) {
		t.Errorf("SignIn returned %v, want oneseat.ErrUnknownOutcome", err)
	}
	seated(t, ns[1], "ada", winner.Session.ID)
	if c := count(t, ns[1], oneseat.EventSessionCreated, ""); c != oneseat.MaxEndings+2 {
		t.Errorf("%d sessions were created by %d sign-ins", c, oneseat.MaxEndings+2)
	}
}

func failsAfterwards(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	r := registry(t, unreliable{ns[0]}, oneseat.Config{})
	g := signIn(t, r, "ada", oneseat.SignInRequest{})
	tr := &trouble{key: key("ada"), fates: append([]fate{replyLost}, always(noService)...)}
	if _, err := r.SignIn(tr.with(t.Context()), "ada", oneseat.SignInRequest{}); !errors.Is(err, oneseat.ErrUnknownOutcome) {
		t.Errorf("SignIn, committed without a reply, returned %v, want oneseat.ErrUnknownOutcome", err)
	}
	_, err := r.Check(t.Context(), string(g.Token))
	hasEnded(t, err, g.Session.ID, oneseat.ReasonDisplaced)
}

func notTaken(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	r := registry(t, unreliable{ns[0]}, oneseat.Config{})
	g := signIn(t, r, "ada", oneseat.SignInRequest{})
	before := ns[1].load(t, key("ada"))
	ctx := func() *trouble { return &trouble{key: key("ada"), fates: always(noService)} }
	for name, call := range map[string]func() error{
		"SignIn": func() error {
			_, err := r.SignIn(ctx().with(t.Context()), "ada", oneseat.SignInRequest{})
			return err
		},
		"SignOut": func() error { return r.SignOut(ctx().with(t.Context()), string(g.Token)) },
		"Rotate": func() error {
			_, err := r.Rotate(ctx().with(t.Context()), string(g.Token))
			return err
		},
		"EndAll": func() error {
			_, err := r.EndAll(ctx().with(t.Context()), "ada", oneseat.EndOptions{})
			return err
		},
	} {
		err := call()
		if !errors.Is(err, oneseat.ErrStoreUnavailable) || !errors.Is(err, errNoService) || errors.Is(err, oneseat.ErrUnknownOutcome) {
			t.Errorf("%s returned %v, want oneseat.ErrStoreUnavailable with its cause", name, err)
		}
		unchanged(t, ns[1], before)
	}
	if _, err := r.Check(t.Context(), string(g.Token)); err != nil {
		t.Errorf("the session that nobody could end: %v", err)
	}
}

func endOnce(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	r := registry(t, unreliable{ns[0]}, oneseat.Config{Limit: 3})
	for i, fates := range [][]fate{{replyLost}, {requestLost}, {replyLost, replyLost, requestLost}} {
		for how, end := range map[string]func(*trouble, oneseat.Grant) (int, error){
			"End": func(tr *trouble, g oneseat.Grant) (int, error) {
				return r.End(tr.with(t.Context()), g.Session.Account, oneseat.EndOptions{}, g.Session.ID)
			},
			"EndAll": func(tr *trouble, g oneseat.Grant) (int, error) {
				return r.EndAll(tr.with(t.Context()), g.Session.Account, oneseat.EndOptions{})
			},
			"EndOthers": func(tr *trouble, g oneseat.Grant) (int, error) {
				return r.EndOthers(tr.with(t.Context()), g.Session.Account, "", oneseat.EndOptions{})
			},
			"SignOut": func(tr *trouble, g oneseat.Grant) (int, error) {
				return 1, r.SignOut(tr.with(t.Context()), string(g.Token))
			},
		} {
			account := fmt.Sprint(how, " ", i)
			g := signIn(t, r, account, oneseat.SignInRequest{})
			tr := &trouble{key: key(account), fates: fates}
			if n, err := end(tr, g); n != 1 || err != nil {
				t.Errorf("%s, %v: %d, %v; want 1 and no error", how, fates, n, err)
			}
			seated(t, ns[1], account)
			if c := count(t, ns[1], oneseat.EventSessionEnded, g.Session.ID); c != 1 {
				t.Errorf("%s, %v: the session was ended %d times", how, fates, c)
			}
			n, err := end(&trouble{}, g)
			if over, ended := errors.AsType[*oneseat.EndedError](err); how == "SignOut" && (!ended || over.Ending.Reason != oneseat.ReasonSignedOut) || how != "SignOut" && (n != 0 || err != nil) {
				t.Errorf("%s once more: %d, %v; want that nothing was ended", how, n, err)
			}
		}
	}
}

func rotateOnce(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	r := registry(t, unreliable{ns[0]}, oneseat.Config{})
	for i, fates := range [][]fate{{replyLost}, {requestLost}, {replyLost, replyLost, requestLost}} {
		account := fmt.Sprint("account ", i)
		g := signIn(t, r, account, oneseat.SignInRequest{})
		tr := &trouble{key: key(account), fates: fates}
		next, err := r.Rotate(tr.with(t.Context()), string(g.Token))
		if err != nil || next.Session.ID != g.Session.ID {
			t.Errorf("%v: Rotate = %+v, %v", fates, next, err)
			continue
		}
		if s, err := r.Check(t.Context(), string(next.Token)); err != nil || s.ID != g.Session.ID {
			t.Errorf("%v: the new token: %+v, %v", fates, s, err)
		}
		if _, err := r.Rotate(t.Context(), string(g.Token)); !errors.Is(err, oneseat.ErrRotated) && !errors.Is(err, oneseat.ErrNoSession) { // the seconds of the old token may be over
			t.Errorf("%v: the old token rotates once more: %v", fates, err)
		}
		if c := count(t, ns[1], oneseat.EventSessionRotated, g.Session.ID); c != 1 {
			t.Errorf("%v: rotated %d times", fates, c)
		}
		seated(t, ns[1], account, g.Session.ID)
	}
}

func endRealmOnce(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	a, b := registry(t, unreliable{ns[0]}, oneseat.Config{}), registry(t, ns[1], oneseat.Config{})
	old := signIn(t, b, "ada", oneseat.SignInRequest{})
	var later oneseat.Grant
	tr := &trouble{key: key(""), fates: []fate{requestLost, replyLost}, between: func() { later = signIn(t, b, "grace", oneseat.SignInRequest{}) }}
	if err := a.EndRealm(tr.with(t.Context()), "storetest"); err != nil {
		t.Fatalf("EndRealm returned %v", err)
	}
	if len(tr.met) != 2 {
		t.Errorf("only %v came true", tr.met)
	}
	for _, r := range []*oneseat.Registry{a, b} {
		_, err := r.Check(t.Context(), string(old.Token))
		hasEnded(t, err, old.Session.ID, oneseat.ReasonRealmEnded)
		if _, err := r.Check(t.Context(), string(later.Token)); err != nil {
			t.Errorf("who signed in after the end was committed: %v", err)
		}
	}
	if c := count(t, ns[1], oneseat.EventRealmEnded, ""); c != 1 {
		t.Errorf("the realm was ended %d times", c)
	}
}

// rerun has a change run on a view that is old by then, as happens in a store without
// locks after a conflict. Only the last run counts.
func rerun(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	a, b := registry(t, unreliable{ns[0]}, oneseat.Config{WhenFull: oneseat.PolicyRefuse}), registry(t, ns[1], oneseat.Config{WhenFull: oneseat.PolicyRefuse})
	g := signIn(t, b, "ada", oneseat.SignInRequest{})
	end := func() {
		if n, err := b.EndAll(t.Context(), "ada", oneseat.EndOptions{}); n != 1 || err != nil {
			t.Errorf("EndAll = %d, %v", n, err)
		}
	}
	tr := &trouble{key: key("ada"), fates: []fate{rehearsed}, between: end}
	if n, err := a.End(tr.with(t.Context()), "ada", oneseat.EndOptions{}, g.Session.ID); n != 0 || err != nil {
		t.Errorf("End = %d, %v; another node had ended the session", n, err)
	}
	g = signIn(t, b, "ada", oneseat.SignInRequest{})
	tr = &trouble{key: key("ada"), fates: []fate{rehearsed}, between: end}
	if _, err := a.Rotate(tr.with(t.Context()), string(g.Token)); err == nil {
		t.Error("Rotate succeeded; another node had ended the session")
	}
	first := signIn(t, b, "ada", oneseat.SignInRequest{})
	tr = &trouble{key: key("ada"), fates: []fate{rehearsed}, between: end}
	second, err := a.SignIn(tr.with(t.Context()), "ada", oneseat.SignInRequest{}) // the first run was a refusal
	if err != nil {
		t.Fatalf("SignIn returned %v; another node had ended the session %s", err, first.Session.ID)
	}
	seated(t, ns[1], "ada", second.Session.ID)
}
