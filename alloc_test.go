//go:build !race

package oneseat_test

import (
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

// A check that memory answers allocates nothing. The race detector allocates by
// itself, so these run without it: go test -run TestAllocs .
func TestAllocsOfACheckFromMemory(t *testing.T) {
	r := newRegistry(t, memstore.New(), oneseat.Config{Limit: oneseat.MaxSeats})
	var g oneseat.Grant
	for range 5 {
		g = signIn(t, r, "ada", oneseat.SignInRequest{Device: laptop})
	}
	token, ctx := string(g.Token), t.Context()
	work := oneseat.WatcherFunc(func(error) {})
	var holding oneseat.Watch
	for name, check := range map[string]func() error{
		"Check":   func() error { return second(r.Check(ctx, token)) },
		"Peek":    func() error { return second(r.Peek(ctx, token)) },
		"CheckID": func() error { return second(r.CheckID(ctx, "ada", g.Session.ID)) },
		"Enter": func() error {
			_, err := r.CheckAndWatch(ctx, token, true, &holding, work)
			holding.Stop()
			return err
		},
		"a malformed token": func() error {
			if second(r.Check(ctx, token[1:])) == nil {
				t.Error("it was accepted")
			}
			return nil
		},
	} {
		before := r.Stats()
		n := testing.AllocsPerRun(200, func() {
			if err := check(); err != nil {
				t.Error(err)
			}
		})
		if n > 0 && r.Stats().Loads == before.Loads {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
