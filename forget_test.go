package oneseat_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

func forget(t testing.TB, r *oneseat.Registry, account string) {
	t.Helper()
	if err := r.Forget(t.Context(), account); err != nil {
		t.Fatalf("Forget: %v", err)
	}
}

// N5: a node that has not read the log yet when the account is erased learns of the
// end all the same, from an entry that says no more than a key and a version.
func TestANodeThatIsBehindRefusesAForgottenSessionWithinMaxStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		a, b := newRegistry(t, store, oneseat.Config{}), newNode(t, store, oneseat.Config{})
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		synctest.Wait()
		if _, err := b.Check(t.Context(), string(g.Token)); err != nil {
			t.Fatal(err)
		}
		held := hold(t, b, g)
		sub := b.Subscribe("")
		b.set(func() { // the feed is paused
			b.changes = func(ctx context.Context, _ int, _ oneseat.Cursor, _ tailFunc) (oneseat.Tail, error) {
				<-ctx.Done()
				return oneseat.Tail{}, ctx.Err()
			}
		})
		forget(t, a, "ada")
		if _, err := a.Check(t.Context(), string(g.Token)); !errors.Is(err, oneseat.ErrNoSession) {
			t.Errorf("on the node that forgot: %v, want ErrNoSession", err)
		}
		time.Sleep(time.Second + time.Millisecond) // MaxStale
		if _, err := b.Check(t.Context(), string(g.Token)); !errors.Is(err, oneseat.ErrNoSession) {
			t.Errorf("on a node that is behind: %v, want ErrNoSession", err)
		}
		b.up()
		time.Sleep(5 * time.Second)
		if cause := held.cause(t); !errors.Is(cause, oneseat.ErrNoSession) {
			t.Errorf("the request in flight was told %v, want ErrNoSession", cause)
		}
		// What it knows from here, a caller of the node cannot know: it has to look anew.
		if events, over := received(sub); !over || !errors.Is(sub.Err(), oneseat.ErrFeedGap) {
			t.Errorf("a subscription got %v and is over: %v, %v", events, over, sub.Err())
		}
	})
}

// Browsers that are connected are told why, on every node that follows the log, even
// without a push: the ends stay in the log for a while before they are erased.
func TestOpenRequestsAreToldThatAForgottenSessionWasRevoked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		a, b := node{newRegistry(t, store, oneseat.Config{Limit: 2}), nil}, newNode(t, store, oneseat.Config{Limit: 2})
		b.mute()
		var held []*request
		for _, on := range []node{a, b} {
			held = append(held, hold(t, on, signIn(t, on, "ada", oneseat.SignInRequest{})))
		}
		sub := b.Subscribe("ada")
		forget(t, a.Registry, "ada")
		time.Sleep(time.Second)
		for i, q := range held {
			if e, ok := errors.AsType[*oneseat.EndedError](q.cause(t)); !ok || e.Ending.Reason != oneseat.ReasonRevoked {
				t.Errorf("the request on node %d was told %v", i, q.cause(t))
			}
		}
		if _, over := received(sub); over {
			t.Errorf("a subscription on a node that follows is over: %v", sub.Err())
		}
	})
}

// Without a session there is nobody to tell, so Forget does not wait.
func TestForgettingAnAccountWithoutSessionsTakesNoTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry(t, memstore.New(), oneseat.Config{})
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		if err := r.SignOut(t.Context(), string(g.Token)); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		forget(t, r, "ada")
		if took := time.Since(began); took > 0 {
			t.Errorf("it took %v", took)
		}
	})
}

// With one, Forget waits for half of MaxStale, and erases nothing if it is not let wait:
// else some node could not tell why the session is over.
func TestForgetWaitsUntilEveryNodeCanTellWhy(t *testing.T) {
	for name, tt := range map[string]struct {
		interrupt func(r *oneseat.Registry, cancel func())
		want      error
	}{
		"it waits":                 {func(*oneseat.Registry, func()) {}, nil},
		"its context is cancelled": {func(_ *oneseat.Registry, cancel func()) { cancel() }, context.Canceled},
		"the registry is closed":   {func(r *oneseat.Registry, _ func()) { _ = r.Close() }, oneseat.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := memstore.New()
				r := newRegistry(t, store, oneseat.Config{MaxStale: 4 * time.Second})
				signIn(t, r, "ada", oneseat.SignInRequest{})
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, func() { tt.interrupt(r, cancel) })
				began := time.Now()
				err := r.Forget(ctx, "ada")
				took, left := time.Since(began), len(logged(t, store, "ada"))
				switch {
				case !errors.Is(err, tt.want):
					t.Errorf("Forget returned %v, want %v", err, tt.want)
				case err == nil && (took != 2*time.Second || left > 0):
					t.Errorf("Forget took %v and left %d events", took, left)
				case err != nil && (took != time.Second || left == 0):
					t.Errorf("Forget returned after %v, and left %d events", took, left)
				}
			})
		})
	}
}

