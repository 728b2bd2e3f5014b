package sqlitestore_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/canaries"
	"github.com/oneseat/oneseat/store/internal/fixture"
	"github.com/oneseat/oneseat/store/sqlitestore"
)

func TestTwoHandlesHearEachOther(t *testing.T) {
	t.Parallel()
	a, path := fresh(t)
	b := open(t, path)
	for _, c := range []struct {
		name              string
		speaker, listener *sqlitestore.Store
	}{{"another's commit", a, b}, {"its own commit", a, a}} {
		t.Run(c.name, func(t *testing.T) {
			cursor := end(t, c.listener)
			ctx, cancel := context.WithCancel(t.Context())
			woken, ended := make(chan struct{}), make(chan error, 1)
			go func() {
				ended <- c.listener.Wake(ctx, func(partition int) {
					if partition != 0 {
						t.Errorf("partition %d", partition)
					}
					select {
					case woken <- struct{}{}:
					case <-ctx.Done():
					}
				})
			}()
			<-woken // it has begun to listen
			signIn(t, c.speaker, c.name, "S")
			late := time.After(patience)
			for heard := false; !heard; {
				select {
				case <-woken:
					tail, err := c.listener.Changes(ctx, 0, cursor)
					if err != nil {
						t.Fatal(err)
					}
					heard = len(tail.Entries) > 0
					cursor = tail.Cursor
				case <-late:
					t.Fatal("it was not woken")
				}
			}
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
}

func TestTwoHandlesThatAreBusyGetOnBoth(t *testing.T) {
	t.Parallel()
	a, path := fresh(t)
	b := open(t, path)
	var wg sync.WaitGroup
	for i, s := range []*sqlitestore.Store{a, b} {
		for j := range 8 {
			wg.Go(func() {
				account := fmt.Sprint(i, "-", j)
				for n := range 50 { // an error would say that it was locked out
					signIn(t, s, account, oneseat.SessionID(strconv.Itoa(n)))
				}
			})
		}
	}
	wg.Wait()
}

func TestEightProcessesMayMakeTheDatabaseAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "oneseat.db")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			s, err := sqlitestore.Open(path)
			if err != nil {
				t.Error(err)
				return
			}
			signIn(t, s, fmt.Sprint("account", i), "S")
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s := open(t, path)
	for i := range 8 {
		wantLive(t, s, fmt.Sprint("account", i), "S")
	}
}

const (
	crowdLimit    = 2
	crowdAccounts = 3
)

// crowd signs in to a few accounts many times at once, and says which sign-ins
// succeeded.
func crowd(args []string, say func(string)) (err error) {
	s, err := sqlitestore.Open(args[0])
	if err != nil {
		return err
	}
	r, err := oneseat.New(s, oneseat.Config{Realm: realm, Limit: crowdLimit, Logger: canaries.Logger(nil)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close(), s.Close()) }()
	errs := make(chan error)
	const callers, each = 8, 25
	for i := range callers {
		go func() {
			errs <- func() error {
				for n := range each {
					var g oneseat.Grant
					var err error
					for end := time.Now().Add(patience); ; { // an update that took too long has done nothing
						g, err = r.SignIn(context.Background(), fmt.Sprint("account", (i+n)%crowdAccounts), oneseat.SignInRequest{})
						if !errors.Is(err, oneseat.ErrStoreUnavailable) || time.Now().After(end) {
							break
						}
					}
					if err != nil {
						return err
					}
					say(string(g.Session.ID))
				}
				return nil
			}()
		}()
	}
	for range callers {
		err = errors.Join(err, <-errs)
	}
	return err
}

func TestTwoProcessesNeverAdmitMoreThanTheLimit(t *testing.T) {
	t.Parallel()
	s, path := fresh(t)
	signIn(t, s, "somebody", "S") // so that the log has a place to begin at
	cursor := end(t, s)
	processes := []*process{start(t, self(t), "crowd", nil, path), start(t, self(t), "crowd", nil, path)}
	admitted := make(map[oneseat.SessionID]bool)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, p := range processes {
		wg.Go(func() {
			for p.lines.Scan() {
				mu.Lock()
				admitted[oneseat.SessionID(p.lines.Text())] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for _, p := range processes {
		p.wait(t)
	}

	live := make(map[string]map[oneseat.SessionID]bool)
	for done := false; !done; {
		tail, err := s.Changes(t.Context(), 0, cursor)
		if err != nil || tail.Gap {
			t.Fatal(err, tail.Gap)
		}
		for _, e := range tail.Entries {
			for _, ev := range e.Events {
				seats := live[ev.Account]
				if seats == nil {
					seats = make(map[oneseat.SessionID]bool)
					live[ev.Account] = seats
				}
				switch ev.Type {
				case oneseat.EventSessionCreated:
					seats[ev.Session] = true
					delete(admitted, ev.Session)
				case oneseat.EventSessionEnded:
					delete(seats, ev.Session)
				}
			}
			for account, seats := range live {
				if len(seats) > crowdLimit {
					t.Fatalf("%d sessions of %s after version %d", len(seats), account, e.Version)
				}
			}
		}
		cursor, done = tail.Cursor, tail.End
	}
	if len(admitted) > 0 {
		t.Errorf("%d sign-ins were acknowledged and are not in the log", len(admitted))
	}
	views, err := s.Rosters(t.Context(), oneseat.RosterQuery{Realm: realm, Prefix: "account"})
	if err != nil || len(views) != crowdAccounts {
		t.Fatal(len(views), err)
	}
	for _, v := range views {
		if n := len(fixture.Live(v.Roster)); n != crowdLimit {
			t.Errorf("%s: %d sessions at the end", v.Roster.Account, n)
		}
	}
}
