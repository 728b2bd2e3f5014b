package client_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
	"github.com/oneseat/oneseat/client"
)

const stale = time.Second

// warm returns a client with an answer in memory, and how often it has asked.
func warm(t *testing.T, w *world, c client.Config) (*client.Client, *way, oneseat.Grant) {
	t.Helper()
	c.MaxStale = stale
	k, on := w.client(c)
	g := w.signIn(k, "ada")
	for range 2 { // the first check begins the waiting for news, and what is known before is not believed
		if _, err := k.Check(t.Context(), string(g.Token)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
	}
	return k, on, g
}

func TestAnAnswerIsGivenFromMemoryForAsLongAsNothingHappens(t *testing.T) {
	in(t, oneseat.Config{}, 1, func(t *testing.T, w *world) {
		k, on, g := warm(t, w, client.Config{})
		before := on.count(api.PathCheck)
		for range 50 {
			time.Sleep(stale)
			if s, err := k.Check(t.Context(), string(g.Token)); err != nil || s.ID != g.Session.ID {
				t.Fatal(s, err)
			}
		}
		if asked := on.count(api.PathCheck) - before; asked != 0 {
			t.Errorf("%d questions", asked)
		}
		w.signIn(w.nodes[0], "ada")
		synctest.Wait()
		_, err := k.Check(t.Context(), string(g.Token))
		wantEnded(t, err, g.Session.ID, oneseat.ReasonDisplaced)
	})
}

// Whatever is in the way of the news: no yes is older than MaxStale.
func TestWithoutProofTheServerIsAsked(t *testing.T) {
	for name, broken := range map[string]func(w *world, on *way){
		"the polls get no answer": func(_ *world, on *way) {
			on.during(of(api.PathChanges, hang))
		},
		"the polls are cut": func(_ *world, on *way) {
			on.during(of(api.PathChanges, cut))
		},
		"the server cannot read the log": func(w *world, _ *way) { w.nodes[0].deaf(true) },
		"an answer is long under way": func(_ *world, on *way) {
			on.during(func(r *http.Request, next func() *http.Response) (*http.Response, error) {
				resp := next()
				if r.URL.Path == api.PathChanges {
					time.Sleep(3 * stale)
				}
				return resp, nil
			})
		},
		"another server answers the polls": func(w *world, on *way) {
			w.nodes[1].deaf(true)
			on.leads(func(path string) *node {
				if path == api.PathChanges {
					return w.nodes[1]
				}
				return w.nodes[0]
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, oneseat.Config{}, 2, func(t *testing.T, w *world) {
				k, on, g := warm(t, w, client.Config{})
				broken(w, on)
				time.Sleep(stale / 2)
				w.elsewhere(t, "ada")
				for over := time.Now(); time.Since(over) < 5*stale; time.Sleep(stale / 50) {
					asked := time.Now()
					if _, err := k.Check(t.Context(), string(g.Token)); err == nil && asked.Sub(over) > stale {
						t.Fatalf("a yes %v after the end", asked.Sub(over))
					}
				}
				_, err := k.Check(t.Context(), string(g.Token))
				wantEnded(t, err, g.Session.ID, oneseat.ReasonDisplaced)
			})
		})
	}
}

// elsewhere signs an account in where none of the nodes hears of it but by the log.
func (w *world) elsewhere(t *testing.T, account string) {
	t.Helper()
	r, err := oneseat.New(w.store, oneseat.Config{Realm: "members"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	w.signIn(r, account)
}

// The answer comes after the news that it is wrong.
func TestAnAnswerThatNewsHasOvertakenIsNotKept(t *testing.T) {
	in(t, oneseat.Config{}, 1, func(t *testing.T, w *world) {
		k, on, _ := warm(t, w, client.Config{})
		g := w.signIn(w.nodes[0], "grace")
		synctest.Wait()
		on.during(func(r *http.Request, next func() *http.Response) (*http.Response, error) {
			resp := next()
			if r.URL.Path == api.PathCheck {
				w.signIn(w.nodes[0], "grace")
				time.Sleep(stale / 10)
			}
			return resp, nil
		})
		if _, err := k.Check(t.Context(), string(g.Token)); err != nil { // it was so when it was asked
			t.Fatal(err)
		}
		on.during(nil)
		_, err := k.Check(t.Context(), string(g.Token))
		wantEnded(t, err, g.Session.ID, oneseat.ReasonDisplaced)
	})
}

// Somebody may have changed the store without an entry in its log.
func TestAnAnswerIsAskedForAnewAfterAMinute(t *testing.T) {
	in(t, oneseat.Config{}, 1, func(t *testing.T, w *world) {
		k, on, g := warm(t, w, client.Config{})
		before := on.count(api.PathCheck)
		for range 10 * 60 {
			time.Sleep(time.Second)
			if _, err := k.Peek(t.Context(), string(g.Token)); err != nil {
				t.Fatal(err)
			}
		}
		if asked := on.count(api.PathCheck) - before; asked < 9 || asked > 11 {
			t.Errorf("%d questions in ten minutes", asked)
		}
	})
}

// The server knows of uses as exactly as it wants to.
func TestUseThroughMemoryIsKnownExactly(t *testing.T) {
	in(t, oneseat.Config{Idle: 100 * time.Second, TouchEvery: time.Second}, 1, func(t *testing.T, w *world) {
		k, _, g := warm(t, w, client.Config{})
		for range 150 {
			time.Sleep(time.Second)
			if _, err := k.Check(t.Context(), string(g.Token)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(98 * time.Second)
		if _, err := k.Peek(t.Context(), string(g.Token)); err != nil {
			t.Error(err)
		}
		time.Sleep(3 * time.Second)
		_, err := k.Peek(t.Context(), string(g.Token))
		wantEnded(t, err, g.Session.ID, oneseat.ReasonIdleTimeout)
	})
}

func TestUseThroughMemoryKeepsASession(t *testing.T) {
	in(t, oneseat.Config{Idle: 20 * time.Minute}, 1, func(t *testing.T, w *world) {
		k, on, g := warm(t, w, client.Config{})
		before := on.count(api.PathCheck)
		for range 3 * 60 {
			time.Sleep(time.Minute / 3)
			if _, err := k.Check(t.Context(), string(g.Token)); err != nil {
				t.Fatal(err)
			}
		}
		if asked := on.count(api.PathCheck) - before; asked > 61 {
			t.Errorf("%d questions in an hour", asked)
		}
		for range 19 { // looks are no use
			time.Sleep(time.Minute)
			if _, err := k.Peek(t.Context(), string(g.Token)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Minute)
		_, err := k.Peek(t.Context(), string(g.Token))
		wantEnded(t, err, g.Session.ID, oneseat.ReasonIdleTimeout)
	})
}

func TestMemoryDoesNotOutlastATimeout(t *testing.T) {
	for reason, c := range map[oneseat.Reason]oneseat.Config{
		oneseat.ReasonIdleTimeout:     {Idle: 10 * time.Second},
		oneseat.ReasonAbsoluteTimeout: {Absolute: 10 * time.Second},
	} {
		in(t, c, 1, func(t *testing.T, w *world) {
			k, _, g := warm(t, w, client.Config{})
			time.Sleep(10*time.Second - time.Millisecond)
			if _, err := k.Peek(t.Context(), string(g.Token)); err != nil {
				t.Error(reason, err)
			}
			time.Sleep(2 * time.Millisecond)
			_, err := k.Peek(t.Context(), string(g.Token))
			wantEnded(t, err, g.Session.ID, reason)
		})
	}
}

// A client knows of its own calls at once.
func TestWhatAClientDoesItKnows(t *testing.T) {
	for name, do := range map[string]func(ctx context.Context, k *client.Client, g oneseat.Grant) error{
		"sign-in": func(ctx context.Context, k *client.Client, _ oneseat.Grant) error {
			return second(k.SignIn(ctx, "ada", oneseat.SignInRequest{}))
		},
		"sign-out": func(ctx context.Context, k *client.Client, g oneseat.Grant) error {
			return k.SignOut(ctx, string(g.Token))
		},
		"end": func(ctx context.Context, k *client.Client, g oneseat.Grant) error {
			return second(k.End(ctx, "ada", oneseat.EndOptions{}, g.Session.ID))
		},
		"end all": func(ctx context.Context, k *client.Client, _ oneseat.Grant) error {
			return second(k.EndAll(ctx, "ada", oneseat.EndOptions{}))
		},
		"block": func(ctx context.Context, k *client.Client, _ oneseat.Grant) error {
			return k.Block(ctx, "ada", time.Time{}, "")
		},
		"realm": func(ctx context.Context, k *client.Client, _ oneseat.Grant) error { return k.EndRealm(ctx, "") },
	} {
		t.Run(name, func(t *testing.T) {
			in(t, oneseat.Config{}, 1, func(t *testing.T, w *world) {
				k, on, g := warm(t, w, client.Config{})
				on.during(of(api.PathChanges, hang))
				if err := do(t.Context(), k, g); err != nil {
					t.Fatal(err)
				}
				if _, err := k.Check(t.Context(), string(g.Token)); err == nil {
					t.Error("it is live")
				}
			})
		})
	}
}

func TestARotatedTokenIsNotKept(t *testing.T) {
	in(t, oneseat.Config{}, 1, func(t *testing.T, w *world) {
		k, _, g := warm(t, w, client.Config{})
		newer, err := w.nodes[0].Rotate(t.Context(), string(g.Token))
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		f, err := k.CheckWith(t.Context(), oneseat.CheckRequest{Token: string(g.Token)})
		if err != nil || !f.Rotated {
			t.Errorf("%+v %v", f, err)
		}
		for range 31 {
			time.Sleep(time.Second)
			_, err = k.Check(t.Context(), string(g.Token))
		}
		wantIs(t, err, oneseat.ErrNoSession)
		if _, err := k.Check(t.Context(), string(newer.Token)); err != nil {
			t.Error(err)
		}
	})
}

// What another node changes of a session that goes on, its data, its proof and its
// lifetime, is not older in memory than the session's end would be.
func TestWhatIsChangedOfALiveSessionReachesMemory(t *testing.T) {
	in(t, oneseat.Config{}, 1, func(t *testing.T, w *world) {
		k, _, g := warm(t, w, client.Config{})
		if err := w.nodes[0].SetData(t.Context(), g.Session, "tenant 8"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if s, err := k.Check(t.Context(), string(g.Token)); err != nil || s.Data != "tenant 8" {
			t.Errorf("other data: %+v %v", s, err)
		}
		time.Sleep(time.Minute)
		is, err := w.nodes[0].Confirm(t.Context(), g.Session, oneseat.Lifetime{Idle: 2 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if s, err := k.Check(t.Context(), string(g.Token)); err != nil || s.Lifetime != is.Lifetime || s.Proved.Before(is.Proved.Truncate(time.Millisecond)) {
			t.Errorf("another proof: %+v %v", s, err)
		}
		time.Sleep(4 * time.Second)
		_, err = k.Check(t.Context(), string(g.Token))
		wantEnded(t, err, g.Session.ID, oneseat.ReasonIdleTimeout)
	})
}

var rounds = flag.Int("rounds", 40, "sessions that end while a client may remember them")

// Polls are answered by one node, and checks by another whose news is late, or the other
// way round. A yes is never older than MaxStale.
func TestNoYesIsOlderThanMaxStaleWhicheverNodeAnswers(t *testing.T) {
	in(t, oneseat.Config{}, 3, func(t *testing.T, w *world) {
		var mu sync.Mutex
		at := map[string]*node{api.PathChanges: w.nodes[1], api.PathCheck: w.nodes[0]}
		k, on := w.clientOf(client.Config{MaxStale: stale}, func(path string) *node {
			mu.Lock()
			defer mu.Unlock()
			if n := at[path]; n != nil {
				return n
			}
			return w.nodes[2]
		})
		on.during(func(r *http.Request, next func() *http.Response) (*http.Response, error) {
			time.Sleep(rand.N(100 * time.Millisecond))
			resp := next()
			time.Sleep(rand.N(100 * time.Millisecond))
			return resp, nil
		})
		yes, memory := 0, 0
		for round := range *rounds {
			account := fmt.Sprint("ada", round%5)
			g := w.signIn(k, account)
			ended := make(chan time.Time, 1)
			done := make(chan struct{})
			go func() {
				defer close(done)
				time.Sleep(rand.N(5 * time.Second))
				if _, err := w.nodes[2].SignIn(t.Context(), account, oneseat.SignInRequest{}); err != nil {
					t.Error(err)
				}
				ended <- time.Now()
			}()
			var over time.Time
			for {
				asked, before := time.Now(), on.count(api.PathCheck)
				_, err := k.Check(t.Context(), string(g.Token))
				select {
				case over = <-ended:
				default:
				}
				if err != nil {
					break
				}
				if yes++; on.count(api.PathCheck) == before {
					memory++
				}
				if !over.IsZero() && asked.Sub(over) > stale {
					t.Fatalf("round %d: a yes %v after the end", round, asked.Sub(over))
				}
				time.Sleep(rand.N(20 * time.Millisecond))
				switch rand.N(400) {
				case 0:
					w.nodes[rand.N(2)].deaf(true)
				case 1, 2:
					w.nodes[rand.N(2)].deaf(false)
				case 3:
					mu.Lock()
					at[api.PathChanges], at[api.PathCheck] = w.nodes[rand.N(3)], w.nodes[rand.N(3)]
					mu.Unlock()
				}
			}
			<-done
			w.nodes[0].deaf(false)
			w.nodes[1].deaf(false)
		}
		if memory < yes/4 {
			t.Errorf("only %d of %d answers were from memory", memory, yes)
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	in(t, oneseat.Config{}, 1, func(t *testing.T, w *world) {
		k, on, g := warm(t, w, client.Config{})
		var tokens []string
		for i := range 10_500 {
			tokens = append(tokens, string(w.signIn(w.nodes[0], fmt.Sprint(i)).Token))
		}
		time.Sleep(stale)
		for _, token := range tokens {
			if _, err := k.Check(t.Context(), token); err != nil {
				t.Fatal(err)
			}
		}
		before := on.count(api.PathCheck)
		for _, token := range tokens {
			if _, err := k.Check(t.Context(), token); err != nil {
				t.Fatal(err)
			}
		}
		if asked := on.count(api.PathCheck) - before; asked < 500 || asked > 5000 {
			t.Errorf("%d of 10,500 were asked for", asked)
		}
		_ = g
	})
}
