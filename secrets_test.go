package oneseat_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/record"
	"github.com/oneseat/oneseat/store/memstore"
)

// A secret of every kind is judged alike by every operation (W1 to W5).
func TestEveryOperationJudgesEverySecretAlike(t *testing.T) {
	type scene struct {
		node
		held  oneseat.Grant     // the secret under test
		now   oneseat.Grant     // what the same browser would hold if no answer had been lost
		other oneseat.Grant     // a session of the same account on another device
		id    oneseat.SessionID // of the session that the secret was given for
	}
	secrets := []struct {
		name string
		make func(t *testing.T, s *scene)
		// What each operation answers: "" for yes, else the reason of an EndedError, or
		// one of "none" and "rotated".
		check, signOut, rotate, others string
		renews                         bool // a sign-in with it replaces the session silently
	}{
		{
			name: "current", renews: true,
			make: func(*testing.T, *scene) {},
		},
		{
			name: "rotated within ten seconds", rotate: "rotated",
			make: func(t *testing.T, s *scene) { s.now = rotate(t, s.node, s.held); time.Sleep(9 * time.Second) },
		},
		{
			name: "rotated later", check: "none", signOut: "none", rotate: "none",
			make: func(t *testing.T, s *scene) {
				s.now = rotate(t, s.node, s.held)
				time.Sleep(10*time.Second + time.Millisecond)
			},
		},
		{
			name: "renewed within a minute", check: "renewed", rotate: "renewed", others: "renewed", renews: true,
			make: func(t *testing.T, s *scene) {
				s.now = signIn(t, s, "ada", oneseat.SignInRequest{Token: string(s.held.Token)})
				time.Sleep(59 * time.Second)
			},
		},
		{
			name: "renewed later", check: "renewed", signOut: "renewed", rotate: "renewed", others: "renewed",
			make: func(t *testing.T, s *scene) {
				s.now = signIn(t, s, "ada", oneseat.SignInRequest{Token: string(s.held.Token)})
				time.Sleep(time.Minute + time.Millisecond)
			},
		},
		{
			name: "ended otherwise", check: "revoked", signOut: "revoked", rotate: "revoked", others: "revoked",
			make: func(t *testing.T, s *scene) {
				if _, err := s.End(t.Context(), "ada", oneseat.EndOptions{}, s.id); err != nil {
					t.Fatal(err)
				}
				s.now = oneseat.Grant{}
			},
		},
		{
			name: "rotated within ten seconds, and ended", check: "revoked", signOut: "revoked", rotate: "revoked", others: "revoked",
			make: func(t *testing.T, s *scene) {
				rotate(t, s.node, s.held)
				if _, err := s.End(t.Context(), "ada", oneseat.EndOptions{}, s.id); err != nil {
					t.Fatal(err)
				}
				s.now = oneseat.Grant{}
			},
		},
		{
			name: "of another realm", check: "none", signOut: "none", rotate: "none", others: "none",
			make: func(t *testing.T, s *scene) {
				staff := newNode(t, s.Store, oneseat.Config{Realm: "staff", Limit: 3})
				s.held = signIn(t, staff, "ada", oneseat.SignInRequest{})
				s.id = s.held.Session.ID
			},
		},
	}
	says := func(err error) string {
		over, ended := errors.AsType[*oneseat.EndedError](err)
		switch {
		case err == nil:
			return ""
		case ended:
			return string(over.Ending.Reason)
		case errors.Is(err, oneseat.ErrRotated):
			return "rotated"
		case errors.Is(err, oneseat.ErrNoSession):
			return "none"
		}
		return err.Error()
	}
	for _, tt := range secrets {
		each := func(what, want string, do func(t *testing.T, s *scene) error) {
			t.Run(tt.name+", "+what, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := &scene{node: newNode(t, memstore.New(), oneseat.Config{Limit: 3, MaxStale: time.Minute})}
					s.other = signIn(t, s, "ada", oneseat.SignInRequest{Device: phone})
					s.held = signIn(t, s, "ada", oneseat.SignInRequest{Device: laptop})
					s.now, s.id = s.held, s.held.Session.ID
					tt.make(t, s)
					if got := says(do(t, s)); got != want {
						t.Errorf("got %q, want %q", got, want)
					}
				})
			})
		}
		live := func(t *testing.T, s *scene) map[oneseat.SessionID]bool {
			list, err := s.Sessions(t.Context(), "ada")
			if err != nil {
				t.Fatal(err)
			}
			ids := map[oneseat.SessionID]bool{}
			for _, l := range list {
				ids[l.ID] = true
			}
			return ids
		}
		each("check", tt.check, func(t *testing.T, s *scene) error {
			_, err := s.Check(t.Context(), string(s.held.Token))
			return err
		})
		each("sign out", tt.signOut, func(t *testing.T, s *scene) error {
			had := live(t, s)[s.now.Session.ID]
			err := s.SignOut(t.Context(), string(s.held.Token))
			if goes := had && !live(t, s)[s.now.Session.ID]; goes != (err == nil) {
				t.Errorf("it answers %v, and the browser's session ended: %t", err, goes)
			}
			if !live(t, s)[s.other.Session.ID] {
				t.Error("another device was signed out")
			}
			return err
		})
		each("rotate", tt.rotate, func(t *testing.T, s *scene) error {
			_, err := s.Rotate(t.Context(), string(s.held.Token))
			return err
		})
		each("end others", tt.others, func(t *testing.T, s *scene) error {
			n, err := s.EndOthers(t.Context(), "ada", s.id, oneseat.EndOptions{})
			if (err == nil) != (n == 1) || (err == nil) == live(t, s)[s.other.Session.ID] {
				t.Errorf("%d were ended, %v", n, err)
			}
			return err
		})
		each("end one, as the session", tt.others, func(t *testing.T, s *scene) error {
			n, err := s.End(t.Context(), "ada", oneseat.EndOptions{As: s.id}, s.other.Session.ID)
			if (err == nil) != (n == 1) {
				t.Errorf("%d were ended, %v", n, err)
			}
			return err
		})
		each("start a stream", tt.others, func(t *testing.T, s *scene) error {
			_, err := s.StartStream(t.Context(), oneseat.Session{ID: s.id, Account: "ada"}, oneseat.Player{ID: "a player's id, random"})
			return err
		})
		each("sign in", "", func(t *testing.T, s *scene) error {
			before := len(live(t, s))
			g, err := s.SignIn(t.Context(), "ada", oneseat.SignInRequest{Token: string(s.held.Token), Device: laptop})
			if renews := len(live(t, s)) == before; renews != tt.renews {
				t.Errorf("it renews: %t, want %t", renews, tt.renews)
			}
			wantLive(t, s.node, g)
			return err
		})
		each("sign in as another account", "", func(t *testing.T, s *scene) error {
			had := live(t, s)[s.now.Session.ID]
			_, err := s.SignIn(t.Context(), "grace", oneseat.SignInRequest{Token: string(s.held.Token)})
			if goes := had && !live(t, s)[s.now.Session.ID]; goes != (tt.signOut == "") {
				t.Errorf("the browser's session of ada ended: %t", goes)
			}
			return err
		})
	}
}

