package oneseathttp_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
	"github.com/oneseat/oneseat/store/memstore"
)

// What was cut half-way may have been done, so the operator is told, and a storm of it
// takes a line a minute. Handlers that sign out, or return in time, change nothing.
func TestHandlersUnderFinishThatAreCutAreLoggedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &logbook{}
		seats, err := oneseat.New(memstore.New(), oneseat.Config{Limit: 100, Logger: slog.New(slog.NewTextHandler(log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = seats.Close() }()
		guard, err := oneseathttp.New(seatsOver(t, seats), oneseathttp.Config{SignInPath: "/login", FinishWithin: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		g, err := seats.SignIn(t.Context(), "ada@example.com", oneseat.SignInRequest{})
		if err != nil {
			t.Fatal(err)
		}
		run := func(handler http.HandlerFunc) int {
			r := httptest.NewRequestWithContext(t.Context(), "POST", "https://members.example/pay", nil)
			r.AddCookie(&http.Cookie{Name: hostName, Value: string(g.Token)})
			w := httptest.NewRecorder()
			guard.Finish(handler).ServeHTTP(w, r)
			return w.Code
		}
		waits := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
		run(func(http.ResponseWriter, *http.Request) { time.Sleep(9 * time.Second) })
		time.Sleep(time.Minute)
		if said := log.String(); said != "" {
			t.Errorf("of one that returned in time the log says %s", said)
		}
		for range 7 { // one in ten seconds
			if code := run(waits); code != http.StatusServiceUnavailable {
				t.Error(code)
			}
		}
		synctest.Wait() // the handler is cut first, and then the line is written
		said := log.String()
		if n := strings.Count(said, "took longer than Config.FinishWithin"); n != 2 || !strings.Contains(said, "not_logged=5") || strings.Count(said, "account_key="+oneseat.KeyOf("default", "ada@example.com").String()) != 2 || strings.Contains(said, "ada@") {
			t.Errorf("%d lines: %s", n, said)
		}
		run(func(w http.ResponseWriter, r *http.Request) {
			if err := guard.SignOut(w, r); err != nil {
				t.Error(err)
			}
			waits(w, r)
		})
	})
}
