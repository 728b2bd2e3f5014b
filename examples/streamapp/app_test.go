package streamapp

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/internal/webtest"
	"github.com/oneseat/oneseat/store/memstore"
)

// start starts a stream for a browser's player. It returns the stream's id, or the
// status of the refusal and the ids of the streams that play.
func start(t *testing.T, b *webtest.Browser, instead string) (id string, status int, playing []string) {
	t.Helper()
	resp := b.Do(http.MethodPost, "/oneseat/stream/start", url.Values{"player": {"a random id, kept by the tab"}, "instead": {instead}})
	defer resp.Body.Close()
	var said struct {
		Stream  string
		Streams []struct{ ID string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&said); err != nil {
		t.Fatal(resp.Status, err)
	}
	for _, s := range said.Streams {
		playing = append(playing, s.ID)
	}
	return said.Stream, resp.StatusCode, playing
}

func TestFiveSignInAndTwoWatch(t *testing.T) {
	s := webtest.Open(t, memstore.New(), Config(), func(seats *oneseat.Registry) (http.Handler, error) {
		return New(seats, func(r *http.Request) string { return r.PostFormValue("username") })
	})
	var all []*webtest.Browser
	for range 5 {
		b := s.Browser(webtest.Laptop)
		b.Post("/login", http.StatusSeeOther, "username", "ada")
		all = append(all, b)
	}
	first, _, _ := start(t, all[0], "")
	if status := all[0].HeadEnds("/live?stream=" + first); status != http.StatusOK {
		t.Errorf("HEAD: %d", status)
	}
	resp := all[0].Do(http.MethodGet, "/live?stream="+first, nil)
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
	if _, status, _ := start(t, all[1], ""); status != http.StatusOK {
		t.Fatal("two may watch:", status)
	}
	id, status, playing := start(t, all[2], "")
	if status != http.StatusConflict || len(playing) != 2 || id != "" {
		t.Fatal(status, playing)
	}
	if _, status, _ := start(t, all[2], first); status != http.StatusOK {
		t.Fatal("it may take over:", status)
	}
	if _, err := io.ReadAll(resp.Body); err == nil {
		t.Error("what the first watched looks complete")
	}
	if all, err := s.Seats.Sessions(t.Context(), "ada"); err != nil || len(all) != 5 {
		t.Errorf("somebody was signed out: %d, %v", len(all), err)
	}
}