// W3: work that began with a secret which has just been rotated away ends after the ten
// seconds of that secret, or with the session and its reason.
func TestWhatARotatedSecretHoldsEndsWithItsGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{Limit: 2, MaxStale: time.Second})
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		next := rotate(t, r, g)
		old, new := enter(t, r, g), enter(t, r, next)
		if !old.holding.Rotated() || new.holding.Rotated() {
			t.Error("it does not say which secret found the session")
		}
		time.Sleep(9 * time.Second)
		if cause := old.cause(t); cause != nil {
			t.Errorf("cut within the ten seconds: %v", cause)
		}
		time.Sleep(2 * time.Second)
		wantError(t, old.cause(t), oneseat.ErrNoSession)
		if cause := new.cause(t); cause != nil {
			t.Errorf("the new secret's work is cut: %v", cause)
		}
		last := rotate(t, r, next)
		both := []*request{enter(t, r, next), enter(t, r, last), new}
		if err := signOut(t, r, last); err != nil {
			t.Fatal(err)
		}
		for _, q := range both {
			wantEnding(t, q.cause(t), g.Session.ID, oneseat.ReasonSignedOut)
		}
		if n := r.Stats().Held; n != 0 {
			t.Errorf("%d sessions are watched still", n)
		}
	})
}

// Work that began with a secret before that was rotated away goes on.
func TestARotationCutsNothingThatBeganBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{})
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		there := []*request{enter(t, a, g), enter(t, b, g)}
		last := rotate(t, a, g)
		time.Sleep(10 * time.Minute)
		for _, q := range there {
			if cause := q.cause(t); cause != nil {
				t.Errorf("it is cut: %v", cause)
			}
		}
		// Work that began after the rotation, with the secret before it, is told of an end
		// that comes by the log.
		wantLive(t, b, last)
		rotate(t, a, last)
		synctest.Wait()
		q := enter(t, b, last)
		if _, err := a.EndAll(t.Context(), "ada", oneseat.EndOptions{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		wantEnding(t, q.cause(t), g.Session.ID, oneseat.ReasonRevoked)
	})
}

