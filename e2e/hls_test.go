package e2e

import (
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/hlsapp"
	"github.com/oneseat/oneseat/oneseattest"
)

// channel is the example that plays in pieces, by hls.js from npm.
type channel struct {
	*oneseattest.Site
	t      *testing.T
	url    string
	frozen atomic.Bool // no heartbeat of a page arrives: it waits until this changes
	thaw   chan struct{}
}

func newChannel(t *testing.T) *channel {
	t.Helper()
	dist := filepath.Join("..", "bin", "hls", "node_modules", "hls.js", "dist")
	if _, err := os.Stat(filepath.Join(dist, "hls.min.mjs")); err != nil {
		t.Fatalf("hls.js is not there: scripts/prepare hls fetches it: %v", err)
	}
	config := hlsapp.Config()
	config.StreamIdle = 10 * time.Minute // a machine that is busy fetches late
	c := &channel{Site: oneseattest.New(t, config), t: t, thaw: make(chan struct{})}
	app, err := hlsapp.New(c.Seats, os.DirFS(dist), func(r *http.Request) string { return r.PostFormValue("account") })
	if err != nil {
		t.Fatal(err)
	}
	c.url = c.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path.Base(r.URL.Path) == "beat" && c.frozen.Load() {
			select {
			case <-c.thaw:
			case <-r.Context().Done():
				return
			}
		}
		app.ServeHTTP(w, r)
	})).URL
	return c
}

// playing waits until a tab shows moving pictures.
func (b *tab) playing() *tab {
	b.t.Helper()
	return b.wait(`(() => { const v = document.querySelector(".player video"); return v.videoWidth === 160 && !v.paused && v.currentTime > 0 && !document.querySelector(".oneseat-stream") })()`)
}

// fetched waits until the tab has fetched under the path of a stream with that status.
func (b *tab) fetched(stream oneseat.SessionID, suffix, status string) *tab {
	b.t.Helper()
	return b.wait(`performance.getEntriesByType("resource").some((e) => e.name.includes("/watch/` + string(stream) + `/") && e.name.endsWith("` + suffix + `") && e.responseStatus === ` + status + `)`)
}

// stream is the only one that ada plays.
func (c *channel) stream() oneseat.Stream {
	c.t.Helper()
	all, err := c.Seats.Streams(c.t.Context(), "ada")
	if err != nil || len(all) != 1 {
		c.t.Fatalf("%+v, %v", all, err)
	}
	return all[0]
}

// C10, L6: with a real player.
func TestAFilmInPiecesPlaysOnWhileItsPageSleepsAndTheNewestDeviceWins(t *testing.T) {
	c := newChannel(t)
	c.frozen.Store(true)
	laptop := newProfile(t).tab().open(c.url).enter("ada").playing()
	first := c.stream()
	laptop.fetched(first.ID, "live.m3u8", "200").fetched(first.ID, ".ts", "200")
	if first.Title != "Channel one" {
		t.Errorf("%+v", first)
	}
	for range 3 { // in all longer than a stream lives without any sign
		c.Clock.Advance(4 * time.Minute)
		since := c.Clock.Now()
		until(t, "a request for media to keep the stream", func() bool { return c.stream().LastHeartbeat.After(since) })
	}
	if now := c.stream(); now.ID != first.ID {
		t.Errorf("another stream: %s", now.ID)
	}
	laptop.playing()

	phone := newProfile(t).tab().as(iPhone).open(c.url).enter("ada").playing()
	second := c.stream()
	if second.ID == first.ID || !strings.Contains(second.Device.Label, "iPhone") {
		t.Errorf("%+v", second)
	}
	laptop.fetched(first.ID, "", "410") // its page still sleeps
	c.frozen.Store(false)
	close(c.thaw)
	laptop.wait(`document.querySelector(".oneseat-stream button")`).has("Safari on iPhone", "Play here again")
	phone.playing()

	laptop.click(".oneseat-stream button").playing()
	phone.wait(`document.querySelector(".oneseat-stream")`).has("Play here again")
	phone.fetched(second.ID, ".ts", "200")
	laptop.at("/")
	phone.at("/") // nobody was signed out
}
