package oneseat_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

// delayed makes a node's next read of an account take place at once, and its
// reply come when it is released.
func delayed(t testing.TB, r node, account string) (read <-chan struct{}, release func()) {
	done := make(chan struct{})
	hold, release := gate(t)
	first := true
	r.set(func() {
		r.load = func(ctx context.Context, keys []oneseat.Key, next loadFunc) ([]oneseat.View, error) {
			views, err := next(ctx, keys...)
			mine := false
			for _, k := range keys {
				mine = mine || k == oneseat.KeyOf(realm, account)
			}
			r.mu.Lock()
			mine, first = mine && first, first && !mine
			r.mu.Unlock()
			if mine {
				close(done)
				<-hold
			}
			return views, err
		}
	})
	return done, release
}

// A load that a change overtakes answers the checks that began before the change, and is
// not kept.
func TestAnOvertakenLoadIsNotCached(t *testing.T) {
	for _, here := range []bool{true, false} {
		t.Run(fmt.Sprint("by an update of this node ", here), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b, _ := following(t, oneseat.Config{})
				g := signIn(t, b, "ada", oneseat.SignInRequest{})
				synctest.Wait()
				read, release := delayed(t, a, "ada")
				a.set(func() {
					a.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
						<-read
						return next(ctx, k, c)
					}
				})
				if here {
					a.deaf()
				}
				by, done := b, make(chan struct{})
				if here {
					by = a
				}
				end := func() {
					if n, err := by.EndAll(t.Context(), "ada", oneseat.EndOptions{}); n != 1 || err != nil {
						t.Error(n, err)
					}
					close(done)
				}
				if here {
					go end() // and it waits for the load to be on its way back
					synctest.Wait()
				}
				var late error
				checked := make(chan struct{})
				go func() {
					_, late = a.Check(t.Context(), string(g.Token))
					close(checked)
				}()
				await(t, read)
				if !here {
					end()
				}
				<-done
				synctest.Wait() // the news arrives
				release()
				<-checked
				if late != nil {
					t.Errorf("it began before: %v", late)
				}
				wantEnded(t, a, g, oneseat.ReasonRevoked)
			})
		})
	}
}

// A lower version never replaces a higher one, whichever arrives last: here the
// watch over a held request and a check read at the same time.
func TestALateLoadNeverReplacesANewerOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{})
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		b.deaf()
		time.Sleep(time.Second)
		wantLive(t, b, g)
		hold(t, b, g)
		read, release := delayed(t, b, "ada")
		await(t, read) // by the watch
		signIn(t, a, "ada", oneseat.SignInRequest{})
		time.Sleep(maxStale / 2)
		wantEnded(t, b, g, oneseat.ReasonDisplaced) // a read, because memory is too old
		release()
		synctest.Wait()
		wantEnded(t, b, g, oneseat.ReasonDisplaced)
	})
}

// The node that served an end knows it at once, even where the reply was lost and only
// the retry had one. The requests in flight are cut then.
func TestAnEndWhoseReplyWasLostIsKnownAtOnceWhereItWasServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, _ := following(t, oneseat.Config{Limit: 3})
		end := map[string]func(g oneseat.Grant) error{
			"ada":   func(g oneseat.Grant) error { return signOut(t, a, g) },
			"grace": func(g oneseat.Grant) error { return second(a.EndAll(t.Context(), "grace", oneseat.EndOptions{})) },
			"alan": func(g oneseat.Grant) error {
				return second(a.SignIn(t.Context(), "alan", oneseat.SignInRequest{Token: string(g.Token)}))
			},
		}
		for account, end := range end {
			g := signIn(t, a, account, oneseat.SignInRequest{})
			synctest.Wait()
			a.deaf()
			wantLive(t, a, g)
			q := hold(t, a, g)
			a.loseReplies(oneseat.KeyOf(realm, account), 1, nil)
			if err := end(g); err != nil {
				t.Fatal(err)
			}
			if _, err := a.Check(t.Context(), string(g.Token)); err == nil {
				t.Errorf("%s: it still checks", account)
			}
			if _, ok := errors.AsType[*oneseat.EndedError](q.cause(t)); !ok {
				t.Errorf("%s: its request goes on: %v", account, q.cause(t))
			}
			a.up()
			time.Sleep(time.Minute)
		}
	})
}

