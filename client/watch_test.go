package client_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
	"github.com/oneseat/oneseat/client"
)

// both runs a test with a client that asks each time, and with one that keeps answers.
func both(t *testing.T, c oneseat.Config, nodes int, f func(t *testing.T, w *world, k *client.Client, on *way, g oneseat.Grant)) {
	t.Helper()
	for name, stale := range map[string]time.Duration{"asks": 0, "keeps": stale} {
		t.Run(name, func(t *testing.T) {
			in(t, c, nodes, func(t *testing.T, w *world) {
				k, on := w.client(client.Config{MaxStale: stale})
				g := w.signIn(k, "ada")
				for range 2 {
					if _, err := k.Check(t.Context(), string(g.Token)); err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
				}
				f(t, w, k, on, g)
			})
		})
	}
}

// watches watches the session of a grant.
func watches(t *testing.T, k *client.Client, g oneseat.Grant) (*oneseat.Watch, *told) {
	t.Helper()
	w, by := new(oneseat.Watch), watcher()
	if s, err := k.CheckAndWatch(t.Context(), string(g.Token), true, w, by); err != nil || s.ID != g.Session.ID {
		t.Fatal(s, err)
	}
	synctest.Wait()
	return w, by
}

func TestAWatcherIsToldAtOnceAndWhy(t *testing.T) {
	both(t, oneseat.Config{}, 2, func(t *testing.T, w *world, k *client.Client, on *way, g oneseat.Grant) {
		_, first := watches(t, k, g)
		stopped, silent := watches(t, k, g)
		stopped.Stop()
		stopped.Stop()
		after := make(chan error, 1)
		defer k.AfterEnd(t.Context(), g.Session, func(cause error) { after <- cause })()
		other := w.signIn(w.nodes[1], "grace")
		_, others := watches(t, k, other)
		before := on.count(api.PathCheck)
		time.Sleep(time.Hour)
		synctest.Wait()
		if err := first.yet(); err != nil {
			t.Fatal(err)
		}
		if asked := on.count(api.PathCheck) - before; asked > 2*61 {
			t.Errorf("two sessions were asked for %d times in an hour", asked)
		}
		began := time.Now()
		newer := w.signIn(w.nodes[1], "ada")
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		err := first.yet()
		wantEnded(t, err, g.Session.ID, oneseat.ReasonDisplaced)
		if over, ok := errors.AsType[*oneseat.EndedError](err); !ok || over.Ending.By != newer.Session.ID || over.Ending.ByDevice.Label != "Firefox on Linux" || first.at != began {
			t.Errorf("%+v after %v", err, first.at.Sub(began))
		}
		wantEnded(t, <-after, g.Session.ID, oneseat.ReasonDisplaced)
		if err := errors.Join(silent.yet(), others.yet(), first.yet()); err != nil {
			t.Errorf("another was told, or one twice: %v", err)
		}
	})
}

func TestAWatchOfWhatIsOverIsToldThatAtOnce(t *testing.T) {
	both(t, oneseat.Config{}, 1, func(t *testing.T, w *world, k *client.Client, _ *way, g oneseat.Grant) {
		w.signIn(w.nodes[0], "ada")
		synctest.Wait()
		after := make(chan error, 1)
		k.AfterEnd(t.Context(), g.Session, func(cause error) { after <- cause })
		wantEnded(t, <-after, g.Session.ID, oneseat.ReasonDisplaced)
		var watch oneseat.Watch
		_, err := k.CheckAndWatch(t.Context(), string(g.Token), true, &watch, watcher())
		wantEnded(t, err, g.Session.ID, oneseat.ReasonDisplaced)
		watch.Stop()
	})
}

// The session ends while the answer to its check is under way.
func TestAnEndBetweenCheckAndWatchIsNotMissed(t *testing.T) {
	both(t, oneseat.Config{}, 1, func(t *testing.T, w *world, k *client.Client, on *way, _ oneseat.Grant) {
		g := w.signIn(w.nodes[0], "grace")
		synctest.Wait()
		k.AfterEnd(t.Context(), g.Session, func(error) {})() // news are wanted
		synctest.Wait()
		ends := true
		on.during(func(r *http.Request, next func() *http.Response) (*http.Response, error) {
			resp := next()
			if r.URL.Path == api.PathCheck && ends {
				ends = false
				w.signIn(w.nodes[0], "grace")
				time.Sleep(50 * time.Millisecond)
			}
			return resp, nil
		})
		_, by := watches(t, k, g)
		wantEnded(t, by.yet(), g.Session.ID, oneseat.ReasonDisplaced)
	})
}

