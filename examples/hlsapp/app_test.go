package hlsapp

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseattest"
)

func open(t *testing.T) (*oneseattest.Site, http.Handler) {
	t.Helper()
	site := oneseattest.New(t, Config())
	app, err := New(site.Seats, fstest.MapFS{"hls.min.mjs": {Data: []byte("export default class {}")}}, func(r *http.Request) string { return r.PostFormValue("account") })
	if err != nil {
		t.Fatal(err)
	}
	return site, app
}

// viewer signs in by the form and starts to play. It returns where its playlist is.
func viewer(t *testing.T, app http.Handler, account, device string) (b *oneseattest.Browser, list *url.URL) {
	t.Helper()
	b = oneseattest.NewBrowser(t, app)
	b.Post("/login", url.Values{"account": {account}})
	var said struct{ Stream string }
	answer := b.Post("/oneseat/stream/start", url.Values{"player": {"the random id of " + device}, "title": {"Channel one"}})
	if err := json.NewDecoder(answer.Body).Decode(&said); err != nil || answer.StatusCode != 200 {
		t.Fatal(answer.Status, err)
	}
	list, err := url.Parse("/watch/" + said.Stream + "/live.m3u8")
	if err != nil {
		t.Fatal(err)
	}
	return b, list
}

// read is what a player does: it reads the playlist, and the pieces that this names.
func read(t *testing.T, b *oneseattest.Browser, list *url.URL) (pieces []string) {
	t.Helper()
	answer := b.Get(list.Path)
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != 200 {
		t.Fatalf("%s: %s, %v", answer.Status, text, err)
	}
	for line := range strings.Lines(string(text)) {
		name, err := url.Parse(strings.TrimSpace(line))
		if strings.HasPrefix(line, "#") {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		at := list.ResolveReference(name).Path
		answer := b.Get(at)
		piece, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != 200 || len(piece) == 0 || len(piece)%188 != 0 || piece[0] != 0x47 { // MPEG-TS
			t.Fatalf("%s: %s, %d bytes, %v", at, answer.Status, len(piece), err)
		}
		pieces = append(pieces, at)
	}
	if len(pieces) != window {
		t.Fatalf("the playlist has %q", text)
	}
	return pieces
}

// C10
func TestAPlayerWhosePageSleepsPlaysOn(t *testing.T) {
	site, app := open(t)
	b, list := viewer(t, app, "ada", "one")
	for range 10 { // five minutes in which the page's script sends nothing, as on a locked phone
		site.Clock.Advance(29 * time.Second)
		read(t, b, list)
	}
	site.Clock.Advance(46 * time.Second)
	if answer := b.Get(list.Path); answer.StatusCode < 400 {
		t.Errorf("it has played nothing for longer than StreamIdle: %s", answer.Status)
	}
}

// L6
func TestTheNewestPlays(t *testing.T) {
	site, app := open(t)
	first, its := viewer(t, app, "ada", "one")
	read(t, first, its)
	second, mine := viewer(t, app, "ada", "two")
	for _, path := range []string{its.Path, strings.Replace(its.Path, "live.m3u8", "piece7.ts", 1)} {
		if answer := first.Get(path); answer.StatusCode != http.StatusGone || oneseattest.Reason(answer) != oneseat.ReasonDisplaced {
			t.Errorf("the first gets %s for %s", answer.Status, path)
		}
	}
	read(t, second, mine)
	grace, hers := viewer(t, app, "grace", "three")
	read(t, grace, hers)
	read(t, second, mine)
	if live, err := site.Seats.Sessions(t.Context(), "ada"); err != nil || len(live) != 2 {
		t.Errorf("%d are signed in, %v", len(live), err)
	}
}

func TestThePathOfAStreamIsOfNoUseToOthers(t *testing.T) {
	_, app := open(t)
	_, list := viewer(t, app, "ada", "one")
	grace := oneseattest.NewBrowser(t, app)
	grace.Post("/login", url.Values{"account": {"grace"}})
	for path, want := range map[string]int{list.Path: 404, strings.Replace(list.Path, "live.m3u8", "piece7.ts", 1): 404, "/watch/x/piece7.ts": 404} {
		if answer := grace.Get(path); answer.StatusCode != want {
			t.Errorf("%s: %s", path, answer.Status)
		}
	}
	if answer := oneseattest.NewBrowser(t, app).Get(list.Path); answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("nobody: %s", answer.Status)
	}
}

func TestWhatIsNoPieceIsNotFound(t *testing.T) {
	_, app := open(t)
	b, list := viewer(t, app, "ada", "one")
	for _, name := range []string{"piece.ts", "x.ts", "piece-1.ts", "..%2fapp.go"} {
		if answer := b.Get(strings.Replace(list.Path, "live.m3u8", name, 1)); answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", name, answer.Status)
		}
	}
}
