package oneseathttp_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

// What is cut stays cut, whatever stands around the guard or in it.

type middleware = func(http.Handler) http.Handler

// overBothWithin runs a test over HTTP/1.1 and over HTTP/2, the site within a
// middleware.
func overBothWithin(t *testing.T, outside middleware, f func(t *testing.T, s *site)) {
	for _, proto := range []string{"HTTP/1.1", "HTTP/2"} {
		t.Run(proto, func(t *testing.T) {
			s := unstarted(t, oneseat.Config{}, oneseathttp.Config{})
			s.Config.Handler = outside(s.Config.Handler)
			if s.EnableHTTP2 = proto == "HTTP/2"; s.EnableHTTP2 {
				s.StartTLS()
			} else {
				s.Start()
			}
			f(t, s)
		})
	}
}

// begins reads what an answer begins with. A client of HTTP/2 may forget what it
// has not read when the stream is reset.
func begins(t *testing.T, resp *http.Response, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != want {
		t.Fatalf("%s: %q, %v", resp.Status, got, err)
	}
}

// hiding is a middleware that wraps the writer without Unwrap, and has Flush, as
// most have. It counts what passes.
type hiding struct {
	http.ResponseWriter
	passed *atomic.Int64
}

func (h hiding) Write(b []byte) (int, error) {
	n, err := h.ResponseWriter.Write(b)
	h.passed.Add(int64(n))
	return n, err
}

func (h hiding) Flush() { _ = http.NewResponseController(h.ResponseWriter).Flush() }

func hide(passed *atomic.Int64) middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(hiding{w, passed}, r)
		})
	}
}

func plain(next http.Handler) http.Handler { return next }

// swallow is the recovery that many applications write for themselves.
func swallow(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// swallowAndMove is one that gives the connection new deadlines, too.
func swallowAndMove(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		defer func() {
			_ = recover()
			_ = errors.Join(c.SetReadDeadline(time.Time{}), c.SetWriteDeadline(time.Time{}))
		}()
		next.ServeHTTP(w, r)
	})
}

// trials are the ways in which a handler sends.
var trials = map[string]func(w http.ResponseWriter) error{
	"Write":       func(w http.ResponseWriter) error { _, err := w.Write([]byte("after")); return err },
	"WriteString": func(w http.ResponseWriter) error { _, err := io.WriteString(w, "after"); return err },
	"ReadFrom":    func(w http.ResponseWriter) error { _, err := io.Copy(w, io.LimitReader(zeros{}, 1<<20)); return err },
	"Flush":       func(w http.ResponseWriter) error { return http.NewResponseController(w).Flush() },
	"a Write after moving the deadline": func(w http.ResponseWriter) error {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Hour))
		_, err := w.Write([]byte("after"))
		return err
	},
	"SetWriteDeadline": func(w http.ResponseWriter) error {
		return http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Hour))
	},
	"SetReadDeadline": func(w http.ResponseWriter) error {
		return http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Hour))
	},
	"EnableFullDuplex": func(w http.ResponseWriter) error { return http.NewResponseController(w).EnableFullDuplex() },
	"Hijack":           func(w http.ResponseWriter) error { _, _, err := http.NewResponseController(w).Hijack(); return err },
	"Push":             func(w http.ResponseWriter) error { return w.(http.Pusher).Push("/", nil) },
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

func TestAfterACutEveryWayToSendReturnsTheCauseAndPassesNothingOn(t *testing.T) {
	for name, try := range trials {
		t.Run(name, func(t *testing.T) {
			var passed atomic.Int64
			overBothWithin(t, hide(&passed), func(t *testing.T, s *site) {
				isCut, tried := make(chan struct{}), make(chan error)
				s.mux.Handle("GET /live", s.guard.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					_, _ = io.WriteString(w, "before")
					_ = http.NewResponseController(w).Flush()
					<-isCut
					tried <- try(w)
				})))
				b := s.browser(t, firefox)
				b.signIn("ada")
				resp := b.do("GET", "/live", nil)
				begins(t, resp, "before")
				s.elsewhere(t)
				before := passed.Load()
				close(isCut)
				err := <-tried
				if over, ok := errors.AsType[*oneseat.EndedError](err); !ok || over.Ending.Reason != oneseat.ReasonDisplaced {
					t.Errorf("%v", err)
				}
				rest, err := io.ReadAll(resp.Body)
				if n := passed.Load() - before; n != 0 || len(rest) != 0 || err == nil {
					t.Errorf("%d bytes passed; the client read %q, %v", n, rest, err)
				}
			})
		})
	}
}

