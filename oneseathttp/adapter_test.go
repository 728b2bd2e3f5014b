package oneseathttp_test

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

// What frameworks need of the guard's writer, and what they do to it.

// keeping is the usual adapter of a framework: it passes the request on, and its
// handlers write to the framework's own writer.
func keeping(guard middleware, h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(own http.ResponseWriter, r *http.Request) {
		guard(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { h(own, r) })).ServeHTTP(own, r)
	})
}

// tells is a framework's writer, as gin's and negroni's are: it knows whether the
// answer has begun, and lets nobody else look.
type tells struct {
	http.ResponseWriter
	begun bool
}

func (w *tells) WriteHeader(status int)      { w.begun = true; w.ResponseWriter.WriteHeader(status) }
func (w *tells) Write(b []byte) (int, error) { w.begun = true; return w.ResponseWriter.Write(b) }
func (w *tells) Flush()                      { _ = http.NewResponseController(w.ResponseWriter).Flush() }
func (w *tells) Written() bool               { return w.begun }

func telling(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(&tells{ResponseWriter: w}, r) })
}

// overBothBeside runs a test with a handler beside the site's own, at /beside.
func overBothBeside(t *testing.T, c oneseat.Config, beside func(s *site) http.Handler, f func(t *testing.T, s *site)) {
	for _, proto := range []string{"HTTP/1.1", "HTTP/2"} {
		t.Run(proto, func(t *testing.T) {
			s := unstarted(t, c, oneseathttp.Config{})
			mux := http.NewServeMux()
			mux.Handle("/", s.Config.Handler)
			mux.Handle("GET /beside", beside(s))
			s.Config.Handler = mux
			if s.EnableHTTP2 = proto == "HTTP/2"; s.EnableHTTP2 {
				s.StartTLS()
			} else {
				s.Start()
			}
			f(t, s)
		})
	}
}

func TestNothingIsAppendedToAnAnswerThatWasSentPastTheGuard(t *testing.T) {
	for name, around := range map[string]middleware{"by the server's own writer": plain, "by one that tells": telling} {
		for _, length := range []string{"", "9"} {
			t.Run(name+" "+length, func(t *testing.T) {
				begun, displaced := make(chan struct{}), make(chan struct{})
				overBothBeside(t, oneseat.Config{}, func(s *site) http.Handler {
					return around(keeping(s.guard.Require, func(w http.ResponseWriter, _ *http.Request) {
						if length != "" {
							w.Header().Set("Content-Length", length)
						}
						_, _ = io.WriteString(w, "all of it")
						_ = http.NewResponseController(w).Flush()
						<-begun
						displace(t, s.seats)
						displaced <- struct{}{}
					}))
				}, func(t *testing.T, s *site) {
					b := s.browser(t, firefox)
					b.signIn("ada")
					resp := b.do("GET", "/beside", nil)
					begins(t, resp, "all of it")
					begun <- struct{}{}
					<-displaced
					if rest, err := io.ReadAll(resp.Body); len(rest) != 0 || err == nil && length == "" {
						t.Errorf("%q more, %v", rest, err)
					}
				})
			})
		}
	}
}

func TestWhereNothingWasSentPastTheGuardTheRefusalIs(t *testing.T) {
	for name, around := range map[string]middleware{"the server's own writer": plain, "one that tells": telling} {
		t.Run(name, func(t *testing.T) {
			overBothBeside(t, oneseat.Config{}, func(s *site) http.Handler {
				return around(keeping(s.guard.Require, func(http.ResponseWriter, *http.Request) { displace(t, s.seats) }))
			}, func(t *testing.T, s *site) {
				b := s.browser(t, firefox)
				b.signIn("ada")
				b.want("/beside", 401, "displaced")
			})
		})
	}
}

func TestAnAdapterThatKeepsItsWriterIsWarnedOfOnce(t *testing.T) {
	said := &warnings{Handler: slog.DiscardHandler}
	overBothBeside(t, oneseat.Config{Logger: slog.New(said)}, func(s *site) http.Handler {
		return telling(keeping(s.guard.Require, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "sent past it") }))
	}, func(t *testing.T, s *site) {
		said.mu.Lock()
		said.said = nil
		said.mu.Unlock()
		b := s.browser(t, firefox)
		b.signIn("ada")
		b.want("/beside", 200, "sent past it")
		b.want("/beside", 200, "sent past it")
		if all := said.all(); len(all) != 1 || !strings.Contains(all[0], "adapter") || !strings.Contains(all[0], "oneseathttp_test.tells") {
			t.Errorf("%q", all)
		}
	})
}

