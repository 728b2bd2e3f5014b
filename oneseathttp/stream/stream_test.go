package stream_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
	"github.com/oneseat/oneseat/oneseathttp/stream"
	"github.com/oneseat/oneseat/store/memstore"
)

// site plays to members: GET /media flows until it is cut.
type site struct {
	*httptest.Server
	seats *oneseat.Registry
	guard *oneseathttp.Guard
}

func newSite(t *testing.T, c oneseat.Config) *site {
	t.Helper()
	c.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	if c.Limit == 0 {
		c.Limit = 5
	}
	seats, err := oneseat.New(memstore.New(), c)
	if err != nil {
		t.Fatal(err)
	}
	guard, err := oneseathttp.New(seats, oneseathttp.Config{SignInPath: "/login"})
	if err != nil {
		t.Fatal(err)
	}
	streams := stream.New(seats, guard)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		if _, err := guard.SignIn(w, r, "ada"); err != nil {
			t.Error(err)
		}
	})
	mux.Handle("GET /media", streams.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "frame\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})))
	mux.Handle("GET /watch/{stream}/{file}", streams.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.PathValue("file"))
	})))
	mux.Handle(stream.Path, streams.Handler())
	s := &site{httptest.NewServer(guard.Wrap(mux)), seats, guard}
	t.Cleanup(func() {
		_ = seats.Close() // first: it ends what is in flight
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

// viewer is somebody who is signed in on a device, with one player.
type viewer struct {
	*http.Client
	t      *testing.T
	at     *site
	player string
}

func (s *site) viewer(t *testing.T, player string) *viewer {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	v := &viewer{&http.Client{Jar: jar, Transport: s.Client().Transport.(*http.Transport).Clone()}, t, s, "the random id of player " + player}
	t.Cleanup(v.CloseIdleConnections)
	v.post("/login")
	return v
}

// said is what the player is told.
type said struct {
	Status  int
	Reason  string
	Stream  string
	BeatMS  int `json:"beat_ms"`
	Limit   int
	Streams []struct {
		ID     string
		Here   bool
		Title  string
		Device oneseat.Device
	}
}

func (v *viewer) post(path string, pairs ...string) (a said) {
	v.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	resp, err := v.PostForm(v.at.URL+path, form)
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	_ = json.Unmarshal(body, &a) // some have no body
	a.Status = resp.StatusCode
	return a
}

func (v *viewer) start(instead ...string) said {
	v.t.Helper()
	pairs := []string{"player", v.player}
	for _, id := range instead {
		pairs = append(pairs, "instead", id)
	}
	return v.post(stream.Path+"start", pairs...)
}

func (v *viewer) mustStart(instead ...string) string {
	v.t.Helper()
	a := v.start(instead...)
	if a.Status != http.StatusOK || a.Stream == "" {
		v.t.Fatalf("%+v", a)
	}
	return a.Stream
}

// media opens what is played, once its first frame is there.
func (v *viewer) media(id string) *bufio.Reader {
	v.t.Helper()
	resp, err := v.Get(v.at.URL + "/media?stream=" + url.QueryEscape(id))
	if err != nil {
		v.t.Fatal(err)
	}
	v.t.Cleanup(func() { _ = resp.Body.Close() })
	r := bufio.NewReader(resp.Body)
	if line, err := r.ReadString('\n'); resp.StatusCode != http.StatusOK || line != "frame\n" {
		v.t.Fatal(resp.StatusCode, line, err)
	}
	return r
}

func (v *viewer) status(path string) int {
	v.t.Helper()
	resp, err := v.Get(v.at.URL + path)
	if err != nil {
		v.t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

func TestOverTheLimitTheViewerSeesWhoPlaysAndMayTakeOver(t *testing.T) {
	s := newSite(t, oneseat.Config{})
	first, second := s.viewer(t, "one"), s.viewer(t, "two")
	id := first.mustStart()
	playing := first.media(id)
	told := make(chan said, 1)
	go func() { told <- first.post(stream.Path + id + "/beat") }()

	full := second.start()
	if full.Status != http.StatusConflict || full.Reason != "limit" || full.Limit != 1 || len(full.Streams) != 1 || full.Streams[0].ID != id || full.Streams[0].Here {
		t.Fatalf("%+v", full)
	}
	if a := second.start("NOBODY"); a.Status != http.StatusConflict {
		t.Fatalf("a foreign id: %+v", a)
	}
	mine := second.mustStart(id)
	if _, err := playing.ReadString('\n'); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("what the first played looks complete: %v", err)
	}
	if a := <-told; a.Status != http.StatusGone || a.Reason != "displaced" {
		t.Errorf("the first is told %+v", a)
	}
	second.media(mine)
	if n := first.status("/media?stream=" + id); n != http.StatusGone {
		t.Errorf("%d", n)
	}
	if live, err := s.seats.Sessions(t.Context(), "ada"); err != nil || len(live) != 2 {
		t.Errorf("nobody was to be signed out: %+v, %v", live, err)
	}
}

func TestAReloadASeekOrAnotherQualityIsNoSecondStream(t *testing.T) {
	s := newSite(t, oneseat.Config{})
	v := s.viewer(t, "one")
	id := v.mustStart()
	for range 3 {
		if again := v.mustStart(); again != id {
			t.Fatalf("%s and %s", id, again)
		}
	}
	v.media(id)
	v.media(id)
	v.player = "the random id of another player"
	if a := v.start(); a.Status != http.StatusConflict || !a.Streams[0].Here {
		t.Errorf("another player in the same browser: %+v", a)
	}
}

func TestAStreamIsGivenBack(t *testing.T) {
	s := newSite(t, oneseat.Config{})
	first, second := s.viewer(t, "one"), s.viewer(t, "two")
	id := first.mustStart()
	playing := first.media(id)
	if a := first.post(stream.Path + id + "/stop"); a.Status != http.StatusNoContent {
		t.Fatalf("%+v", a)
	}
	if _, err := playing.ReadString('\n'); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("it plays on: %v", err)
	}
	if a := first.post(stream.Path + id + "/beat"); a.Status != http.StatusNotFound {
		t.Errorf("%+v", a)
	}
	second.mustStart()
}

func TestAMissedHeartbeatFreesTheStream(t *testing.T) {
	s := newSite(t, oneseat.Config{StreamIdle: time.Second})
	first, second := s.viewer(t, "one"), s.viewer(t, "two")
	id := first.mustStart()
	playing := first.media(id)
	for range 3 { // each is held for a third of a second, and keeps it
		if a := first.post(stream.Path + id + "/beat"); a.Status != http.StatusNoContent {
			t.Fatalf("%+v", a)
		}
	}
	if _, err := playing.ReadString('\n'); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("it plays on without heartbeats: %v", err)
	}
	second.mustStart()
	if a := first.post(stream.Path + id + "/beat"); a.Status != http.StatusNotFound {
		t.Errorf("%+v", a)
	}
}

func TestAnotherSessionsStreamIsOfNoUse(t *testing.T) {
	s := newSite(t, oneseat.Config{Streams: 2})
	first, second := s.viewer(t, "one"), s.viewer(t, "two")
	id := first.mustStart()
	if n := second.status("/media?stream=" + id); n != http.StatusNotFound {
		t.Errorf("it plays: %d", n)
	}
	if a := second.post(stream.Path + id + "/beat"); a.Status != http.StatusNotFound {
		t.Errorf("it is kept: %+v", a)
	}
	second.post(stream.Path + id + "/stop")
	first.media(id)
}

func TestTheEndOfTheSessionEndsItsStreams(t *testing.T) {
	s := newSite(t, oneseat.Config{Limit: 1})
	first := s.viewer(t, "one")
	id := first.mustStart()
	playing := first.media(id)
	second := s.viewer(t, "two") // signs in, and displaces the first
	if _, err := playing.ReadString('\n'); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("it plays on: %v", err)
	}
	if a := first.post(stream.Path + id + "/beat"); a.Status != http.StatusUnauthorized {
		t.Errorf("%+v", a)
	}
	second.mustStart() // at once: the seat is free
}