func TestWhatReadsTheBodyAfterACutGetsTheCause(t *testing.T) {
	overBothWithin(t, hide(new(atomic.Int64)), func(t *testing.T, s *site) {
		begun, tried := make(chan struct{}), make(chan error, 1)
		s.mux.Handle("POST /upload", s.guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, part := http.NewResponseController(w), make([]byte, 512)
			close(begun)
			for {
				_ = c.SetReadDeadline(time.Now().Add(time.Hour))
				if _, err := r.Body.Read(part); err != nil {
					tried <- err
					return
				}
			}
		})))
		b := s.browser(t, firefox)
		b.signIn("ada")
		from, upload := io.Pipe()
		defer from.Close()
		r, _ := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/upload", from)
		go func() {
			if resp, err := b.Do(r); err == nil {
				_ = resp.Body.Close()
			}
		}()
		if _, err := io.WriteString(upload, "part"); err != nil {
			t.Fatal(err)
		}
		<-begun
		s.elsewhere(t)
		go func() { // the client goes on for as long as somebody takes it
			for {
				if _, err := upload.Write(make([]byte, 512)); err != nil {
					return
				}
			}
		}()
		if _, ok := errors.AsType[*oneseat.EndedError](<-tried); !ok {
			t.Error("the upload did not end with the cause")
		}
	})
}

func TestAnUploadWithRollingDeadlinesIsNotTakenWhole(t *testing.T) {
	overBoth(t, func(t *testing.T, s *site) {
		begun, tried := make(chan struct{}), make(chan error, 1)
		s.mux.Handle("POST /upload", s.guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, part := http.NewResponseController(w), make([]byte, 512)
			for n := 0; ; n++ {
				_ = c.SetReadDeadline(time.Now().Add(time.Hour))
				if _, err := r.Body.Read(part); err != nil {
					tried <- err
					return
				}
				if n == 0 {
					close(begun)
				}
			}
		})))
		b := s.browser(t, firefox)
		b.signIn("ada")
		from, upload := io.Pipe()
		defer from.Close()
		r, _ := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/upload", from)
		go func() {
			if resp, err := b.Do(r); err == nil {
				_ = resp.Body.Close()
			}
		}()
		_, _ = io.WriteString(upload, "part")
		<-begun
		s.elsewhere(t) // the handler waits in a read, and the client sends nothing
		if err := <-tried; !isEnded(err) {
			t.Error(err)
		}
	})
}

func isEnded(err error) bool {
	_, ok := errors.AsType[*oneseat.EndedError](err)
	return ok
}

func TestAHandlerInsideThatUnwrapsGetsNothingElse(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{})
	s.mux.Handle("GET /unwrap", s.guard.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if _, ok := w.(interface{ Unwrap() http.ResponseWriter }); ok {
			t.Error("it can be unwrapped")
		}
		_, push := w.(http.Pusher)
		//lint:ignore SA1019 gin asks for it
		_, notify := w.(http.CloseNotifier)
		if !push || !notify {
			t.Error("Push, CloseNotify:", push, notify)
		}
		if err := w.(http.Pusher).Push("/", nil); !errors.Is(err, http.ErrNotSupported) {
			t.Error("Push over HTTP/1.1:", err)
		}
	})))
	b := s.browser(t, firefox)
	b.signIn("ada")
	b.want("/unwrap", 200, "")
}

// deaf is a connection that takes no deadline for writing. (For reading net/http
// needs one itself.)
type deaf struct{ net.Conn }

func (deaf) SetWriteDeadline(time.Time) error { return nil }

// rolling is one that sets its own before each read and write, as many do.
type rolling struct{ net.Conn }

func (c rolling) Write(b []byte) (int, error) {
	_ = c.SetWriteDeadline(time.Now().Add(time.Hour))
	return c.Conn.Write(b)
}

func (c rolling) Read(b []byte) (int, error) {
	_ = c.SetReadDeadline(time.Now().Add(time.Hour))
	return c.Conn.Read(b)
}

type listens struct {
	net.Listener
	as func(net.Conn) net.Conn
}

func (l listens) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		c = l.as(c)
	}
	return c, err
}

func TestAConnectionThatMovesOrIgnoresDeadlinesDoesNotKeepARequestGoing(t *testing.T) {
	for name, as := range map[string]func(net.Conn) net.Conn{
		"rolling": func(c net.Conn) net.Conn { return rolling{c} },
		"deaf":    func(c net.Conn) net.Conn { return deaf{c} },
	} {
		t.Run(name, func(t *testing.T) {
			s := unstarted(t, oneseat.Config{}, oneseathttp.Config{})
			s.Listener = listens{s.Listener, as}
			isCut, wrote := make(chan struct{}), make(chan error)
			s.mux.Handle("GET /live", s.guard.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, "before")
				_ = http.NewResponseController(w).Flush()
				<-isCut
				_, err := w.Write(make([]byte, 1<<20))
				wrote <- err
			})))
			s.Start()
			b := s.browser(t, firefox)
			b.signIn("ada")
			resp := b.do("GET", "/live", nil)
			begins(t, resp, "before")
			s.elsewhere(t)
			close(isCut)
			if err := <-wrote; !isEnded(err) {
				t.Error(err)
			}
			if rest, err := io.ReadAll(resp.Body); len(rest) != 0 || err == nil {
				t.Errorf("%q more, %v", rest, err)
			}
		})
	}
}

