package oneseathttp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/canaries"
	"github.com/oneseat/oneseat/oneseathttp"
	"github.com/oneseat/oneseat/oneseathttp/stream"
	"github.com/oneseat/oneseat/store/memstore"
)

func TestAPaymentEndsAsItsHandlerSaysAlthoughTheSessionEndsMeanwhile(t *testing.T) {
	overBoth(t, func(t *testing.T, s *site) {
		begun, goOn := make(chan struct{}), make(chan struct{})
		s.mux.Handle("POST /pay", s.guard.Finish(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(begun)
			<-goOn
			what, err := io.ReadAll(r.Body)
			if err != nil || r.Context().Err() != nil {
				t.Errorf("the handler is disturbed: %v, %v", err, context.Cause(r.Context()))
			}
			if mine, ok := oneseat.SessionFrom(r.Context()); !ok || mine.Account != "ada" {
				t.Errorf("it is %v's", mine)
			}
			if _, err := s.guard.Rotate(w, r); !isEnded(err) {
				t.Errorf("what rests on the session: %v", err)
			}
			_, _ = fmt.Fprintf(w, "paid for %s", what)
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			_, _ = io.WriteString(w, ", thank you")
		})))
		b := s.browser(t, firefox)
		b.signIn("ada")
		from, to := io.Pipe()
		go func() {
			<-begun
			s.elsewhere(t)
			close(goOn)
			_, _ = io.WriteString(to, "a book")
			_ = to.Close()
		}()
		r, _ := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/pay", from)
		resp, err := b.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if body, err := io.ReadAll(resp.Body); resp.StatusCode != 200 || string(body) != "paid for a book, thank you" || err != nil {
			t.Errorf("%s %q, %v", resp.Status, body, err)
		}
		b.want("/me", 401, "displaced") // and not a request more
	})
}

func TestAPaymentIsAnsweredAlthoughTheRegistryClosesMeanwhile(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{})
	s.mux.Handle("POST /pay", s.guard.Wrap(s.guard.Finish(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := s.seats.Close(); err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(w, "paid")
	}))))
	b := s.browser(t, firefox)
	b.signIn("ada")
	if body, err := io.ReadAll(b.do("POST", "/pay", nil).Body); string(body) != "paid" || err != nil {
		t.Errorf("%q, %v", body, err)
	}
}

// unheard is a store whose log cannot be read: a node over it hears of nothing.
type unheard struct{ oneseat.Store }

func (unheard) Changes(context.Context, int, oneseat.Cursor) (oneseat.Tail, error) {
	return oneseat.Tail{}, fmt.Errorf("the log: %w", oneseat.ErrStoreUnavailable)
}

func TestAPaymentIsAdmittedByACheckThatReadsTheStore(t *testing.T) {
	store := memstore.New()
	nodes := map[string]*oneseat.Registry{}
	for name, s := range map[string]oneseat.Store{"here": unheard{store}, "there": store} {
		seats, err := oneseat.New(s, oneseat.Config{MaxStale: time.Minute, HoldGrace: 24 * time.Hour, Logger: canaries.Logger(nil)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = seats.Close() })
		nodes[name] = seats
	}
	guard, err := oneseathttp.New(nodes["here"], oneseathttp.Config{SignInPath: "/login"})
	if err != nil {
		t.Fatal(err)
	}
	grant, err := nodes["here"].SignIn(t.Context(), "ada", oneseat.SignInRequest{})
	if err != nil {
		t.Fatal(err)
	}
	served := 0
	count := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ })
	ask := func(h http.Handler) int {
		r := httptest.NewRequest(http.MethodPost, "https://members.example/pay", nil)
		r.AddCookie(&http.Cookie{Name: "__Host-oneseat", Value: string(grant.Token)})
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	if code := ask(guard.Finish(count)); code != 200 || served != 1 {
		t.Fatal(code, served)
	}
	if _, err := nodes["there"].SignIn(t.Context(), "ada", oneseat.SignInRequest{}); err != nil {
		t.Fatal(err)
	}
	if code := ask(guard.Require(count)); code != 200 || served != 2 {
		t.Fatalf("%d: this node has heard of it, and the test shows nothing", code)
	}
	if code := ask(guard.Finish(count)); code != 401 || served != 2 {
		t.Errorf("a session that has ended elsewhere paid: %d", code)
	}
}

func TestAnEndThatHadBegunWhenTheRequestCameToFinishDoesNotCutIt(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{})
	s.mux.Handle("POST /pay", s.guard.Finish(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// As the registry does when it ends the session, a moment after it has looked what is
		// to be told.
		oneseat.FromContext(r.Context()).Request.(oneseat.Watcher).SessionEnded(oneseat.ErrNoSession)
		_, _ = io.WriteString(w, "paid")
	})))
	b := s.browser(t, firefox)
	b.signIn("ada")
	if body, err := io.ReadAll(b.do("POST", "/pay", nil).Body); string(body) != "paid" || err != nil {
		t.Errorf("%q, %v", body, err)
	}
}

func TestWhatWasCutBeforeItCameToFinishIsNotServed(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{})
	pay := s.guard.Finish(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was served") }))
	s.mux.HandleFunc("POST /pay", func(w http.ResponseWriter, r *http.Request) {
		displace(t, s.seats)
		pay.ServeHTTP(w, r)
	})
	b := s.browser(t, firefox)
	b.signIn("ada")
	if resp := b.do("POST", "/pay", nil); resp.StatusCode != 401 || b.problem(resp).Reason != "displaced" {
		t.Error(resp.Status)
	}
	if resp := s.browser(t, firefox).do("POST", "/pay", nil); resp.StatusCode != 401 {
		t.Error("nobody is signed in:", resp.Status)
	}
}

