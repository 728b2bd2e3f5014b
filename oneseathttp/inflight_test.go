package oneseathttp_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

// overBoth runs a test over HTTP/1.1 and over HTTP/2.
func overBoth(t *testing.T, f func(t *testing.T, s *site)) {
	t.Run("HTTP/1.1", func(t *testing.T) {
		f(t, newSite(t, oneseat.Config{}, oneseathttp.Config{}))
	})
	t.Run("HTTP/2", func(t *testing.T) {
		s := unstarted(t, oneseat.Config{}, oneseathttp.Config{})
		s.EnableHTTP2 = true
		s.StartTLS()
		f(t, s)
	})
}

// elsewhere signs the account in on another device.
func (s *site) elsewhere(t *testing.T) {
	t.Helper()
	s.browser(t, iphone).signIn("ada")
}

func TestAStreamThatFlowsIsCutAndDoesNotLookComplete(t *testing.T) {
	overBoth(t, func(t *testing.T, s *site) {
		cause := make(chan error, 1)
		s.mux.Handle("GET /live", s.guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for {
				if _, err := io.WriteString(w, "frame\n"); err != nil {
					break
				}
				if http.NewResponseController(w).Flush() != nil || r.Context().Err() != nil {
					break
				}
			}
			<-r.Context().Done()
			cause <- context.Cause(r.Context())
		})))
		b := s.browser(t, firefox)
		b.signIn("ada")
		resp := b.do("GET", "/live", nil)
		lines := bufio.NewReader(resp.Body)
		if line, err := lines.ReadString('\n'); err != nil || line != "frame\n" {
			t.Fatal(line, err)
		}
		s.elsewhere(t)
		if _, err := io.Copy(io.Discard, lines); err == nil {
			t.Fatal("the transfer looks complete")
		}
		over, ok := errors.AsType[*oneseat.EndedError](<-cause)
		if !ok || over.Ending.Reason != oneseat.ReasonDisplaced {
			t.Fatalf("the handler's cause: %v", over)
		}
	})
}

func TestACutDownloadIsAnUnexpectedEOF(t *testing.T) {
	overBoth(t, func(t *testing.T, s *site) {
		for _, length := range []string{"1000000", ""} {
			s.mux.Handle("GET /file"+length, s.guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if length != "" {
					w.Header().Set("Content-Length", length)
				}
				_, _ = io.WriteString(w, "beginning")
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done() // and returns as if all were well
			})))
			b := s.browser(t, firefox)
			b.signIn("ada")
			resp := b.do("GET", "/file"+length, nil)
			if _, err := io.ReadFull(resp.Body, make([]byte, len("beginning"))); err != nil {
				t.Fatal(err)
			}
			s.elsewhere(t)
			rest, err := io.ReadAll(resp.Body)
			if err == nil || len(rest) != 0 || resp.ProtoMajor == 1 && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("length %q: %d more bytes, then %v", length, len(rest), err)
			}
		}
	})
}

// opaque is a middleware's writer that passes on neither deadlines nor hijacking.
type opaque struct{ http.ResponseWriter }

func (w opaque) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

func TestWhereDeadlinesAreOutOfReachATransferIsBrokenOffAllTheSame(t *testing.T) {
	overBoth(t, func(t *testing.T, s *site) {
		file := s.guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "beginning")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}))
		outer := &site{Server: httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { file.ServeHTTP(opaque{w}, r) }))}
		if outer.EnableHTTP2 = s.EnableHTTP2; outer.EnableHTTP2 {
			outer.StartTLS()
		} else {
			outer.Start()
		}
		defer outer.Close()
		b := s.browser(t, firefox)
		b.signIn("ada")
		b.site = outer // cookies of one host are shared by ports
		resp := b.do("GET", "/", nil)
		if _, err := io.ReadFull(resp.Body, make([]byte, len("beginning"))); err != nil {
			t.Fatal(err)
		}
		s.elsewhere(t)
		if rest, err := io.ReadAll(resp.Body); err == nil {
			t.Fatalf("the transfer looks complete, after %q", rest)
		}
	})
}

func TestWhereNothingWasSentTheRefusalIs(t *testing.T) {
	overBoth(t, func(t *testing.T, s *site) {
		waiting := make(chan struct{}, 1)
		s.mux.Handle("GET /slow", s.guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Secret", "of the session that ended")
			waiting <- struct{}{}
			<-r.Context().Done()
			_, _ = io.WriteString(w, "too late")
		})))
		b := s.browser(t, firefox)
		b.signIn("ada")
		var other sync.WaitGroup
		other.Go(func() { <-waiting; s.elsewhere(t) })
		resp := b.do("GET", "/slow", nil)
		other.Wait()
		if p := b.problem(resp); resp.StatusCode != 401 || p.Reason != "displaced" || resp.Header.Get("X-Secret") != "" {
			t.Fatalf("%d %+v %v", resp.StatusCode, p, resp.Header)
		}
	})
}

