package oneseathttp_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
	"github.com/oneseat/oneseat/store/memstore"
)

// BenchmarkRequire is what a guard adds to an empty handler, beside what the
// standard library alone needs for a request that can be cancelled with a cause
// and has a cookie.
func BenchmarkRequire(b *testing.B) {
	seats, err := oneseat.New(memstore.New(), oneseat.Config{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		b.Fatal(err)
	}
	defer seats.Close()
	guard, err := oneseathttp.New(seats, oneseathttp.Config{SignInPath: "/login"})
	if err != nil {
		b.Fatal(err)
	}
	r := httptest.NewRequest("GET", "https://members.example/", nil) // with TLS, as on a site
	w := httptest.NewRecorder()
	if _, err := guard.SignIn(w, r, "ada"); err != nil {
		b.Fatal(err)
	}
	for _, c := range w.Result().Cookies() {
		r.AddCookie(c)
	}
	empty := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	b.Run("guard", func(b *testing.B) {
		h := guard.Wrap(guard.Require(empty))
		b.ReportAllocs()
		for b.Loop() {
			h.ServeHTTP(w, r)
		}
	})
	b.Run("bare", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ctx, cancel := context.WithCancelCause(r.Context())
			if c, err := r.Cookie("__Host-oneseat"); err != nil || c.Value == "" {
				b.Fatal(err)
			}
			empty.ServeHTTP(w, r.WithContext(ctx))
			cancel(nil)
		}
	})
}
