package oneseathttp_test

import (
	"log/slog"
	"net/netip"
	"net/url"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/canaries"
	"github.com/oneseat/oneseat/store/memstore"
)

func prefixes(all ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(all))
	for i, p := range all {
		out[i] = netip.MustParsePrefix(p)
	}
	return out
}

// form is what a browser posts to sign in.
func form(account string) url.Values { return url.Values{"account": {account}} }

func memory() oneseat.Store { return memstore.New() }

// registry is one over an empty store, closed when the test ends.
func registry(t *testing.T) *oneseat.Registry {
	t.Helper()
	return newRegistry(t, oneseat.Config{})
}

func newRegistry(t *testing.T, c oneseat.Config) *oneseat.Registry {
	t.Helper()
	c.Logger = canaries.Logger(slog.New(slog.NewTextHandler(t.Output(), nil)))
	seats, err := oneseat.New(memstore.New(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = seats.Close() })
	return seats
}
