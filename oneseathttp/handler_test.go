package oneseathttp_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

// eventStream reads server-sent events.
type eventStream struct {
	t     *testing.T
	lines *bufio.Scanner
	resp  *http.Response
	id    string // of the last event that had one
}

func (b *browser) events() *eventStream {
	b.t.Helper()
	resp := b.do("GET", "/oneseat/events", nil, "Accept", "text/event-stream")
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Cache-Control") != "no-store" {
		b.t.Fatalf("events: %s %v", resp.Status, resp.Header)
	}
	silent := time.AfterFunc(time.Minute, func() { _ = resp.Body.Close() }) // a test that waits for what does not come fails
	b.t.Cleanup(func() { silent.Stop() })
	return &eventStream{b.t, bufio.NewScanner(resp.Body), resp, ""}
}

// next returns the next event; an empty name is the stream's end.
func (s *eventStream) next() (name string, data map[string]any) {
	s.t.Helper()
	for s.lines.Scan() {
		switch field, value, _ := strings.Cut(s.lines.Text(), ": "); field {
		case "id":
			s.id = value
		case "event":
			name = value
		case "data":
			if err := json.Unmarshal([]byte(value), &data); err != nil {
				s.t.Fatal(err)
			}
			return name, data
		}
	}
	return "", nil
}

func TestTheEventsStreamTellsOfTheEndAndIsOver(t *testing.T) {
	overBoth(t, func(t *testing.T, s *site) {
		b := s.browser(t, firefox)
		b.signIn("ada")
		stream := b.events()
		if name, data := stream.next(); name != "session" || data["account"] != "ada" {
			t.Fatal(name, data)
		}
		s.elsewhere(t)
		name, data := stream.next()
		if name != "ended" || data["reason"] != "displaced" || data["device"] != "Safari on iPhone" || data["class"] != "mobile" ||
			data["not_you"] != true || data["sign_in"] != "/login" || len(data["reference"].(string)) != 9 || data["title"] == "" {
			t.Fatal(name, data)
		}
		if name, _ := stream.next(); name != "" || stream.lines.Err() != nil {
			t.Fatalf("the stream went on with %q, or broke: %v", name, stream.lines.Err())
		}
		// A browser that missed it is told when it comes back.
		if name, data := b.events().next(); name != "ended" || data["reason"] != "displaced" {
			t.Fatal(name, data)
		}
	})
}

// An EventSource that nobody closes would come back each second for as long as the ending
// is kept (SSE-03). It names the last event that it got.
func TestAnEventSourceThatHasHeardOfTheEndIsToldToComeNoMore(t *testing.T) {
	overBoth(t, func(t *testing.T, s *site) {
		b := s.browser(t, firefox)
		b.signIn("ada")
		stream := b.events()
		stream.next()
		s.elsewhere(t)
		if name, _ := stream.next(); name != "ended" || stream.id == "" {
			t.Fatalf("%q with the id %q", name, stream.id)
		}
		again := func(id string) *http.Response {
			return b.do("GET", "/oneseat/events", nil, "Accept", "text/event-stream", "Last-Event-ID", id)
		}
		if resp := again(stream.id); resp.StatusCode != http.StatusNoContent || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("it comes back: %s %v", resp.Status, resp.Header)
		}
		// An id of another session is of no use to anybody (SSE-08).
		if resp := again("AAAAAAAAAAAAAAAAAAAAAAAAAA"); resp.StatusCode != 200 {
			t.Errorf("another id: %s", resp.Status)
		}
		last := stream.id
		b.signIn("ada")
		if resp := again(last); resp.StatusCode != 200 {
			t.Errorf("signed in again: %s", resp.Status)
		}
	})
}

func TestEventsWithoutASessionAreRefused(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{})
	b := s.browser(t, firefox)
	if resp := b.do("GET", "/oneseat/events", nil, "Accept", "text/event-stream"); resp.StatusCode != 401 || b.problem(resp).Reason != "no_session" {
		t.Fatal(resp.Status)
	}
}