func TestAHandlerUnderFinishIsCutAfterAMinute(t *testing.T) {
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		ends    bool // the session, meanwhile
	}{
		"it waits":                 {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, false},
		"it waits and is over":     {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, true},
		"it reads what never ends": {func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var w *wired
				w = newWiredWithin(t, oneseat.Config{}, func(http.Handler) http.Handler {
					return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.guard.Finish(c.handler).ServeHTTP(rw, r) })
				})
				conn := w.dial()
				token := w.signIn("ada")
				began := time.Now()
				_, _ = io.WriteString(conn, "POST /pay HTTP/1.1\r\nHost: members.example\r\nContent-Length: 100000\r\nCookie: __Host-oneseat="+token+"\r\n\r\n")
				var client sync.WaitGroup
				client.Go(func() { // a byte now and then
					for {
						if _, err := io.WriteString(conn, "x"); err != nil {
							return
						}
						time.Sleep(time.Second)
					}
				})
				if c.ends {
					time.Sleep(time.Second)
					w.signIn("ada")
				}
				resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(resp.Body)
				if took := time.Since(began); took != time.Minute || resp.StatusCode != 503 || !strings.Contains(string(body), "took_too_long") || resp.Header.Get("Retry-After") != "" {
					t.Errorf("after %v: %s %v %s", took, resp.Status, resp.Header, body)
				}
				_ = conn.Close()
				client.Wait()
			})
		})
	}
}

func TestNothingThatGoesOnHasAPlaceInsideOfFinish(t *testing.T) {
	s := unstarted(t, oneseat.Config{Limit: 5, Streams: 5}, oneseathttp.Config{})
	streams := stream.New(s.seats, s.guard)
	playing := func(t *testing.T, r *http.Request) string {
		mine, _ := oneseat.SessionFrom(r.Context())
		st, err := s.seats.StartStream(r.Context(), mine, oneseat.Player{ID: "a player's own random id"})
		if err != nil {
			t.Error(err)
		}
		return string(st.ID)
	}
	inside := map[string]http.HandlerFunc{
		"hijack": func(w http.ResponseWriter, _ *http.Request) {
			if _, _, err := http.NewResponseController(w).Hijack(); !errors.Is(err, oneseathttp.ErrInsideFinish) {
				t.Error(err)
			} else {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		},
		"events": func(w http.ResponseWriter, r *http.Request) {
			r.URL.Path = "/oneseat/events"
			s.guard.Handler().ServeHTTP(w, r)
		},
		"endless": func(w http.ResponseWriter, r *http.Request) {
			if _, ok := oneseathttp.NewEndless(w, r, "text/plain", nil); ok {
				t.Error("an endless answer")
			}
		},
		"stream": func(w http.ResponseWriter, r *http.Request) {
			r.URL.RawQuery = "stream=" + playing(t, r)
			streams.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a stream is played") })).ServeHTTP(w, r)
		},
		"finish": func(w http.ResponseWriter, r *http.Request) { // is what it is already
			s.guard.Finish(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				http.Error(w, "inside of Finish", http.StatusInternalServerError)
			})).ServeHTTP(w, r)
		},
	}
	for name, h := range inside {
		s.mux.Handle("GET /"+name, s.guard.Finish(h))
	}
	s.Start()
	b := s.browser(t, firefox)
	b.signIn("ada")
	for name := range inside {
		b.want("/"+name, 500, "Finish")
	}
}

func TestASessionThatARequestGotByItselfMayFinish(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{})
	pay := s.guard.Finish(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "paid") }))
	s.mux.HandleFunc("POST /join-and-pay", func(w http.ResponseWriter, r *http.Request) {
		if _, err := s.guard.SignIn(w, r, "ada"); err != nil {
			t.Error(err)
		}
		pay.ServeHTTP(w, r)
	})
	if body, err := io.ReadAll(s.browser(t, firefox).do("POST", "/join-and-pay", nil).Body); string(body) != "paid" || err != nil {
		t.Errorf("%q, %v", body, err)
	}
}

func TestASessionThatARequestGotByItselfHasNoLongerToFinish(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{FinishWithin: time.Millisecond})
	pay := s.guard.Finish(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := io.WriteString(w, "paying"); err != nil {
				if !strings.Contains(err.Error(), "FinishWithin") {
					t.Error(err)
				}
				return
			}
		}
	}))
	s.mux.HandleFunc("POST /join-and-pay", func(w http.ResponseWriter, r *http.Request) {
		if _, err := s.guard.SignIn(w, r, "ada"); err != nil {
			t.Error(err)
		}
		pay.ServeHTTP(w, r)
	})
	r, _ := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/join-and-pay", nil)
	if resp, err := s.browser(t, firefox).Do(r); err == nil {
		if _, err := io.Copy(io.Discard, resp.Body); err == nil {
			t.Error("what was cut looks complete")
		}
		_ = resp.Body.Close()
	}
}

func TestATimeToFinishInIsPositive(t *testing.T) {
	if _, err := oneseathttp.New(seatsOver(t, registry(t)), oneseathttp.Config{SignInPath: "/login", FinishWithin: -1}); err == nil || !strings.Contains(err.Error(), "FinishWithin") {
		t.Error(err)
	}
}
