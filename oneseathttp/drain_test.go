package oneseathttp_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

// opened reads an answer until its first line is there.
func opened(t *testing.T, resp *http.Response) *bufio.Reader {
	t.Helper()
	from := bufio.NewReader(resp.Body)
	if line, err := from.ReadString('\n'); resp.StatusCode != http.StatusOK || err != nil {
		t.Fatalf("%s: %q, %v", resp.Status, line, err)
	}
	return from
}

// wantEnd reads an answer to its proper end, and returns it.
func wantEnd(t *testing.T, what string, from io.Reader) string {
	t.Helper()
	rest, err := io.ReadAll(from)
	if err != nil {
		t.Errorf("%s: broken off after %q: %v", what, rest, err)
	}
	return string(rest)
}

// ticker is an endless answer of the application.
func ticker(w http.ResponseWriter, r *http.Request) {
	e, ok := oneseathttp.NewEndless(w, r, "text/event-stream", []byte(": ticker\n\n"))
	for ok {
		select {
		case <-r.Context().Done():
			return
		case <-e.Beat():
			ok = e.Send([]byte(": still here\n\n")) == nil
		}
	}
}

// C9: a server shuts down while pages listen, and what is in flight ends as it
// should.
func TestADrainEndsWhatIsEndlessAndTheRestFinishes(t *testing.T) {
	overBoth(t, func(t *testing.T, s *site) {
		begun, goOn := make(chan struct{}), make(chan struct{})
		s.mux.Handle("GET /ticker", s.guard.Require(http.HandlerFunc(ticker)))
		s.mux.Handle("GET /download", s.guard.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "one half\n")
			_ = http.NewResponseController(w).Flush()
			<-goOn
			_, _ = io.WriteString(w, "the other half")
		})))
		s.mux.Handle("POST /order", s.guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			begun <- struct{}{}
			<-goOn
			if err := r.Context().Err(); err != nil {
				t.Errorf("the order is disturbed: %v", context.Cause(r.Context()))
			}
			_, _ = io.WriteString(w, "ordered")
		})))
		s.mux.Handle("POST /pay", s.guard.Finish(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			begun <- struct{}{}
			<-goOn
			_, _ = io.WriteString(w, "paid")
		})))
		s.Config.RegisterOnShutdown(s.guard.Drain)
		b := s.browser(t, firefox)
		b.signIn("ada")
		events, own := opened(t, b.do("GET", "/oneseat/events", nil)), opened(t, b.do("GET", "/ticker", nil))
		download := opened(t, b.do("GET", "/download", nil))
		var posts sync.WaitGroup
		for path, want := range map[string]string{"/order": "ordered", "/pay": "paid"} {
			posts.Go(func() {
				if resp := b.do("POST", path, nil); resp.StatusCode != 200 || wantEnd(t, path, resp.Body) != want {
					t.Errorf("POST %s: %s", path, resp.Status)
				}
			})
		}
		<-begun
		<-begun
		down := make(chan error, 1)
		go func() { down <- s.Config.Shutdown(t.Context()) }()
		if told := wantEnd(t, "events", events); !strings.Contains(told, "event: closing\ndata: {\"reason\":\"closing\"") || strings.Contains(told, "event: ended") {
			t.Errorf("the page was told %q", told)
		}
		wantEnd(t, "the application's events", own)
		close(goOn)
		if got := wantEnd(t, "the download", download); got != "the other half" {
			t.Errorf("the download: %q", got)
		}
		posts.Wait()
		if err := <-down; err != nil {
			t.Error(err)
		}
		if err := s.seats.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestAGuardThatDrainsRefusesEventsAndNothingElse(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{})
	s.mux.Handle("GET /ticker", s.guard.Require(http.HandlerFunc(ticker)))
	b := s.browser(t, firefox)
	b.signIn("ada")
	select {
	case <-s.guard.Draining():
		t.Error("it drains before it is told to")
	default:
	}
	s.guard.Drain()
	s.guard.Drain()
	<-s.guard.Draining()
	resp := b.do("GET", "/oneseat/events", nil)
	if p := b.problem(resp); resp.StatusCode != 503 || p.Reason != "closing" || resp.Header.Get("Retry-After") != "1" || !resp.Close {
		t.Errorf("events: %s %+v, %v, the connection closes: %v", resp.Status, p, resp.Header, resp.Close)
	}
	b.want("/me", 200, "ada")
	b.want("/oneseat/session", 200, "ada")
	// An EventSource gives up after a refusal, and comes back after an end.
	if body := wantEnd(t, "the application's events", b.do("GET", "/ticker", nil).Body); !strings.HasPrefix(body, ": ticker\n\n") {
		t.Errorf("%q", body)
	}
	other := s.browser(t, iphone)
	other.signIn("ada")
	other.want("/me", 200, "ada")
	// A page whose session has ended is told why, as ever.
	b.want("/oneseat/events", 200, `"reason":"displaced"`)
}