// The same, where a read that saw it live is still on its way.
func TestALostReplyDoesNotLetAnOlderReadIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{})
		g := signIn(t, b, "ada", oneseat.SignInRequest{})
		synctest.Wait()
		a.deaf()
		read, release := delayed(t, a, "ada")
		lost := false
		a.set(func() {
			a.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
				<-read
				v, err := next(ctx, k, c)
				if !lost {
					lost = true
					return oneseat.View{}, oneseat.ErrUnknownOutcome
				}
				return v, err
			}
		})
		ended := make(chan error)
		go func() { ended <- second(a.EndAll(t.Context(), "ada", oneseat.EndOptions{})) }()
		synctest.Wait()
		checked := make(chan struct{})
		go func() { _, _ = a.Check(t.Context(), string(g.Token)); close(checked) }()
		await(t, read)
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		release()
		<-checked
		wantEnded(t, a, g, oneseat.ReasonRevoked)
	})
}

func TestAReadThatNeverComesBackIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{})
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		b.set(func() {
			b.load = func(ctx context.Context, _ []oneseat.Key, _ loadFunc) ([]oneseat.View, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
		})
		began := time.Now()
		_, err := b.Check(t.Context(), string(g.Token))
		wantError(t, err, oneseat.ErrStoreUnavailable)
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("it took %v", took)
		}
		// A caller that cannot wait that long need not, and holds up nobody else.
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		began = time.Now()
		_, err = b.Check(ctx, string(g.Token))
		wantError(t, err, context.DeadlineExceeded)
		if took := time.Since(began); took != time.Millisecond {
			t.Errorf("it took %v", took)
		}
	})
}

func TestAStoreThatLeavesViewsOutHasNotAnswered(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{MaxStale: oneseat.FreshAlways})
	g := signIn(t, r, "ada", oneseat.SignInRequest{})
	r.set(func() {
		r.load = func(ctx context.Context, keys []oneseat.Key, next loadFunc) ([]oneseat.View, error) {
			views, err := next(ctx, keys...)
			return views[:1], err
		}
	})
	_, err := r.Check(t.Context(), string(g.Token))
	wantError(t, err, oneseat.ErrStoreUnavailable)
}

// Checks of one account share a read, but never one that began before them.
func TestAReadServesOnlyChecksThatBeganBeforeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{MaxStale: oneseat.FreshAlways})
		old := signIn(t, a, "ada", oneseat.SignInRequest{})
		read, release := delayed(t, b, "ada")
		go func() { _, _ = b.Check(t.Context(), string(old.Token)) }()
		await(t, read)
		signIn(t, a, "ada", oneseat.SignInRequest{})
		loads := b.loads.Load()
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				_, err := b.Check(t.Context(), string(old.Token))
				if _, ok := errors.AsType[*oneseat.EndedError](err); !ok {
					t.Errorf("got %v", err)
				}
			})
		}
		synctest.Wait()
		if b.loads.Load() != loads {
			t.Error("two reads at a time")
		}
		release()
		wg.Wait()
		if n := b.loads.Load() - loads; n != 1 {
			t.Errorf("%d reads, want one for all", n)
		}
	})
}

// A row that cannot be read keeps out only its own account.
func TestOneBadRosterDoesNotFailTheOthersOfItsBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{MaxStale: oneseat.FreshAlways})
		bad, good := signIn(t, a, "ada", oneseat.SignInRequest{}), signIn(t, a, "grace", oneseat.SignInRequest{})
		b.set(func() {
			b.load = func(ctx context.Context, keys []oneseat.Key, next loadFunc) ([]oneseat.View, error) {
				time.Sleep(time.Millisecond)
				for _, k := range keys {
					if k == oneseat.KeyOf(realm, "ada") {
						return nil, &oneseat.FormatError{Problem: "it is damaged"}
					}
				}
				return next(ctx, keys...)
			}
		})
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if _, err := b.Check(t.Context(), string(bad.Token)); err == nil {
					t.Error("a damaged roster was believed")
				}
			})
			wg.Go(func() {
				if _, err := b.Check(t.Context(), string(good.Token)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
}

// However a read ends, its registration is removed: it costs memory, and keeps changes
// from being forgotten.
func TestNoLoadIsUnderWayWhenAllIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{Idle: time.Hour, WhenFull: oneseat.PolicyAsk})
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		for _, r := range []node{a, b} {
			wantLive(t, r, g)
			_, _ = r.CheckID(t.Context(), "nobody", "nobody")
			_, _ = r.Sessions(t.Context(), "ada")
			_, _ = r.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
			_, cancel := r.Hold(t.Context(), g.Session)
			cancel()
			r.deaf()
			time.Sleep(2 * maxStale)
			_, cancel = r.Hold(t.Context(), g.Session) // which memory cannot verify
			cancel()
			r.unreadable()
			_, _ = r.Check(t.Context(), string(g.Token))
			r.up()
			r.unwritable()
			_, _ = r.EndAll(t.Context(), "ada", oneseat.EndOptions{})
			r.up()
		}
		time.Sleep(time.Hour)
		_, _ = a.Check(t.Context(), string(g.Token)) // which has timed out
		synctest.Wait()
		if n := a.LoadsUnderWay() + b.LoadsUnderWay(); n != 0 {
			t.Errorf("%d are still under way", n)
		}
	})
}