func TestAHandlerThatIgnoresItsContextIsCut(t *testing.T) {
	overBoth(t, func(t *testing.T, s *site) {
		returned := make(chan struct{})
		s.mux.Handle("GET /deaf", s.guard.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			defer close(returned)
			block := bytes.Repeat([]byte("x"), 64<<10)
			for {
				if _, err := w.Write(block); err != nil { // it only ever looks at this
					return
				}
			}
		})))
		b := s.browser(t, firefox)
		b.signIn("ada")
		resp := b.do("GET", "/deaf", nil)
		if _, err := io.ReadFull(resp.Body, make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
		s.elsewhere(t) // nobody reads: the handler hangs in Write
		<-returned
		if _, err := io.Copy(io.Discard, resp.Body); err == nil {
			t.Fatal("the transfer looks complete")
		}
	})
}

func TestAHandlerWaitingForTheBodyIsCutAndRefused(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{})
	begun := make(chan struct{})
	s.mux.Handle("POST /upload", s.guard.Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		_, _ = io.Copy(io.Discard, r.Body)
	})))
	b := s.browser(t, firefox)
	b.signIn("ada")
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "POST /upload HTTP/1.1\r\nHost: "+s.Listener.Addr().String()+"\r\nCookie: oneseat="+b.token()+"\r\nContent-Length: 1000\r\n\r\npart")
	<-begun
	s.elsewhere(t)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != 401 {
		t.Fatal(resp, err)
	}
}

func TestARequestThatEndsItsOwnSessionFinishes(t *testing.T) {
	overBoth(t, func(t *testing.T, s *site) {
		b := s.browser(t, firefox)
		for range 20 {
			b.signIn("ada") // replaces its own session: the redirect arrives
			b.want("/me", 200, "ada")
			if resp := b.do("POST", "/logout", url.Values{}); resp.StatusCode != 303 || resp.Header.Get("Location") != "/" {
				t.Fatalf("sign-out: %s", resp.Status)
			}
		}
		b.signIn("ada")
		s.mux.HandleFunc("POST /long-logout", func(w http.ResponseWriter, r *http.Request) {
			if err := s.guard.SignOut(w, r); err != nil {
				t.Error(err)
			}
			if _, ok := oneseat.SessionFrom(r.Context()); ok || r.Context().Err() != nil {
				t.Error("the request still has its session, or was cancelled")
			}
			_, _ = io.WriteString(w, "good bye")
		})
		resp := b.do("POST", "/long-logout", url.Values{})
		if body, err := io.ReadAll(resp.Body); string(body) != "good bye" || err != nil {
			t.Fatal(string(body), err)
		}
	})
}

func TestAfterSignInTheRequestHasTheNewSession(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{})
	s.mux.HandleFunc("POST /join", func(w http.ResponseWriter, r *http.Request) {
		before, _ := oneseat.SessionFrom(r.Context())
		now, err := s.guard.SignIn(w, r, "ada")
		after, ok := oneseat.SessionFrom(r.Context())
		if err != nil || !ok || after != now || after.ID == before.ID {
			t.Errorf("before %v, signed in %v, after %v, %v", before, now, after, err)
		}
	})
	b := s.browser(t, firefox)
	b.do("POST", "/join", url.Values{})
	b.do("POST", "/join", url.Values{})
}

func TestAHijackedConnectionIsClosedAfterItsLastWord(t *testing.T) {
	for _, stays := range []bool{true, false} { // the handler stays, or has left its connection to a goroutine
		s := newSite(t, oneseat.Config{}, oneseathttp.Config{})
		s.mux.Handle("GET /socket", s.guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			if !oneseathttp.OnCut(r, func(cause error) {
				over, _ := errors.AsType[*oneseat.EndedError](cause)
				_, _ = io.WriteString(conn, "bye: "+string(over.Ending.Reason)+"\n")
			}) {
				t.Error("OnCut found no session")
			}
			_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: test\r\nConnection: Upgrade\r\n\r\nhello\n")
			_ = rw.Flush()
			if stays {
				_, _ = io.Copy(io.Discard, conn)
			}
		})))
		b := s.browser(t, firefox)
		b.signIn("ada")
		conn, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, "GET /socket HTTP/1.1\r\nHost: "+s.Listener.Addr().String()+"\r\nConnection: Upgrade\r\nUpgrade: test\r\nCookie: oneseat="+b.token()+"\r\n\r\n")
		lines := bufio.NewReader(conn)
		for line := ""; line != "hello\n"; {
			if line, err = lines.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
		s.elsewhere(t)
		rest, err := io.ReadAll(lines)
		if string(rest) != "bye: displaced\n" || err != nil {
			t.Fatalf("stays %v: %q, %v", stays, rest, err)
		}
		_ = conn.Close()
	}
}