// A program that follows the events from where it stood cannot see what was erased, and
// is told that it cannot.
func TestAFollowerOfEventsIsToldThatSomethingWasForgotten(t *testing.T) {
	store := memstore.New()
	r := newRegistry(t, store, oneseat.Config{})
	page, err := r.EventsSince(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	signIn(t, r, "ada", oneseat.SignInRequest{})
	signIn(t, r, "grace", oneseat.SignInRequest{})
	forget(t, r, "ada")
	page, err = r.EventsSince(t.Context(), page.Next)
	if err != nil || !page.Gap || !page.End || len(page.Events) != 1 || page.Events[0].Account != "grace" {
		t.Errorf("%+v, %v; want the event of grace, and a gap", page, err)
	}
	if page, err = r.EventsSince(t.Context(), page.Next); err != nil || page.Gap {
		t.Errorf("%+v, %v; want nothing more", page, err)
	}
}

func TestForgettingLiftsABlock(t *testing.T) {
	store := memstore.New()
	r := newRegistry(t, store, oneseat.Config{})
	if err := r.Block(t.Context(), "ada", time.Time{}, "support"); err != nil {
		t.Fatal(err)
	}
	forget(t, r, "ada")
	signIn(t, r, "ada", oneseat.SignInRequest{})
	if events := logged(t, store, "ada"); len(events) != 1 {
		t.Errorf("the log has %+v", events)
	}
}

// While sessions of the application are adopted, an absent record would let an old one
// in again.
func TestAForgottenAccountAdoptsNoSessionFromBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		until := time.Now().Add(time.Hour)
		r := newRegistry(t, store, oneseat.Config{AdoptUntil: until, MaxStale: time.Minute})
		issued := time.Now()
		time.Sleep(time.Second)
		g, err := r.Adopt(t.Context(), "ada", issued, oneseat.SignInRequest{})
		if err != nil {
			t.Fatal(err)
		}
		forget(t, r, "ada")
		forget(t, r, "ada") // a second time changes nothing
		if _, err := r.Adopt(t.Context(), "ada", issued, oneseat.SignInRequest{}); !errors.Is(err, oneseat.ErrNoSession) {
			t.Errorf("an old session was adopted: %v", err)
		}
		if _, err := r.Check(t.Context(), string(g.Token)); !errors.Is(err, oneseat.ErrNoSession) {
			t.Errorf("a check says %v", err)
		}
		if as, err := r.Accounts(t.Context(), oneseat.AccountQuery{}); err != nil || len(as) != 1 || len(as[0].Endings)+len(as[0].Sessions) > 0 {
			t.Errorf("a bare record stays until %v: %+v, %v", until, as, err)
		}
		time.Sleep(time.Hour + 3*time.Minute) // and then a sweep
		if as, err := r.Accounts(t.Context(), oneseat.AccountQuery{}); err != nil || len(as) > 0 {
			t.Errorf("after that day %+v is left, %v", as, err)
		}
	})
}

// Limits that a sign-in asked for before they changed must not count afterwards. So an
// empty record stays after a change of limits, until a sweep.
func TestABareRecordRemembersForAMinuteThatLimitsChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		r := newRegistry(t, store, oneseat.Config{})
		if err := r.SetLimit(t.Context(), "ada", oneseat.Limits{Total: 2}, "support"); err != nil {
			t.Fatal(err)
		}
		forget(t, r, "ada")
		if v := stored(t, store, "ada"); v.Roster == nil {
			t.Error("nothing says that the limits changed")
		}
		time.Sleep(3 * time.Minute)
		if v := stored(t, store, "ada"); v.Roster != nil {
			t.Errorf("after the sweep there is %v", v.Roster)
		}
	})
}

// The retry of a sign-in whose reply was lost finds no trace of the first try, and must
// not admit the session a second time.
func TestASignInThatWasForgottenIsNotAdmittedByItsRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		a, b := newRegistry(t, store, oneseat.Config{}), newNode(t, store, oneseat.Config{})
		signIn(t, a, "ada", oneseat.SignInRequest{})
		b.loseReplies(oneseat.KeyOf(realm, "ada"), 1, func() { forget(t, a, "ada") })
		if g, err := b.SignIn(t.Context(), "ada", oneseat.SignInRequest{}); !errors.Is(err, oneseat.ErrUnknownOutcome) {
			t.Errorf("the retry returned %+v, %v; want ErrUnknownOutcome", g, err)
		}
		if s, err := a.Sessions(t.Context(), "ada"); err != nil || len(s) > 0 {
			t.Errorf("signed in are %+v, %v", s, err)
		}
	})
}