func TestOverHTTP1AHandlerThatWritesPastTheGuardIsStoppedAllTheSame(t *testing.T) {
	s := unstarted(t, oneseat.Config{}, oneseathttp.Config{})
	mux, returned := http.NewServeMux(), make(chan struct{})
	mux.Handle("/", s.Config.Handler)
	mux.Handle("GET /beside", keeping(s.guard.Require, func(w http.ResponseWriter, _ *http.Request) {
		defer close(returned)
		for {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	}))
	s.Config.Handler = mux
	s.Start()
	b := s.browser(t, firefox)
	b.signIn("ada")
	resp := b.do("GET", "/beside", nil)
	if _, err := io.ReadFull(resp.Body, make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	s.elsewhere(t)
	<-returned
	if _, err := io.Copy(io.Discard, resp.Body); err == nil {
		t.Error("what was cut looks complete")
	}
}

func TestRequireFindsTheRequestAgainBehindAnAdapterThatLostIt(t *testing.T) {
	begun := make(chan struct{})
	overBothBeside(t, oneseat.Config{}, func(s *site) http.Handler {
		return keeping(s.guard.Wrap, func(own http.ResponseWriter, r *http.Request) {
			s.guard.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, "before")
				_ = http.NewResponseController(w).Flush()
				<-begun
				displace(t, s.seats)
				if _, err := io.WriteString(w, "after"); !isEnded(err) {
					t.Error(err)
				}
			})).ServeHTTP(own, r)
		})
	}, func(t *testing.T, s *site) {
		b := s.browser(t, firefox)
		b.signIn("ada")
		resp := b.do("GET", "/beside", nil)
		begins(t, resp, "before")
		begun <- struct{}{}
		if rest, err := io.ReadAll(resp.Body); len(rest) != 0 || err == nil {
			t.Errorf("%q more, %v", rest, err)
		}
	})
}

func TestCloseNotifyTellsOfACutAndOfAClientThatHasGone(t *testing.T) {
	overBoth(t, func(t *testing.T, s *site) {
		told := make(chan bool)
		s.mux.Handle("GET /old", s.guard.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			//lint:ignore SA1019 old libraries ask like this
			gone := w.(http.CloseNotifier).CloseNotify()
			_ = http.NewResponseController(w).Flush()
			told <- <-gone
		})))
		b := s.browser(t, firefox)
		for _, cut := range []bool{true, false} {
			b.signIn("ada")
			resp := b.do("GET", "/old", nil)
			if cut {
				s.elsewhere(t)
			} else {
				_ = resp.Body.Close()
			}
			if !<-told {
				t.Error("a channel that is closed")
			}
		}
		resp := s.browser(t, firefox).do("GET", "/old", nil) // nobody is signed in
		_ = resp.Body.Close()
		<-told
	})
}

func TestWhatIsSentBeforeAnAnswerIsNoAnswer(t *testing.T) {
	overBoth(t, func(t *testing.T, s *site) {
		s.mux.Handle("GET /hints", s.guard.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "</style.css>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
			displace(t, s.seats)
			w.WriteHeader(http.StatusEarlyHints)
		})))
		b := s.browser(t, firefox)
		b.signIn("ada")
		hints := 0
		trace := &httptrace.ClientTrace{Got1xxResponse: func(int, textproto.MIMEHeader) error { hints++; return nil }}
		r, _ := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), "GET", s.URL+"/hints", nil)
		resp, err := b.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if p := b.problem(resp); resp.StatusCode != 401 || p.Reason != "displaced" || hints != 1 || resp.Header.Get("Link") != "" {
			t.Errorf("%s %+v after %d hints, %v", resp.Status, p, hints, resp.Header)
		}
	})
}

func TestWhatCannotBeDoneWithAConnectionIsNoAnswer(t *testing.T) {
	seats, guard := newGuard(t)
	for name, try := range map[string]func(c *http.ResponseController) error{
		"Flush":  func(c *http.ResponseController) error { return c.Flush() },
		"Hijack": func(c *http.ResponseController) error { _, _, err := c.Hijack(); return err },
	} {
		rec, panicked := direct(t, seats, guard, func(w http.ResponseWriter) http.ResponseWriter { return struct{ http.ResponseWriter }{w} }, func(w http.ResponseWriter, _ *http.Request) {
			if err := try(http.NewResponseController(w)); err == nil {
				t.Error(name, "was done")
			}
			displace(t, seats)
		})
		if rec.Code != 401 || panicked != nil {
			t.Errorf("%s: %d, panic %v", name, rec.Code, panicked)
		}
	}
}