func TestAReverseProxyStopsItsUpstream(t *testing.T) {
	overBoth(t, func(t *testing.T, s *site) {
		stopped := make(chan struct{})
		upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "first\n")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			close(stopped)
		}))
		defer upstream.Close()
		to, _ := url.Parse(upstream.URL)
		s.mux.Handle("GET /far", s.guard.Require(&httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }, FlushInterval: -1, ErrorLog: log.New(t.Output(), "", 0),
		}))
		b := s.browser(t, firefox)
		b.signIn("ada")
		resp := b.do("GET", "/far", nil)
		if _, err := io.ReadFull(resp.Body, make([]byte, len("first\n"))); err != nil {
			t.Fatal(err)
		}
		s.elsewhere(t)
		<-stopped
		if _, err := io.ReadAll(resp.Body); err == nil {
			t.Fatal("the transfer looks complete")
		}
	})
}

func TestOnCutSaysWhetherThereIsASessionThatCouldEnd(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{})
	s.mux.HandleFunc("GET /oncut", func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, oneseathttp.OnCut(r, func(error) {}))
	})
	b := s.browser(t, firefox)
	b.want("/oncut", 200, "false")
	b.signIn("ada")
	b.want("/oncut", 200, "true")
	if oneseathttp.OnCut(httptest.NewRequest("GET", "/", nil), func(error) {}) {
		t.Error("without a guard")
	}
}

func TestAPanicOfTheHandlerStaysOne(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{})
	h := s.guard.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("the handler's own") }))
	b := s.browser(t, firefox)
	b.signIn("ada")
	r := httptest.NewRequest("GET", "/", nil)
	r.Host, r.RemoteAddr = "localhost", "127.0.0.1:1"
	r.AddCookie(&http.Cookie{Name: "oneseat", Value: b.token()})
	defer func() {
		if p := recover(); p != "the handler's own" {
			t.Fatalf("panicked with %v", p)
		}
	}()
	h.ServeHTTP(httptest.NewRecorder(), r)
}

func TestSendfileFlushAndDeadlinesWorkThroughTheGuard(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{})
	s.mux.Handle("GET /copy", s.guard.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if _, ok := w.(io.ReaderFrom); !ok {
			t.Error("no ReadFrom")
		}
		if _, ok := w.(http.Flusher); !ok {
			t.Error("no Flush")
		}
		c, soon := http.NewResponseController(w), time.Now().Add(time.Hour)
		if err := errors.Join(c.SetReadDeadline(soon), c.SetWriteDeadline(soon), c.EnableFullDuplex()); err != nil {
			t.Error(err)
		}
		if n, err := io.Copy(w, strings.NewReader("all of it")); n != 9 || err != nil {
			t.Error(n, err)
		}
	})))
	b := s.browser(t, firefox)
	b.signIn("ada")
	b.want("/copy", 200, "all of it")
}

func TestTheConnectionOfARefusedRequestSpoilsNoLaterOne(t *testing.T) {
	overBoth(t, func(t *testing.T, s *site) {
		inside := make(chan struct{})
		s.mux.Handle("GET /slow", s.guard.Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			inside <- struct{}{}
			<-r.Context().Done()
		})))
		s.mux.HandleFunc("GET /plain", func(w http.ResponseWriter, r *http.Request) {
			if err := r.Context().Err(); err != nil {
				t.Errorf("a new request begins with %v", err)
			}
			w.WriteHeader(http.StatusNoContent)
		})
		b := s.browser(t, firefox)
		for range 20 { // net/http looks at the connection on a goroutine of its own
			b.signIn("ada")
			refused := make(chan *http.Response)
			go func() { refused <- b.do("GET", "/slow", nil) }()
			<-inside
			s.elsewhere(t)
			resp := <-refused
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			_ = b.do("GET", "/plain", nil).Body.Close()
		}
	})
}
