package redisstore_test

import (
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"github.com/oneseat/oneseat/store/redisstore"
	"github.com/redis/rueidis"
)

// open opens a store that is closed when the test ends.
func open(t testing.TB, url string, o redisstore.Options) *redisstore.Store {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s, err := redisstore.Open(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// shell is a client of the test's own, on the server that a URL names.
func shell(t testing.TB, raw string) rueidis.Client {
	t.Helper()
	u, err := url.Parse(strings.Replace(strings.Split(raw, ",")[0], "-cluster", "", 1))
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	c, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{u.Host}, Username: u.User.Username(), Password: password, DisableCache: true,
		ForceSingleClient: !strings.Contains(raw, "-cluster"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// remove removes what begins with a prefix.
func remove(t testing.TB, url, prefix string) {
	t.Helper()
}
