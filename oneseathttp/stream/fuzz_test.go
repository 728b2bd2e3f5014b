package stream_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
	"github.com/oneseat/oneseat/oneseathttp/stream"
	"github.com/oneseat/oneseat/store/memstore"
)

// What a player posts starts a stream if its ID is one, as net/url reads the form, and else is
// refused. What is kept of its title is inert.
func FuzzStart(f *testing.F) {
	seats, err := oneseat.New(memstore.New(), oneseat.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = seats.Close() })
	guard, err := oneseathttp.New(seats, oneseathttp.Config{SignInPath: "/login"})
	if err != nil {
		f.Fatal(err)
	}
	ada, err := seats.SignIn(f.Context(), "ada", oneseat.SignInRequest{})
	if err != nil {
		f.Fatal(err)
	}
	site := guard.Wrap(stream.New(seats, guard).Handler())
	for _, s := range []string{
		"player=0123456789abcdef", "player=0123456789abcdef&title=Film%20%3Cb%3E&instead=x", "player=short", "player=%zz", "", "player=" + strings.Repeat("a", 65), "player=%00%ff0123456789abcdef&title=%e2%80%ae", "player=0123456789abcdef;title=x", "player=0123456789abcde&player=0123456789abcdef",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://members.example"+stream.Path+"start", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Cookie", "__Host-oneseat="+string(ada.Token))
		w := httptest.NewRecorder()
		site.ServeHTTP(w, r)
		if w.Code >= 500 && w.Code != http.StatusServiceUnavailable || !json.Valid(w.Body.Bytes()) {
			t.Fatalf("%q: %d %s", body, w.Code, w.Body)
		}
		form, err := url.ParseQuery(body)
		if is := err == nil && len(form.Get("player")) >= 16 && len(form.Get("player")) <= 64; is == (w.Code == http.StatusBadRequest) {
			t.Errorf("%q: %d %s", body, w.Code, w.Body)
		}
		playing, err := seats.Streams(t.Context(), "ada")
		if err != nil || len(playing) > 1 {
			t.Fatalf("%+v, %v", playing, err)
		}
		for _, s := range playing {
			if !utf8.ValidString(s.Title) || len(s.Title) > 64 || strings.ContainsFunc(s.Title, func(c rune) bool { return !unicode.IsGraphic(c) || strings.ContainsRune("<>&\"\\", c) }) {
				t.Errorf("%q: the title is %q", body, s.Title)
			}
			if err := seats.StopStream(t.Context(), ada.Session, s.ID); err != nil {
				t.Error(err)
			}
		}
	})
}