func TestBadPlayersAndStrangersGetNoStream(t *testing.T) {
	s := newSite(t, oneseat.Config{})
	v := s.viewer(t, "one")
	for _, player := range []string{"", "short", strings.Repeat("x", 65)} {
		if a := v.post(stream.Path+"start", "player", player); a.Status != http.StatusBadRequest || a.Reason != "bad_player" {
			t.Errorf("%q: %+v", player, a)
		}
	}
	if n := v.status("/media"); n != http.StatusNotFound {
		t.Errorf("without a stream: %d", n)
	}
	v.Jar, _ = cookiejar.New(nil)
	if a := v.start(); a.Status != http.StatusUnauthorized {
		t.Errorf("without a session: %+v", a)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+stream.Path+"start", strings.NewReader("player="+v.player))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	resp, err := v.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("from another site: %d", resp.StatusCode)
	}
}

func TestEveryAnswerToAPlayerHasTheKeysThatPlayersKnow(t *testing.T) {
	s := newSite(t, oneseat.Config{})
	first, second := s.viewer(t, "one"), s.viewer(t, "two")
	want := func(what string, v *viewer, path string, form url.Values, contentType, keys string) (said map[string]any) {
		t.Helper()
		resp, err := v.PostForm(s.URL+path, form)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(&said); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(slices.Sorted(maps.Keys(said)), " "); got != keys {
			t.Errorf("%s: %s, want %s", what, got, keys)
		}
		if h := resp.Header; h.Get("Content-Type") != contentType || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" || h.Get("Cross-Origin-Resource-Policy") != "same-origin" || h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: headers %v", what, h)
		}
		return said
	}
	const problem, refused = "application/problem+json", "detail reason status title type"
	want("no player", first, stream.Path+"start", nil, problem, refused)
	started := want("a start", first, stream.Path+"start", url.Values{"player": {first.player}}, "application/json", "beat_ms stream")
	want("full", second, stream.Path+"start", url.Values{"player": {second.player}}, problem, "detail limit reason status streams title type")
	want("no stream", second, stream.Path+"NONE/beat", nil, problem, refused)
	id := started["stream"].(string)
	second.mustStart(id)
	want("displaced", first, stream.Path+id+"/beat", nil, problem, "at detail device reason reference status title type")
}

// A node that shuts down does not wait for heartbeats: the player beats elsewhere.
func TestABeatThatWaitsEndsWhenTheServerShutsDown(t *testing.T) {
	for name, shut := range map[string]func(s *site) error{
		"drained": func(s *site) error { s.guard.Drain(); return nil },
		"closed":  func(s *site) error { return s.seats.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, oneseat.Config{StreamIdle: time.Hour})
			v := s.viewer(t, "one")
			id := v.mustStart()
			told := make(chan said, 1)
			go func() {
				defer close(told) // post may fail the test
				told <- v.post(stream.Path + id + "/beat")
			}()
			for s.seats.Stats().Held < 2 && len(told) == 0 { // the session, by the request, and the stream
				runtime.Gosched()
			}
			if err := shut(s); err != nil {
				t.Fatal(err)
			}
			if a := <-told; a.Status != http.StatusServiceUnavailable || a.Reason != "closing" {
				t.Errorf("the player is told %+v", a)
			}
		})
	}
}