func TestNoStreamSlipsInWhileAGuardDrains(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{})
	s.mux.Handle("GET /ticker", s.guard.Require(http.HandlerFunc(ticker)))
	b := s.browser(t, firefox)
	b.signIn("ada")
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			<-start
			if i%4 == 0 {
				s.guard.Drain()
			}
			path := []string{"/oneseat/events", "/ticker"}[i%2]
			wantEnd(t, path, b.do("GET", path, nil).Body)
		})
	}
	close(start)
	all.Wait()
}

func TestALongPollForEventsIsAnsweredAtADrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWiredWithin(t, oneseat.Config{}, func(next http.Handler) http.Handler { return http.TimeoutHandler(next, time.Minute, "too late") })
		conn := w.ask(w.signIn("ada"))
		defer conn.Close()
		synctest.Wait()
		began := time.Now()
		w.guard.Drain()
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if body := wantEnd(t, "events", resp.Body); !strings.Contains(body, "event: closing\n") || time.Since(began) != 0 {
			t.Errorf("after %v: %q", time.Since(began), body)
		}
	})
}

// probe is a writer whose memory tells when it is forgotten.
type probe struct{ http.ResponseWriter }

func (p *probe) Unwrap() http.ResponseWriter { return p.ResponseWriter }

func TestAnEndlessAnswerThatHasEndedIsForgotten(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{})
	var forgotten atomic.Int64
	s.mux.HandleFunc("GET /short", func(w http.ResponseWriter, r *http.Request) {
		p := &probe{w}
		runtime.AddCleanup(p, func(n int64) { forgotten.Add(n) }, 1)
		if e, ok := oneseathttp.NewEndless(p, r, "text/plain", []byte("opening")); !ok || e.Send([]byte(", end")) != nil {
			t.Error("it was not sent")
		}
	})
	b := s.browser(t, firefox)
	for range 5 {
		b.want("/short", 200, "opening, end")
	}
	for deadline := time.Now().Add(20 * time.Second); forgotten.Load() < 5; runtime.GC() {
		if time.Now().After(deadline) {
			t.Fatalf("%d of 5 are forgotten", forgotten.Load())
		}
	}
}

func TestAfterCloseNoRequestIsAdmitted(t *testing.T) {
	s := newSite(t, oneseat.Config{MaxStale: time.Minute}, oneseathttp.Config{})
	var ran atomic.Bool
	s.mux.Handle("POST /pay", s.guard.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { ran.Store(true) })))
	b := s.browser(t, firefox)
	b.signIn("ada")
	b.want("/me", 200, "ada") // memory may say yes for a minute
	if err := s.seats.Close(); err != nil {
		t.Fatal(err)
	}
	resp := b.do("POST", "/pay", nil)
	if p := b.problem(resp); resp.StatusCode != 503 || p.Reason != "closing" || !resp.Close || ran.Load() {
		t.Errorf("%s %+v, the handler ran: %v", resp.Status, p, ran.Load())
	}
}