func TestTheOwnersListEndsOneAndTheOthers(t *testing.T) {
	s := newSite(t, oneseat.Config{Limit: 5}, oneseathttp.Config{})
	one, two, three, stranger := s.browser(t, firefox), s.browser(t, iphone), s.browser(t, "curl/8"), s.browser(t, firefox)
	for _, b := range []*browser{one, two, three} {
		b.signIn("ada")
	}
	stranger.signIn("grace")
	var list struct {
		Account  string
		Sessions []struct {
			ID      string
			Current bool
			Device  struct{ Label, Class, IP string }
		}
	}
	_, body := two.get("/oneseat/sessions")
	if err := json.Unmarshal([]byte(body), &list); err != nil || list.Account != "ada" || len(list.Sessions) != 3 {
		t.Fatal(body, err)
	}
	if s := list.Sessions[1]; !s.Current || s.Device.Label != "Safari on iPhone" || string(s.Device.Class) != "mobile" || s.Device.IP != "127.0.0.0" {
		t.Fatalf("%+v", list)
	}
	if strings.Contains(body, two.token()) || strings.Contains(strings.ToLower(body), "secret") {
		t.Fatal("the list holds a secret")
	}

	end := func(b *browser, id string) string {
		resp := b.do("POST", "/oneseat/sessions/"+id+"/end", url.Values{})
		got, _ := io.ReadAll(resp.Body)
		return fmt.Sprint(resp.StatusCode, " ", strings.TrimSpace(string(got)))
	}
	first := list.Sessions[2].ID
	if got := end(stranger, first); got != `200 {"ended":0}` {
		t.Fatalf("a stranger: %s", got)
	}
	one.want("/me", 200, "ada")
	if got := end(two, first); got != `200 {"ended":1}` {
		t.Fatalf("its owner: %s", got)
	}
	if got := end(two, first); got != `200 {"ended":0}` {
		t.Fatalf("once more: %s", got)
	}
	if p := one.problem(one.do("GET", "/me", nil)); p.Reason != "revoked" || p.Device != "Safari on iPhone" {
		t.Fatalf("the ended one was told %+v", p)
	}
	resp := two.do("POST", "/oneseat/sessions/end-others", url.Values{}, "Accept", "text/html")
	if to, err := resp.Location(); resp.StatusCode != 303 || err != nil || to.Path != "/oneseat/devices" {
		t.Fatalf("a form's browser: %s to %v, %v", resp.Status, to, err)
	}
	three.want("/me", 401, "revoked")
	// And itself: the answer arrives, the cookie is gone.
	if got := end(two, list.Sessions[1].ID); got != `200 {"ended":1}` || two.token() != "" {
		t.Fatalf("itself: %s, cookie %q", got, two.token())
	}
	stranger.want("/me", 200, "grace")
}

func TestCrossSitePostsAreRefused(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{})
	b := s.browser(t, firefox)
	b.signIn("ada")
	for _, path := range []string{"/oneseat/sessions/end-others", "/oneseat/sessions/x/end", "/oneseat/active"} {
		for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}} {
			if resp := b.do("POST", path, url.Values{}, header...); resp.StatusCode != 403 {
				t.Errorf("%s with %v: %s", path, header, resp.Status)
			}
		}
		if resp := b.do("GET", path, nil); resp.StatusCode != 404 && resp.StatusCode != 405 {
			t.Errorf("GET %s: %s", path, resp.Status)
		}
	}
}

func TestTheDevicesPageWorksWithoutScripts(t *testing.T) {
	s := newSite(t, oneseat.Config{Limit: 2}, oneseathttp.Config{})
	b := s.browser(t, firefox)
	b.signIn("ada")
	s.elsewhere(t)
	resp := b.do("GET", "/oneseat/devices", nil, "Accept", "text/html")
	body, _ := io.ReadAll(resp.Body)
	page := string(body)
	for _, want := range []string{"Firefox on Linux", "this device", "Safari on iPhone", `method="post"`, "Sign out all other devices"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q on the page", want)
		}
	}
	if csp := resp.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("policy %q", csp)
	}
	if resp := s.browser(t, firefox).do("GET", "/oneseat/devices", nil, "Accept", "text/html"); resp.StatusCode != 303 {
		t.Errorf("without a session: %s", resp.Status)
	}
}

func TestAReaderThatIsStuckHoldsNobodyUp(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{})
	b := s.browser(t, firefox)
	b.signIn("ada")
	conn, err := net.Dial("tcp", s.Listener.Addr().String()) // asks, and never reads
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET /oneseat/events HTTP/1.1\r\nHost: "+s.Listener.Addr().String()+"\r\nCookie: oneseat="+b.token()+"\r\n\r\n")
	stream := b.events()
	stream.next()
	s.elsewhere(t)
	if name, _ := stream.next(); name != "ended" {
		t.Fatalf("a reader beside it got %q", name)
	}
}

func TestHooksSeeSignInsAndEndings(t *testing.T) {
	var in, out []string
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{
		OnSignIn: func(_ *http.Request, s oneseat.Session) { in = append(in, s.Account+" "+string(s.Device.Class)) },
		OnEnded: func(w http.ResponseWriter, _ *http.Request, e oneseat.Ending) {
			out = append(out, string(e.Reason))
			w.Header().Set("X-App", "dropped")
		},
		Device: func(_ *http.Request, d oneseat.Device) oneseat.Device { d.Class = "tv"; return d },
	})
	b := s.browser(t, firefox)
	b.signIn("ada")
	s.elsewhere(t)
	if resp := b.do("GET", "/me", nil); resp.Header.Get("X-App") != "dropped" {
		t.Error("OnEnded came too late for the headers")
	}
	if fmt.Sprint(in, out) != "[ada tv ada tv] [displaced]" {
		t.Error(in, out)
	}
}