// A caller that has gone away before a read begins causes no read.
func TestWhoHasGoneAwayCausesNoRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{})
		g := signIn(t, newNode(t, r.Store, oneseat.Config{}), "ada", oneseat.SignInRequest{})
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		loads := r.loads.Load()
		for range 20 {
			_, err := r.Check(ctx, string(g.Token))
			wantError(t, err, context.Canceled)
		}
		synctest.Wait()
		if n := r.loads.Load() - loads; n != 0 {
			t.Errorf("%d reads", n)
		}
	})
}

// A sign-in reads the control record only, and does not wait for the reads of
// checks. Those wait for one read, and are one read themselves.
func TestChecksAreReadTogetherAndHoldUpNoSignIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		r, other := newNode(t, store, oneseat.Config{}), newNode(t, store, oneseat.Config{})
		var all []oneseat.Grant
		for i := range 100 {
			all = append(all, signIn(t, other, fmt.Sprint("account ", i), oneseat.SignInRequest{}))
		}
		synctest.Wait()
		held, letGo := gate(t)
		r.set(func() {
			r.load = func(ctx context.Context, keys []oneseat.Key, next loadFunc) ([]oneseat.View, error) {
				if len(keys) > 1 {
					<-held
				}
				return next(ctx, keys...)
			}
		})
		var checks sync.WaitGroup
		check := func(g oneseat.Grant) {
			checks.Go(func() { wantLive(t, r, g) })
			synctest.Wait()
		}
		check(all[0])
		loads := r.loads.Load()
		for _, g := range all[1:] {
			check(g)
		}
		began := time.Now()
		signIn(t, r, "ada", oneseat.SignInRequest{})
		if took := time.Since(began); took > 0 {
			t.Errorf("the sign-in waited for %v", took)
		}
		letGo()
		checks.Wait()
		if n := r.loads.Load() - loads; n != 2 { // the sign-in's, and one for 99 checks
			t.Errorf("%d reads", n)
		}
	})
}

// A roster that cannot be read is an error for the callers that ask for it: it does not
// count as absent. Without the control record no caller can be answered.
func TestABadRosterIsAnErrorForWhoAsksForIt(t *testing.T) {
	for _, account := range []string{"ada", ""} {
		synctest.Test(t, func(t *testing.T) {
			r := newNode(t, memstore.New(), oneseat.Config{})
			g := signIn(t, newNode(t, r.Store, oneseat.Config{}), "ada", oneseat.SignInRequest{})
			bad := oneseat.KeyOf(realm, account)
			r.set(func() {
				r.load = func(ctx context.Context, keys []oneseat.Key, next loadFunc) ([]oneseat.View, error) {
					if slices.Contains(keys, bad) {
						return nil, &oneseat.FormatError{Problem: "it cannot be read"}
					}
					return next(ctx, keys...)
				}
			})
			_, err := r.Check(t.Context(), string(g.Token))
			if _, ok := errors.AsType[*oneseat.FormatError](err); !ok || errors.Is(err, oneseat.ErrStoreUnavailable) {
				t.Errorf("%q: got %v", account, err)
			}
		})
	}
}