// C9: the registry is closed before the server is shut down.
func TestWorkInFlightWhenTheRegistryIsClosed(t *testing.T) {
	for name, c := range map[string]struct {
		handler func(s *site, w http.ResponseWriter, r *http.Request, closed func())
		status  int
		body    string
		broken  bool
	}{
		"is answered, if it was done": {func(_ *site, w http.ResponseWriter, r *http.Request, closed func()) {
			closed()
			if !errors.Is(context.Cause(r.Context()), oneseat.ErrClosed) {
				t.Errorf("its context: %v", context.Cause(r.Context()))
			}
			w.WriteHeader(http.StatusCreated)
			_, _ = io.WriteString(w, "paid")
		}, 201, "paid", false},
		"is answered, also if its handler hears of it in its own way": {func(s *site, w http.ResponseWriter, r *http.Request, closed func()) {
			mine, _ := oneseat.SessionFrom(r.Context())
			heard, answered, over := make(chan struct{}), make(chan struct{}), make(chan struct{})
			stop := s.seats.AfterEnd(r.Context(), mine, func(error) { close(heard); <-answered })
			defer stop()
			go func() { closed(); close(over) }()
			<-heard
			_, _ = io.WriteString(w, "paid")
			close(answered)
			<-over
		}, 200, "paid", false},
		"is refused, if it gave up": {func(_ *site, _ http.ResponseWriter, r *http.Request, closed func()) {
			closed()
			<-r.Context().Done()
		}, 503, `"reason":"closing"`, false},
		"is broken off, if its answer had begun": {func(_ *site, w http.ResponseWriter, r *http.Request, closed func()) {
			_, _ = io.WriteString(w, "picture 1\n")
			_ = http.NewResponseController(w).Flush()
			closed()
			<-r.Context().Done()
		}, 200, "picture 1\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			overBoth(t, func(t *testing.T, s *site) {
				s.mux.Handle("POST /work", s.guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					c.handler(s, w, r, func() {
						if err := s.seats.Close(); err != nil {
							t.Error(err)
						}
					})
				})))
				b := s.browser(t, firefox)
				b.signIn("ada")
				listening := opened(t, b.do("GET", "/oneseat/events", nil))
				resp := b.do("POST", "/work", nil)
				body, err := io.ReadAll(resp.Body)
				if resp.StatusCode != c.status || !strings.Contains(string(body), c.body) || (err != nil) != c.broken {
					t.Errorf("%s %q, %v", resp.Status, body, err)
				}
				if told := wantEnd(t, "events", listening); !strings.Contains(told, "event: closing\n") {
					t.Errorf("the page was told %q", told)
				}
				if err := s.Config.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestWorkThatGoesOnAfterTheRegistryWasClosedIsCutAfterTheGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const grace = 3 * time.Second
		mux := http.NewServeMux()
		w := newWiredWithin(t, oneseat.Config{HoldGrace: grace}, func(http.Handler) http.Handler { return mux })
		var began time.Time
		late := make(chan error, 1)
		mux.Handle("GET /endless", w.guard.Require(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { // it looks at nothing
			if err := w.seats.Close(); err != nil {
				t.Error(err)
			}
			began = time.Now()
			var err error
			for err == nil {
				time.Sleep(100 * time.Millisecond)
				_, err = io.WriteString(rw, "picture\n")
				_ = http.NewResponseController(rw).Flush()
			}
			late <- err
		})))
		conn := w.get("/endless", w.signIn("ada"))
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(resp.Body); err == nil {
			t.Errorf("it looks complete: %q", body)
		}
		if err, took := <-late, time.Since(began); !errors.Is(err, oneseat.ErrClosed) || took < grace || took > grace+time.Second {
			t.Errorf("after %v: %v", took, err)
		}
	})
}
