//go:build !race

package oneseathttp_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
	"github.com/oneseat/oneseat/store/memstore"
)

// What a request through a guard allocates: its record, a context that can be
// cancelled with a cause (two) and the copy of the request that carries it. A
// program without a guard that wants such a context and reads its cookie by
// net/http allocates one more. The race detector allocates by itself, so this
// runs without it: go test -run TestAllocs ./oneseathttp
func TestAllocsOfARequestThroughAGuard(t *testing.T) {
	seats, err := oneseat.New(memstore.New(), oneseat.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer seats.Close()
	guard, err := oneseathttp.New(seats, oneseathttp.Config{SignInPath: "/login"})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "https://members.example/", nil)
	w := httptest.NewRecorder()
	if _, err := guard.SignIn(w, r, "ada"); err != nil {
		t.Fatal(err)
	}
	for _, c := range w.Result().Cookies() {
		r.AddCookie(c)
	}
	served := 0
	var handler http.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ })

	bare := testing.AllocsPerRun(200, func() {
		ctx, cancel := context.WithCancelCause(r.Context())
		if _, err := r.Cookie("__Host-oneseat"); err != nil {
			t.Error(err)
		}
		handler.ServeHTTP(w, r.WithContext(ctx))
		cancel(nil)
	})
	served = 0
	wrapped := guard.Wrap(guard.Require(handler))
	if n := least(func() { wrapped.ServeHTTP(w, r) }); n > 4 || n >= bare {
		t.Errorf("%v allocations, and %v without a guard", n, bare)
	}
	if served == 0 {
		t.Error("nothing was served")
	}
}

// least is the least that several runs of f allocate on average: what the
// registry does in the background, once in a while, is not f's.
func least(f func()) float64 {
	n := testing.AllocsPerRun(200, f)
	for range 4 {
		n = min(n, testing.AllocsPerRun(200, f))
	}
	return n
}