func TestAProxiedConnectionIsClosedByHalves(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("TLS %v", secure), func(t *testing.T) {
			last := make(chan string, 1)
			upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				conn, rw, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\nall that I have to say")
				_ = rw.Flush()
				_ = conn.(*net.TCPConn).CloseWrite()
				rest, _ := io.ReadAll(rw)
				last <- string(rest)
			}))
			defer upstream.Close()
			to, _ := url.Parse(upstream.URL)
			s := unstarted(t, oneseat.Config{}, oneseathttp.Config{})
			s.mux.Handle("GET /far", s.guard.Require(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }, ErrorLog: log.New(t.Output(), "", 0)}))
			if secure {
				s.StartTLS()
			} else {
				s.Start()
			}
			b := s.browser(t, firefox)
			b.Transport.(*http.Transport).ForceAttemptHTTP2 = false
			b.signIn("ada")
			resp := b.do("GET", "/far", nil, "Connection", "Upgrade", "Upgrade", "test")
			conn, ok := resp.Body.(io.ReadWriteCloser)
			if resp.StatusCode != http.StatusSwitchingProtocols || !ok {
				t.Fatal(resp.Status)
			}
			if said, err := io.ReadAll(conn); string(said) != "all that I have to say" || err != nil {
				t.Fatalf("%q, %v", said, err)
			}
			if _, err := io.WriteString(conn, "and my last word"); err != nil {
				t.Error(err)
			}
			_ = conn.Close()
			if got := <-last; got != "and my last word" {
				t.Errorf("the other end heard %q", got)
			}
		})
	}
}

func TestAHijackedConnectionHasTheHalvesThatItHad(t *testing.T) {
	s := unstarted(t, oneseat.Config{}, oneseathttp.Config{})
	s.Listener = listens{s.Listener, func(c net.Conn) net.Conn { return struct{ net.Conn }{c} }}
	has := make(chan bool, 1)
	s.mux.Handle("GET /socket", s.guard.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, half := conn.(interface{ CloseWrite() error })
		has <- half
		_ = conn.Close()
	})))
	s.Start()
	b := s.browser(t, firefox)
	b.signIn("ada")
	conn, err := net.DialTimeout("tcp", s.Listener.Addr().String(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET /socket HTTP/1.1\r\nHost: "+s.Listener.Addr().String()+"\r\nCookie: oneseat="+b.token()+"\r\n\r\n")
	_, _ = bufio.NewReader(conn).ReadByte()
	if <-has {
		t.Error("a half that the connection beneath has not")
	}
}

func TestARefusalInThePlaceOfAnAnswerCanBeReadByWhoeverAsked(t *testing.T) {
	around := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			h.Set("Access-Control-Allow-Origin", "https://app.example")
			h.Set("X-Frame-Options", "DENY")
			if r.URL.Query().Has("compressed") {
				h.Set("Content-Encoding", "rot13")
			}
			next.ServeHTTP(w, r)
		})
	}
	overBothWithin(t, around, func(t *testing.T, s *site) {
		s.mux.Handle("GET /slow", s.guard.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			h := w.Header()
			h.Set("Content-Encoding", "of the handler")
			h.Set("X-Secret", "of the session that ended")
			h.Set("Referrer-Policy", "no-referrer")
			http.SetCookie(w, &http.Cookie{Name: "inside", Value: "x"})
			displace(t, s.seats)
		})))
		s.mux.Handle("GET /bare", s.guard.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { displace(t, s.seats) })))
		b := s.browser(t, firefox)
		for _, path := range []string{"/slow", "/bare", "/slow?compressed", "/bare?compressed"} {
			b.signIn("ada")
			h := b.do("GET", path, nil).Header
			if h.Get("Access-Control-Allow-Origin") != "https://app.example" || h.Get("X-Frame-Options") != "DENY" {
				t.Errorf("%s: what the site says of itself is not there: %v", path, h)
			}
			if (h.Get("Content-Encoding") != "") != strings.Contains(path, "compressed") {
				t.Errorf("%s: Content-Encoding %q", path, h.Get("Content-Encoding"))
			}
			if h.Get("X-Secret") != "" || h.Get("Set-Cookie") != "" || strings.HasPrefix(path, "/slow") != (h.Get("Referrer-Policy") != "") {
				t.Errorf("%s: what the handler set: %v", path, h)
			}
		}
	})
}