func TestWhatIsWatchedTimesOut(t *testing.T) {
	for reason, c := range map[oneseat.Reason]oneseat.Config{
		oneseat.ReasonIdleTimeout:     {Idle: 10*time.Minute + 30*time.Second},
		oneseat.ReasonAbsoluteTimeout: {Absolute: 10*time.Minute + 30*time.Second},
	} {
		both(t, c, 1, func(t *testing.T, _ *world, k *client.Client, _ *way, g oneseat.Grant) {
			_, by := watches(t, k, g)
			time.Sleep(10*time.Minute + 29*time.Second)
			synctest.Wait()
			if err := by.yet(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(4 * time.Second)
			synctest.Wait()
			wantEnded(t, by.yet(), g.Session.ID, reason)
		})
	}
}

// Whatever hides the news, a watcher is told within some seconds.
func TestAWatcherIsToldWithoutNews(t *testing.T) {
	for name, broken := range map[string]func(w *world, on *way){
		"polls are cut": func(_ *world, on *way) {
			on.during(of(api.PathChanges, cut))
		},
		"polls hang": func(_ *world, on *way) {
			on.during(of(api.PathChanges, hang))
		},
		"the log is not read": func(w *world, _ *way) { w.nodes[0].deaf(true) },
	} {
		t.Run(name, func(t *testing.T) {
			both(t, oneseat.Config{}, 1, func(t *testing.T, w *world, k *client.Client, on *way, g oneseat.Grant) {
				_, by := watches(t, k, g)
				broken(w, on)
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if err := by.yet(); err != nil {
					t.Fatal(err)
				}
				w.elsewhere(t, "ada")
				time.Sleep(2 * time.Second)
				synctest.Wait()
				wantEnded(t, by.yet(), g.Session.ID, oneseat.ReasonDisplaced)
			})
		})
	}
}

// The server restarts, and has forgotten what it would have told.
func TestAWatcherIsToldOfWhatHappenedInAGap(t *testing.T) {
	both(t, oneseat.Config{}, 2, func(t *testing.T, w *world, k *client.Client, on *way, g oneseat.Grant) {
		_, by := watches(t, k, g)
		on.during(cut)
		time.Sleep(time.Second)
		w.elsewhere(t, "ada")
		on.leads(func(string) *node { return w.nodes[1] })
		on.during(nil)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		wantEnded(t, by.yet(), g.Session.ID, oneseat.ReasonDisplaced)
	})
}

// The new server tells what happens, and does not answer for what was before.
func TestAfterAGapNewsProveNothingOfWhatIsWatched(t *testing.T) {
	both(t, oneseat.Config{}, 2, func(t *testing.T, w *world, k *client.Client, on *way, g oneseat.Grant) {
		_, by := watches(t, k, g)
		on.during(cut)
		time.Sleep(time.Second)
		w.elsewhere(t, "ada")
		on.leads(func(string) *node { return w.nodes[1] })
		on.during(of(api.PathCheck, hang))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if by.yet() == nil {
			t.Error("the watch goes on")
		}
	})
}

func TestWithoutAServerAWatchLastsForTheGraceOnly(t *testing.T) {
	for name, broken := range map[string]func(*http.Request, func() *http.Response) (*http.Response, error){"cut": cut, "hangs": hang} {
		t.Run(name, func(t *testing.T) {
			both(t, oneseat.Config{}, 1, func(t *testing.T, w *world, k *client.Client, on *way, g oneseat.Grant) {
				_, by := watches(t, k, g)
				var many []*told
				for i := range 200 { // more than can be verified at a time
					_, one := watches(t, k, w.signIn(w.nodes[0], fmt.Sprint("grace", i)))
					many = append(many, one)
				}
				time.Sleep(3 * time.Second)
				on.during(broken)
				time.Sleep(4 * time.Second)
				synctest.Wait()
				if err := by.yet(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(4 * time.Second)
				synctest.Wait()
				for _, one := range append(many, by) {
					wantIs(t, one.yet(), oneseat.ErrStoreUnavailable)
				}
			})
		})
	}
}

// A token that was replaced a moment ago is good for some seconds, and so is its watch.
func TestAWatchOfARotatedTokenEndsWithIt(t *testing.T) {
	both(t, oneseat.Config{}, 1, func(t *testing.T, w *world, k *client.Client, _ *way, g oneseat.Grant) {
		before, earlier := watches(t, k, g)
		newer, err := w.nodes[0].Rotate(t.Context(), string(g.Token))
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		old, by := watches(t, k, g)
		now, mine := watches(t, k, newer)
		if before.Rotated() || !old.Rotated() || now.Rotated() {
			t.Error("it does not say which is which")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		wantIs(t, by.yet(), oneseat.ErrNoSession)
		if err := errors.Join(mine.yet(), earlier.yet()); err != nil {
			t.Error(err)
		}
	})
}

func TestCloseTellsWatchers(t *testing.T) {
	both(t, oneseat.Config{}, 1, func(t *testing.T, _ *world, k *client.Client, _ *way, g oneseat.Grant) {
		_, by := watches(t, k, g)
		_ = k.Close()
		wantIs(t, by.yet(), oneseat.ErrClosed)
	})
}
