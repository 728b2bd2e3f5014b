package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
	"github.com/oneseat/oneseat/internal/canaries"
	"github.com/oneseat/oneseat/server"
	"github.com/oneseat/oneseat/store/memstore"
)

// lagging is a store whose log is read slowly, or not at all.
type lagging struct {
	*memstore.Store
	slow    atomic.Int64 // at most how long a reading takes
	stopped atomic.Bool
}

func (l *lagging) Changes(ctx context.Context, p int, after oneseat.Cursor) (oneseat.Tail, error) {
	if l.stopped.Load() {
		<-ctx.Done()
		return oneseat.Tail{}, ctx.Err()
	}
	tail, err := l.Store.Changes(ctx, p, after)
	if most := l.slow.Load(); most > 0 {
		time.Sleep(time.Duration(rand.Int64N(most)))
	}
	return tail, err
}

// node is a server without a network, so that time can be virtual.
type node struct {
	t      *testing.T
	seats  *oneseat.Registry
	store  *lagging
	server *server.Server
	keys   map[string]string // secrets: "check" and "admin"
}

func newNode(t *testing.T, c oneseat.Config) *node {
	t.Helper()
	n := &node{t: t, store: &lagging{Store: memstore.New()}, keys: map[string]string{}}
	c.Realm, c.Logger = "members", canaries.Logger(nil)
	seats, err := oneseat.New(n.store, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = seats.Close() })
	n.seats = seats
	var keys []server.Key
	for name, scopes := range map[string][]server.Scope{"check": {server.ScopeCheck}, "admin": {server.ScopeCheck, server.ScopeAdmin}} {
		secret, key := server.NewKey("members", scopes...)
		n.keys[name], keys = secret, append(keys, key)
	}
	if n.server, err = server.New(server.Config{Realms: map[string]*oneseat.Registry{"members": seats}, Keys: keys, Logger: c.Logger}); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return n
}

func (n *node) ask(ctx context.Context, key, body string) (int, string) {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, api.PathChanges, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+n.keys[key])
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	n.server.ServeHTTP(w, r)
	noteRecorded(n.t, r, body, w)
	return w.Code, w.Body.String()
}

// poll asks for what came after a cursor.
func (n *node) poll(key, after string, wait time.Duration) (a api.Changes) {
	n.t.Helper()
	status, answer := n.ask(n.t.Context(), key, fmt.Sprintf(`{"after":%q,"wait_ms":%d}`, after, wait.Milliseconds()))
	if err := json.Unmarshal([]byte(answer), &a); err != nil || status != 200 {
		n.t.Fatalf("%d %s %v", status, answer, err)
	}
	return a
}

// now returns the cursor of now.
func (n *node) now(key string) string {
	n.t.Helper()
	status, answer := n.ask(n.t.Context(), key, `{}`)
	var a api.Changes
	if err := json.Unmarshal([]byte(answer), &a); err != nil || status != 200 || a.Gap || len(a.Events) > 0 {
		n.t.Fatalf("%d %s %v", status, answer, err)
	}
	return a.Cursor
}

func (n *node) signIn(account string) oneseat.Grant {
	n.t.Helper()
	g, err := n.seats.SignIn(n.t.Context(), account, oneseat.SignInRequest{Device: oneseat.Device{Label: "a phone", Class: oneseat.ClassMobile}})
	if err != nil {
		n.t.Fatal(err)
	}
	return g
}

func kindsOf(a api.Changes) (kinds []string) {
	for _, e := range a.Events {
		kinds = append(kinds, e.Account+" "+e.Type)
	}
	return kinds
}

func TestAPollIsAnsweredWhenASessionEndsAndSaysWhose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, oneseat.Config{})
		g := n.signIn("ada")
		synctest.Wait()
		check, admin := n.now("check"), n.now("admin")
		time.AfterFunc(time.Second, func() { n.signIn("grace") })
		began := time.Now()
		if a := n.poll("admin", admin, 20*time.Second); time.Since(began) > 2*time.Second || !slices.Equal(kindsOf(a), []string{"grace session_created"}) || a.Events[0].Device.Label != "a phone" {
			t.Errorf("after %v: %+v", time.Since(began), a)
		} else {
			admin = a.Cursor
		}
		time.AfterFunc(10*time.Second, func() { n.signIn("ada") })
		a := n.poll("check", check, 20*time.Second)
		want := api.Event{Type: "session_ended", Account: "ada", Session: string(g.Session.ID), Reason: "displaced", At: a.Events[0].At}
		if took := time.Since(began); took > 13*time.Second || len(a.Events) != 1 || a.Events[0] != want || a.Gap {
			t.Errorf("after %v: %+v", took, a)
		}
		if a := n.poll("admin", admin, 0); !slices.Equal(kindsOf(a), []string{"ada session_ended", "ada session_created"}) {
			t.Errorf("%+v", a)
		}
		rotated, err := n.seats.Rotate(t.Context(), string(n.signIn("grace").Token))
		if err != nil {
			t.Fatal(err)
		}
		if err := n.seats.SignOut(t.Context(), string(rotated.Token)); err != nil {
			t.Fatal(err)
		}
		if err := n.seats.EndRealm(t.Context(), "support"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if b := n.poll("check", a.Cursor, 0); !slices.Equal(kindsOf(b), []string{"grace session_ended", "grace session_rotated", "grace session_ended", " realm_ended"}) {
			t.Errorf("%+v", b)
		}
	})
}

func TestAPollWithoutNewsIsAnsweredInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, oneseat.Config{})
		cursor := n.now("check")
		for _, wait := range []time.Duration{0, 10 * time.Millisecond, 30 * time.Second} {
			began := time.Now()
			a := n.poll("check", cursor, wait)
			if took := time.Since(began); took != wait || a.Gap || len(a.Events) > 0 || a.Cursor != cursor {
				t.Errorf("%v: %+v", took, a)
			}
		}
		for _, wait := range []string{"-1", "30001"} {
			if status, answer := n.ask(t.Context(), "check", `{"wait_ms":`+wait+`}`); status != 422 || problem(answer) != "bad-time" {
				t.Errorf("%s: %d %s", wait, status, answer)
			}
		}
	})
}

// A caller that polls knows every event that was committed before the time that an
// answer vouches for, by the caller's own clock.
func TestAnAnswerHasAllThatWasCommittedBeforeTheTimeItVouchesFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, oneseat.Config{})
		n.store.slow.Store(int64(400 * time.Millisecond))
		n.signIn("ada")
		time.Sleep(time.Second)
		var mu sync.Mutex
		var committed []time.Time
		stop := make(chan struct{})
		defer close(stop)
		go func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(rand.N(200 * time.Millisecond)):
					if _, err := n.seats.SignIn(t.Context(), "ada", oneseat.SignInRequest{}); err != nil {
						return
					}
					mu.Lock()
					committed = append(committed, time.Now())
					mu.Unlock()
				}
			}
		}()
		cursor, heard, vouched := n.now("check"), 0, 0
		for range 1000 {
			sent := time.Now()
			a := n.poll("check", cursor, rand.N(300*time.Millisecond))
			cursor, heard = a.Cursor, heard+len(a.Events)
			if a.Gap {
				t.Fatal("a gap")
			}
			if a.Age == nil {
				continue
			}
			asOf := sent.Add(-time.Duration(*a.Age) * time.Millisecond)
			if asOf.After(time.Now()) {
				t.Fatalf("it vouches for the future, by %v", time.Until(asOf))
			}
			mu.Lock()
			for vouched < len(committed) && committed[vouched].Before(asOf) {
				vouched++
			}
			mu.Unlock()
			if heard < vouched {
				t.Fatalf("%d sessions ended before, %d are known", vouched, heard)
			}
			time.Sleep(rand.N(50 * time.Millisecond))
		}
		if vouched < 500 {
			t.Errorf("it vouched for %d ends only", vouched)
		}
	})
}

func TestAServerThatCannotReadTheLogSaysHowOldItsNewsIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, oneseat.Config{})
		cursor := n.now("check")
		if a := n.poll("check", cursor, time.Second); a.Age == nil || *a.Age > 0 {
			t.Errorf("it may vouch for a time after the call came: %+v", a)
		}
		n.store.stopped.Store(true)
		time.Sleep(time.Minute)
		if a := n.poll("check", cursor, time.Second); a.Age == nil || *a.Age < 59_000 || *a.Age > 61_000 {
			t.Errorf("%+v", a)
		}
	})
}

func TestACallerThatMissedSomethingIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, oneseat.Config{})
		cursor := n.now("check")
		for name, after := range map[string]string{"no cursor": "x", "another server's": "ABC.0", "of the future": cursor + "0", "damaged": cursor + "x", "empty number": strings.TrimSuffix(cursor, "0")} {
			if a := n.poll("check", after, time.Minute/2); a.Cursor != cursor && !a.Gap {
				t.Errorf("%s: %+v", name, a)
			}
		}
		for i := range 100 {
			for range 100 {
				n.signIn(fmt.Sprint("ada", i%2))
			}
			synctest.Wait()
		}
		time.Sleep(time.Second)
		a := n.poll("check", cursor, time.Minute/2)
		if !a.Gap || len(a.Events) > 0 || a.Cursor == cursor {
			t.Errorf("%v %d %v", a.Gap, len(a.Events), a.Cursor)
		}
		if b := n.poll("check", a.Cursor, 0); b.Gap || len(b.Events) > 0 {
			t.Errorf("%+v", b)
		}
	})
}