// While a read looks for the roster that cannot be read, the store may fail. Then
// nobody whose roster was not read is told that there is none.
func TestAStoreThatFailsInTheMiddleOfAReadHasNotAnswered(t *testing.T) {
	for _, control := range []bool{true, false} { // which half fails
		synctest.Test(t, func(t *testing.T) {
			r := newNode(t, memstore.New(), oneseat.Config{})
			g := signIn(t, newNode(t, r.Store, oneseat.Config{}), "ada", oneseat.SignInRequest{})
			r.set(func() {
				r.load = func(ctx context.Context, keys []oneseat.Key, next loadFunc) ([]oneseat.View, error) {
					switch {
					case len(keys) > 1:
						return nil, &oneseat.FormatError{Problem: "one of them cannot be read"}
					case (keys[0] == oneseat.KeyOf(realm, "")) == control:
						return nil, errDown
					}
					return next(ctx, keys...)
				}
			})
			_, err := r.Check(t.Context(), string(g.Token))
			wantError(t, err, oneseat.ErrStoreUnavailable)
			list, err := r.Sessions(t.Context(), "ada")
			if wantError(t, err, oneseat.ErrStoreUnavailable); list != nil {
				t.Errorf("half of an answer: %+v", list)
			}
		})
	}
}

// Two sites in one store may give their browsers a cookie of the same name. What one of
// them issued is no session of the other, whose operator is told once what it may be.
func TestATokenOfAnotherRealmIsNoSessionAndIsSaidOnce(t *testing.T) {
	var said safeBuffer
	store := memstore.New()
	shop := newNode(t, store, oneseat.Config{Realm: "shop"})
	r := newNode(t, store, oneseat.Config{Logger: slog.New(slog.NewTextHandler(&said, nil))})
	for _, account := range []string{"ada", "ada", "grace"} {
		if _, err := r.Check(t.Context(), string(signIn(t, shop, account, oneseat.SignInRequest{}).Token)); !errors.Is(err, oneseat.ErrNoSession) {
			t.Errorf("a check returns %v", err)
		}
	}
	if text := said.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "a token of another realm") || !strings.Contains(text, "other=shop") {
		t.Errorf("the log says %q", text)
	}
}

// A record that lies under the key of another account, as after a mistake by hand, lets
// nobody in and is left alone. The operator reads where it lies.
func TestARecordUnderAnotherAccountsKeyLetsNobodyIn(t *testing.T) {
	var said safeBuffer
	store := memstore.New()
	a := newNode(t, store, oneseat.Config{})
	hers, other := signIn(t, a, "ada", oneseat.SignInRequest{}), signIn(t, a, "grace", oneseat.SignInRequest{})
	before := stored(t, store, "grace").Version
	r := newNode(t, store, oneseat.Config{Logger: slog.New(slog.NewTextHandler(&said, nil))})
	ada, grace := oneseat.KeyOf(realm, "ada"), oneseat.KeyOf(realm, "grace")
	r.set(func() {
		r.load = func(ctx context.Context, keys []oneseat.Key, next loadFunc) ([]oneseat.View, error) {
			at := slices.Clone(keys)
			for i, k := range keys {
				if k == ada {
					at[i] = grace
				}
			}
			views, err := next(ctx, at...)
			for i := range views {
				views[i].Key = keys[i]
			}
			return views, err
		}
		r.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
			if k == ada {
				k = grace
			}
			return next(ctx, k, c)
		}
	})
	for _, g := range []oneseat.Grant{hers, other} {
		if s, err := r.CheckID(t.Context(), "ada", g.Session.ID); !errors.Is(err, oneseat.ErrNoSession) {
			t.Errorf("a check of %s returns %+v, %v", g.Session.Account, s, err)
		}
	}
	if text := said.String(); strings.Count(text, "cannot be read") != 1 || !strings.Contains(text, "another account than its key") || !strings.Contains(text, "account_key="+ada.String()) {
		t.Errorf("the log says %q", text)
	}
	_, err := r.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
	if _, ok := errors.AsType[*oneseat.FormatError](err); !ok || stored(t, store, "grace").Version != before {
		t.Errorf("a sign-in returns %v, and the record has version %d, before %d", err, stored(t, store, "grace").Version, before)
	}
	if _, err := r.CheckID(t.Context(), "grace", other.Session.ID); err != nil {
		t.Errorf("the other account: %v", err)
	}
}
