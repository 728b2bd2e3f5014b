package pgstore_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/pgstore"
)

// STO-03: the application has taken all connections of the pool that it shares with the
// store, and gives none back. Nobody is let in because of that, and no call waits for
// ever. When connections are given back, the store goes on.
func TestWhileThePoolIsUsedUpNobodyIsLetInAndNothingHangs(t *testing.T) {
	t.Parallel()
	p := hooked(t, database(t), func(c *pgxpool.Config) { c.MaxConns = 3 })
	s := openOn(t, p, pgstore.Options{})
	seats, err := oneseat.New(s, oneseat.Config{MaxStale: oneseat.FreshAlways, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = seats.Close() })
	g, err := seats.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
	if err != nil {
		t.Fatal(err)
	}
	over, err := seats.SignIn(t.Context(), "grace", oneseat.SignInRequest{})
	if err == nil {
		_, err = seats.SignIn(t.Context(), "grace", oneseat.SignInRequest{})
	}
	if err != nil {
		t.Fatal(err)
	}
	var taken []*pgxpool.Conn
	for range p.Config().MaxConns { // those of the store come when their calls have ended
		c, err := p.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		taken = append(taken, c)
	}
	var calls sync.WaitGroup
	for name, call := range map[string]func() error{
		"a check":    func() error { _, err := seats.Check(t.Context(), string(g.Token)); return err },
		"a sign-in":  func() error { _, err := seats.SignIn(t.Context(), "ada", oneseat.SignInRequest{}); return err },
		"a sign-out": func() error { return seats.SignOut(t.Context(), string(g.Token)) },
	} {
		calls.Go(func() {
			if err := call(); !errors.Is(err, oneseat.ErrStoreUnavailable) && !errors.Is(err, oneseat.ErrUnknownOutcome) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	calls.Go(func() {
		if _, err := seats.Check(t.Context(), string(over.Token)); err == nil {
			t.Error("whose session has ended is let in")
		}
	})
	calls.Wait()
	for _, c := range taken {
		c.Release()
	}
	if _, err := seats.Check(t.Context(), string(g.Token)); err != nil {
		t.Errorf("when they are given back: %v", err)
	}
	live, err := seats.Sessions(t.Context(), "ada")
	if err != nil || len(live) != 1 || live[0].ID != g.Session.ID {
		t.Errorf("what was refused was done: %+v, %v", live, err)
	}
}