// An answer has at most some hundred events, and vouches for nothing until the last.
func TestManyEventsComeInPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, oneseat.Config{})
		cursor, n1 := n.now("check"), 0
		for range 20 {
			for range 100 {
				n.signIn("ada")
			}
			synctest.Wait()
		}
		time.Sleep(time.Second)
		pages := 0
		for {
			a := n.poll("check", cursor, 0)
			if a.Gap || len(a.Events) > 1000 {
				t.Fatalf("%v %d", a.Gap, len(a.Events))
			}
			cursor, n1, pages = a.Cursor, n1+len(a.Events), pages+1
			if a.Age != nil {
				break
			}
		}
		if n1 != 1999 || pages < 3 {
			t.Errorf("%d events in %d pages", n1, pages)
		}
	})
}

func TestWhoWaitsIsAnsweredWhenTheServerEndsOrTheCallerGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, oneseat.Config{})
		cursor := n.now("check")
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		body := fmt.Sprintf(`{"after":%q,"wait_ms":30000}`, cursor)
		if status, _ := n.ask(ctx, "check", body); status != 503 || time.Since(began) > 2*time.Second {
			t.Errorf("%d after %v", status, time.Since(began))
		}
		time.AfterFunc(time.Second, n.server.Drain)
		if a := n.poll("check", cursor, 30*time.Second); time.Since(began) > 3*time.Second || a.Gap {
			t.Errorf("after %v: %+v", time.Since(began), a)
		}
		n.server.Drain() // once more

		n = newNode(t, oneseat.Config{})
		body = fmt.Sprintf(`{"after":%q,"wait_ms":30000}`, n.now("check"))
		began = time.Now()
		time.AfterFunc(time.Second, func() { _ = n.seats.Close() })
		if status, answer := n.ask(t.Context(), "check", body); status != 503 || time.Since(began) > 2*time.Second {
			t.Errorf("%d %s after %v", status, answer, time.Since(began))
		}
	})
}

func TestEveryPollIsAnsweredWhileTheRegistryCloses(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			n := newNode(t, oneseat.Config{})
			cursor := n.now("check")
			var polls sync.WaitGroup
			for range 8 {
				polls.Go(func() {
					for status := 200; status == 200; {
						status, _ = n.ask(t.Context(), "check", fmt.Sprintf(`{"after":%q,"wait_ms":1}`, cursor))
					}
				})
			}
			time.Sleep(time.Millisecond)
			_ = n.seats.Close()
			polls.Wait()
		})
	}
}

// A server's limit on the time that a request takes to arrive does not end a call that
// has arrived.
func TestAPollOutlastsTheReadTimeout(t *testing.T) {
	w := newWorld(t, oneseat.Config{})
	h := httptest.NewUnstartedServer(w.server)
	h.Config.ReadTimeout = 200 * time.Millisecond
	h.Start()
	defer h.Close()
	w.url = h.URL
	var a api.Changes
	w.want(200, api.PathChanges, `{}`, &a)
	began := time.Now()
	w.want(200, api.PathChanges, fmt.Sprintf(`{"after":%q,"wait_ms":1000}`, a.Cursor), &a)
	if time.Since(began) < time.Second {
		t.Errorf("it was answered after %v", time.Since(began))
	}
}

func TestChangesOfOneRealmAreNotToldInAnother(t *testing.T) {
	w := newWorld(t, oneseat.Config{})
	var mine api.Changes
	_, theirs := w.ask("other", api.PathChanges, `{}`)
	w.want(200, api.PathChanges, `{}`, &mine)
	w.signIn("ada")
	w.signIn("ada")
	w.want(200, api.PathChanges, fmt.Sprintf(`{"after":%q,"wait_ms":30000}`, mine.Cursor), &mine)
	if len(mine.Events) == 0 {
		t.Errorf("%+v", mine)
	}
	var other api.Changes
	if err := json.Unmarshal([]byte(theirs), &other); err != nil {
		t.Fatal(err)
	}
	for after, gap := range map[string]bool{other.Cursor: false, mine.Cursor: true} {
		_, answer := w.ask("other", api.PathChanges, fmt.Sprintf(`{"after":%q,"wait_ms":300}`, after))
		var a api.Changes
		if err := json.Unmarshal([]byte(answer), &a); err != nil || len(a.Events) > 0 || a.Gap != gap {
			t.Errorf("%s: %s %v", after, answer, err)
		}
	}
}