// W5: of tabs that rotate at once one succeeds, and the others are told that the
// browser has a new secret.
func TestOfRotationsAtOnceOneSucceeds(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{})
	g := signIn(t, r, "ada", oneseat.SignInRequest{})
	var mu sync.Mutex
	answers := map[string]int{}
	var tabs sync.WaitGroup
	for range 8 {
		tabs.Go(func() {
			_, err := r.Rotate(t.Context(), string(g.Token))
			mu.Lock()
			defer mu.Unlock()
			answers[fmt.Sprint(err)]++
		})
	}
	tabs.Wait()
	if answers["<nil>"] != 1 || answers[oneseat.ErrRotated.Error()] != 7 {
		t.Errorf("the answers were %v", answers)
	}
}

// wantEndedBy fails the test if a session that is over has ended another.
func wantEndedBy(t *testing.T, n int, err error, over oneseat.Grant) {
	t.Helper()
	if e, ended := errors.AsType[*oneseat.EndedError](err); n != 0 || !ended || e.Ending.Session != over.Session.ID {
		t.Errorf("%d were ended, %v", n, err)
	}
}

// A1: a session that was displaced ends no other, whatever runs at the same time: the
// newest sign-in stays.
func TestTheDisplacedEndNobody(t *testing.T) {
	for _, nodes := range []int{1, 2} {
		t.Run(fmt.Sprint(nodes, " nodes"), func(t *testing.T) {
			rounds := 2000
			if testing.Short() {
				rounds = 200
			}
			store := memstore.New()
			a := newRegistry(t, store, oneseat.Config{})
			b := a
			if nodes == 2 {
				b = newRegistry(t, store, oneseat.Config{})
			}
			old := signIn(t, a, "ada", oneseat.SignInRequest{})
			for range rounds {
				var newest oneseat.Grant
				var err error
				var both sync.WaitGroup
				both.Go(func() { newest, err = b.SignIn(t.Context(), "ada", oneseat.SignInRequest{}) })
				for range 3 {
					both.Go(func() {
						n, err := a.EndOthers(t.Context(), "ada", old.Session.ID, oneseat.EndOptions{By: old.Session.ID})
						if over, ended := errors.AsType[*oneseat.EndedError](err); n != 0 && ended || err != nil && (!ended || over.Ending.Session != old.Session.ID) {
							t.Errorf("%d were ended, %v", n, err)
						}
						there, err := a.Sessions(t.Context(), "ada")
						if err != nil || len(there) == 0 {
							t.Errorf("%v, %v", there, err)
							return
						}
						if there[0].ID != old.Session.ID {
							n, err = a.End(t.Context(), "ada", oneseat.EndOptions{As: old.Session.ID}, there[0].ID)
							wantEndedBy(t, n, err, old)
						}
					})
				}
				both.Wait()
				if err != nil {
					t.Fatal(err)
				}
				if _, err := a.Check(t.Context(), string(newest.Token)); err != nil {
					t.Fatalf("the newest is out: %v", err)
				}
				old = newest
			}
		})
	}
}