func TestWhatIsSentInOnePieceEndsWithinThePieceOfTheCut(t *testing.T) {
	const whole = 64 << 20
	file := filepath.Join(t.TempDir(), "film")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, whole); err != nil {
		t.Fatal(err)
	}
	for name, send := range map[string]http.HandlerFunc{
		"Write": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, whole)) },
		"WriteString": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat("x", whole))
		},
		"ServeContent": func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "film.mp4", time.Unix(1, 0), bytes.NewReader(make([]byte, whole)))
		},
		"ServeFile": func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) },
	} {
		t.Run(name, func(t *testing.T) {
			var passed atomic.Int64
			// The kernel may send a file where the middleware lets it: below the one
			// that hides everything, there is none.
			overBothWithin(t, hide(&passed), func(t *testing.T, s *site) {
				returned := make(chan struct{})
				s.mux.Handle("GET /film", s.guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					defer close(returned)
					send(w, r)
				})))
				b := s.browser(t, firefox)
				b.signIn("ada")
				resp := b.do("GET", "/film", nil)
				if _, err := io.ReadFull(resp.Body, make([]byte, 1<<20)); err != nil {
					t.Fatal(err)
				}
				s.elsewhere(t) // nobody reads: the handler waits in a write
				before := passed.Load()
				n, err := io.Copy(io.Discard, resp.Body)
				<-returned
				if after := passed.Load() - before; after > 128<<10 || n > 16<<20 || err == nil {
					t.Errorf("%d bytes passed the guard after the cut; the client read %d more, then %v", after, n, err)
				}
			})
		})
	}
}

func TestARecoveryThatSwallowsEverythingDoesNotMakeACutDownloadLookComplete(t *testing.T) {
	for name, outside := range map[string]middleware{
		"nothing around":                    plain,
		"swallows":                          swallow,
		"swallows, and moves the deadlines": swallowAndMove,
		"swallows, behind a hidden connection": func(next http.Handler) http.Handler {
			return swallow(hide(new(atomic.Int64))(next))
		},
		"swallows twice": func(next http.Handler) http.Handler { return swallow(swallow(next)) },
	} {
		for _, length := range []string{"", "1000000"} {
			for _, how := range []string{"returns", "panics", "aborts"} {
				t.Run(fmt.Sprintf("%s, Content-Length %q, the handler %s", name, length, how), func(t *testing.T) {
					overBothWithin(t, outside, func(t *testing.T, s *site) {
						s.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handler's panic
						s.mux.Handle("GET /file", s.guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
							if length != "" {
								w.Header().Set("Content-Length", length)
							}
							_, _ = io.WriteString(w, "beginning")
							_ = http.NewResponseController(w).Flush()
							<-r.Context().Done()
							switch how {
							case "panics":
								panic("for lack of a connection")
							case "aborts":
								panic(http.ErrAbortHandler)
							}
						})))
						b := s.browser(t, firefox)
						b.signIn("ada")
						resp := b.do("GET", "/file", nil)
						begins(t, resp, "beginning")
						s.elsewhere(t)
						if rest, err := io.ReadAll(resp.Body); len(rest) != 0 || err == nil {
							t.Errorf("%q more, %v", rest, err)
						}
					})
				})
			}
		}
	}
}

func TestOffTheServersGoroutineACutIsThePanicAndNoMore(t *testing.T) {
	seats, guard := newGuard(t)
	rec, panicked := direct(t, seats, guard, bare, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "beginning")
		displace(t, seats)
	})
	if rec.Body.String() != "beginning" || panicked != http.ErrAbortHandler { //nolint:errorlint // net/http compares it so
		t.Errorf("%q, panic %v", rec.Body, panicked)
	}
	// As by http.TimeoutHandler, which hands the panic on to the server.
	overBothWithin(t, func(next http.Handler) http.Handler { return http.TimeoutHandler(next, time.Hour, "") }, func(t *testing.T, s *site) {
		s.mux.Handle("GET /file", s.guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "beginning")
			displace(t, s.seats)
		})))
		b := s.browser(t, firefox)
		b.Transport.(*http.Transport).DisableKeepAlives = true // or the client would ask again, over another connection
		b.signIn("ada")
		r, _ := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/file", nil)
		if resp, err := b.Do(r); err == nil {
			t.Errorf("an answer: %s", resp.Status)
			_ = resp.Body.Close()
		}
	})
}
