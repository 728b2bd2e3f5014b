package stream_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
	"github.com/oneseat/oneseat/oneseathttp/stream"
	"github.com/oneseat/oneseat/oneseattest"
)

// cinema plays in pieces, whose names inherit the stream's from their playlist's.
type cinema struct {
	*oneseattest.Site
	app   http.Handler
	guard *oneseathttp.Guard
}

func newCinema(t *testing.T, c oneseat.Config) *cinema {
	t.Helper()
	c.Limit = 5
	s := &cinema{Site: oneseattest.New(t, c)}
	s.guard = s.Guard(oneseathttp.Config{SignInPath: "/login"})
	streams := stream.New(s.Seats, s.guard)
	mux := http.NewServeMux()
	mux.Handle(stream.Path, streams.Handler())
	mux.Handle("GET /watch/{stream}/{piece}", streams.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.PathValue("piece"))
	})))
	s.app = s.guard.Wrap(mux)
	return s
}

// seatIn is a browser of ada's, and its stream.
func (s *cinema) seatIn(t *testing.T, player, title string) (b *oneseattest.Browser, at string, a said) {
	t.Helper()
	b = oneseattest.NewBrowser(t, s.app)
	b.SignIn(s.guard, "ada")
	answer := b.Post(stream.Path+"start", url.Values{"player": {"the random id of player " + player}, "title": {title}})
	if err := json.NewDecoder(answer.Body).Decode(&a); err != nil {
		t.Fatal(err)
	}
	return b, "/watch/" + a.Stream + "/", a
}

// C10
func TestPiecesThatInheritThePathKeepTheStream(t *testing.T) {
	s := newCinema(t, oneseat.Config{})
	b, at, _ := s.seatIn(t, "one", "")
	for range 20 { // the page sleeps: no heartbeat comes
		s.Clock.Advance(25 * time.Second)
		answer := b.Get(at + "piece1.ts?x=1&stream=another")
		if body, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != 200 || string(body) != "piece1.ts" {
			t.Fatalf("%s: %s, %v", answer.Status, body, err)
		}
	}
	s.Clock.Advance(46 * time.Second)
	if answer := b.Get(at + "piece1.ts"); answer.StatusCode < 400 {
		t.Errorf("it was silent for too long: %s", answer.Status)
	}
}

// C10
func TestAPieceOfAnothersStreamOrOfNoneIsRefused(t *testing.T) {
	s := newCinema(t, oneseat.Config{Streams: 2})
	_, at, _ := s.seatIn(t, "one", "")
	other, mine, _ := s.seatIn(t, "two", "")
	for path, want := range map[string]int{at + "piece1.ts": 404, "/watch/nothing/piece1.ts": 404, "/watch/%00/piece1.ts": 404, mine + "piece1.ts": 200} {
		if answer := other.Get(path); answer.StatusCode != want {
			t.Errorf("%s: %s", path, answer.Status)
		}
	}
	stranger := oneseattest.NewBrowser(t, s.app)
	if answer := stranger.Get(at + "piece1.ts"); answer.StatusCode != 401 {
		t.Errorf("without a session: %s", answer.Status)
	}
}

// L6, C10
func TestWhereTheNewestPlaysTheNextPieceOfTheOldIsRefusedWithTheReason(t *testing.T) {
	s := newCinema(t, oneseat.Config{WhenStreamsFull: oneseat.PolicyDisplace})
	first, at, _ := s.seatIn(t, "one", "")
	if answer := first.Get(at + "piece1.ts"); answer.StatusCode != 200 {
		t.Fatal(answer.Status)
	}
	second, its, _ := s.seatIn(t, "two", "")
	if answer := first.Get(at + "piece2.ts"); answer.StatusCode != 410 || oneseattest.Reason(answer) != oneseat.ReasonDisplaced {
		t.Errorf("the first: %s", answer.Status)
	}
	if answer := second.Get(its + "piece2.ts"); answer.StatusCode != 200 {
		t.Errorf("the second: %s", answer.Status)
	}
}

// L6
func TestAViewerWhoHasToChooseSeesWhatPlays(t *testing.T) {
	s := newCinema(t, oneseat.Config{})
	s.seatIn(t, "one", "Cosmos <1>")
	if _, _, a := s.seatIn(t, "two", ""); a.Status != 409 || len(a.Streams) != 1 || a.Streams[0].Title != "Cosmos 1" {
		t.Errorf("%+v", a)
	}
}