// A request that was committed and whose reply was lost has been done, although its
// author is over by the time it is tried again.
func TestWhatItsAuthorHadDoneCountsThoughHeIsOverByTheRetry(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{Limit: 3})
	other := newNode(t, r.Store, oneseat.Config{Limit: 3})
	gone, author := signIn(t, r, "ada", oneseat.SignInRequest{}), signIn(t, r, "ada", oneseat.SignInRequest{})
	r.loseReplies(oneseat.KeyOf(realm, "ada"), 1, func() { _ = other.SignOut(t.Context(), string(author.Token)) })
	n, err := r.EndOthers(t.Context(), "ada", author.Session.ID, oneseat.EndOptions{By: author.Session.ID})
	if n != 1 || err != nil {
		t.Errorf("%d were ended, %v", n, err)
	}
	wantEnded(t, r, gone, oneseat.ReasonRevoked)

	author, last := signIn(t, r, "ada", oneseat.SignInRequest{}), signIn(t, r, "ada", oneseat.SignInRequest{})
	r.loseReplies(oneseat.KeyOf(realm, "ada"), 1, nil)
	if err := r.SignOut(t.Context(), string(author.Token)); err != nil {
		t.Errorf("a sign-out whose reply was lost: %v", err)
	}
	wantLive(t, r, last)
}

// W18: what one browser does to its own sessions pushes out no ending of a device that
// it displaced.
func TestWhoWasDisplacedIsToldWhateverTheOtherBrowserDoesToItself(t *testing.T) {
	for name, often := range map[string]func(t *testing.T, r node, g *oneseat.Grant, i int) oneseat.SessionID{
		"renewals": func(t *testing.T, r node, g *oneseat.Grant, _ int) oneseat.SessionID {
			over := g.Session.ID
			*g = signIn(t, r, "ada", oneseat.SignInRequest{Token: string(g.Token)})
			return over
		},
		"streams that take each other's place": func(t *testing.T, r node, g *oneseat.Grant, i int) oneseat.SessionID {
			playing, err := r.Streams(t.Context(), "ada")
			if err != nil {
				t.Fatal(err)
			}
			var ids []oneseat.SessionID
			for _, s := range playing {
				ids = append(ids, s.ID)
			}
			play(t, r, g.Session, fmt.Sprint("player ", i%2), ids...)
			if len(ids) == 0 {
				return ""
			}
			return ids[0]
		},
	} {
		for _, every := range []time.Duration{time.Millisecond, 2 * time.Minute} {
			t.Run(fmt.Sprint(name, " every ", every), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newNode(t, memstore.New(), oneseat.Config{Streams: 1, StreamIdle: time.Hour})
					out := signIn(t, r, "ada", oneseat.SignInRequest{Device: phone})
					g := signIn(t, r, "ada", oneseat.SignInRequest{Device: laptop})
					for i := range 3 * oneseat.MaxEndings {
						time.Sleep(every)
						over := often(t, r, &g, i)
						if over != "" && !slices.ContainsFunc(stored(t, r.Store, "ada").Roster.Endings, func(e record.Ended) bool { return e.Session == over }) {
							t.Fatalf("step %d: what has just ended is forgotten", i)
						}
					}
					wantEnded(t, r, out, oneseat.ReasonDisplaced)
					if n := len(stored(t, r.Store, "ada").Roster.Endings); n > oneseat.MaxEndings {
						t.Errorf("%d endings are kept", n)
					}
				})
			})
		}
	}
}