// A session that comes while Forget waits is forgotten too, and its browser is told why
// where that can be told.
func TestASignInThatComesWhileForgetWaitsIsForgottenToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		r := newRegistry(t, store, oneseat.Config{})
		signIn(t, r, "ada", oneseat.SignInRequest{})
		came := make(chan *request, 1)
		time.AfterFunc(100*time.Millisecond, func() {
			came <- hold(t, node{r, nil}, signIn(t, r, "ada", oneseat.SignInRequest{}))
		})
		forget(t, r, "ada")
		cause := (<-came).cause(t)
		if e, ok := errors.AsType[*oneseat.EndedError](cause); !ok || e.Ending.Reason != oneseat.ReasonRevoked {
			t.Errorf("the late one was told %v", cause)
		}
		if v, events := stored(t, store, "ada"), logged(t, store, ""); v.Roster != nil || len(events) > 0 {
			t.Errorf("left are %v and %+v", v.Roster, events)
		}
	})
}

// After an error nobody knows how much was done; a second call does the rest.
func TestForgettingAgainAfterAnErrorDoesTheRest(t *testing.T) {
	for done := range 4 { // so many updates: of the sessions, of what else is known, and of the empty record
		t.Run(fmt.Sprint("after ", done, " updates"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var said safeBuffer
				store := memstore.New()
				f := &faulty{Store: store}
				h := &forgetful{faulty: f, History: store}
				r := newRegistry(t, h, oneseat.Config{Logger: slog.New(slog.NewTextHandler(&said, nil))})
				g := signIn(t, r, "ada", oneseat.SignInRequest{})
				if done == 3 {
					h.err = errDown
				}
				updates := 0
				f.set(func() {
					f.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
						if updates++; updates == done+1 {
							return oneseat.View{}, errDown
						}
						return next(ctx, k, c)
					}
				})
				if err := r.Forget(t.Context(), "ada"); !errors.Is(err, oneseat.ErrStoreUnavailable) || !errors.Is(err, errDown) {
					t.Errorf("Forget: %v", err)
				}
				if n := min(done+1, 3); updates != n {
					t.Errorf("%d updates were tried, want %d", updates, n)
				}
				if _, err := r.CheckFresh(t.Context(), string(g.Token)); (done > 1) != errors.Is(err, oneseat.ErrNoSession) {
					t.Errorf("a check says %v", err)
				}
				if want := "account_key=" + oneseat.KeyOf(realm, "ada").String(); strings.Count(said.String(), want) != 1 {
					t.Errorf("the log says %q, want one line with %s", said.String(), want)
				}
				if events := logged(t, store, ""); len(events) == 0 {
					t.Error("the log has nothing left")
				}
				f.up()
				h.err = nil
				forget(t, r, "ada")
				if v, events := stored(t, store, "ada"), logged(t, store, ""); v.Roster != nil || len(events) > 0 {
					t.Errorf("left are %v and %+v", v.Roster, events)
				}
			})
		})
	}
}

func TestForgettingWithoutAStoreIsAnError(t *testing.T) {
	store := memstore.New()
	f := &faulty{Store: store}
	r := newRegistry(t, &forgetful{faulty: f, History: store}, oneseat.Config{})
	g := signIn(t, r, "ada", oneseat.SignInRequest{})
	f.down()
	if err := r.Forget(t.Context(), "ada"); !errors.Is(err, oneseat.ErrStoreUnavailable) {
		t.Errorf("Forget: %v, want ErrStoreUnavailable", err)
	}
	f.up()
	if _, err := r.CheckFresh(t.Context(), string(g.Token)); err != nil {
		t.Errorf("something was done: %v", err)
	}
}

// forgetful is a store whose Forget may fail.
type forgetful struct {
	*faulty
	oneseat.History
	err error
}

func (h *forgetful) Forget(ctx context.Context, realm, account string, version uint64) error {
	if h.err != nil {
		return h.err
	}
	return h.History.Forget(ctx, realm, account, version)
}

func TestForgetNeedsAnAccountAndAHistory(t *testing.T) {
	a := newNode(t, memstore.New(), oneseat.Config{}) // faulty is no History
	g := signIn(t, a, "ada", oneseat.SignInRequest{})
	if err := a.Forget(t.Context(), "ada"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("without a history: %v, want ErrUnsupported", err)
	}
	if _, err := a.Check(t.Context(), string(g.Token)); err != nil {
		t.Errorf("something was done: %v", err)
	}
	r := newRegistry(t, memstore.New(), oneseat.Config{})
	if _, ok := errors.AsType[*oneseat.AccountError](r.Forget(t.Context(), "")); !ok {
		t.Error("the control record was forgotten")
	}
}
