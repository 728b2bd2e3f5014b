package oneseathttp_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

func TestEventsOverHTTP2StandStillForAsLongAsNothingHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWired(t, oneseat.Config{Idle: time.Hour})
		tr := &http.Transport{
			Protocols:   new(http.Protocols),
			DialContext: func(context.Context, string, string) (net.Conn, error) { return w.dial(), nil },
		}
		tr.Protocols.SetUnencryptedHTTP2(true)
		defer tr.CloseIdleConnections()
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://members.example/oneseat/events", nil)
		r.AddCookie(&http.Cookie{Name: "__Host-oneseat", Value: w.signIn("ada")})
		resp, err := tr.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.ProtoMajor != 2 {
			t.Fatal(resp.Proto)
		}
		began, told := time.Now(), ""
		lines := bufio.NewScanner(resp.Body)
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), "data: ") {
				told = lines.Text()
			}
		}
		if !strings.Contains(told, "idle_timeout") || time.Since(began) < time.Hour {
			t.Errorf("after %v: %s, %v", time.Since(began), told, lines.Err())
		}
	})
}

func TestAReaderThatIsStuckIsDroppedInSecondsOverHTTP2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// The window of a stream is 64 KiB here: what is sent beyond it waits.
		big := func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				e, ok := oneseathttp.NewEndless(w, r, "text/plain", nil)
				for ok {
					ok = e.Send(make([]byte, 1<<20)) == nil
				}
			})
		}
		w := newWiredWithin(t, oneseat.Config{}, big)
		tr := &http.Transport{
			Protocols:   new(http.Protocols),
			HTTP2:       &http.HTTP2Config{MaxReceiveBufferPerStream: 64 << 10},
			DialContext: func(context.Context, string, string) (net.Conn, error) { return w.dial(), nil },
		}
		tr.Protocols.SetUnencryptedHTTP2(true)
		defer tr.CloseIdleConnections()
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://members.example/oneseat/events", nil)
		began := time.Now()
		resp, err := tr.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close() // and reads nothing
		if took := (<-w.left).Sub(began); took > 11*time.Second {
			t.Errorf("a stream to nobody was held for %v", took)
		}
	})
}

func TestHEADOfWhatIsEndlessIsAnsweredAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWired(t, oneseat.Config{})
		token := w.signIn("ada")
		conn := w.dial()
		from := bufio.NewReader(conn)
		for range 40 { // more than a session may have open
			w.send(conn, http.MethodHead, "/oneseat/events", token)
			resp, err := http.ReadResponse(from, &http.Request{Method: http.MethodHead})
			if err != nil || resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Cache-Control") != "no-store" {
				t.Fatal(resp, err)
			}
			<-w.left
			w.send(conn, http.MethodGet, "/oneseat/session", token) // on the same connection
			if resp, err = http.ReadResponse(from, nil); err != nil || resp.StatusCode != http.StatusOK {
				t.Fatal(resp, err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			<-w.left
		}
	})
}

func TestWhereAnswersCannotBeFlushedEventsAreALongPoll(t *testing.T) {
	for _, patience := range []time.Duration{5 * time.Second, time.Minute} {
		t.Run(fmt.Sprint(patience), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWiredWithin(t, oneseat.Config{}, func(next http.Handler) http.Handler { return http.TimeoutHandler(next, patience, "too late") })
				token := w.signIn("ada")
				poll := func() string {
					conn := w.ask(token)
					defer conn.Close()
					resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
					if err != nil || resp.StatusCode != http.StatusOK {
						t.Fatal(resp, err)
					}
					body, err := io.ReadAll(resp.Body)
					if err != nil || !strings.Contains(string(body), "retry: 1000\n\nevent: session\n") {
						t.Errorf("%q, %v", body, err)
					}
					return string(body)
				}
				began := time.Now()
				if text := poll(); strings.Contains(text, "event: ended") {
					t.Errorf("nothing has happened: %q", text)
				}
				if took := time.Since(began); took < 3*time.Second || took > 25*time.Second {
					t.Errorf("nothing has happened, and that was told after %v", took)
				}
				began = time.Now()
				go func() {
					time.Sleep(time.Second)
					w.signIn("ada")
				}()
				if text := poll(); !strings.Contains(text, `"reason":"displaced"`) || time.Since(began) != time.Second {
					t.Errorf("after %v: %q", time.Since(began), text)
				}
			})
		})
	}
}

func TestAnOpeningThatCannotBeSentLeavesNothingToDo(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{})
	over := make(chan bool, 1)
	s.mux.Handle("GET /live", s.guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		displace(t, s.seats)
		_, ok := oneseathttp.NewEndless(w, r, "text/plain", []byte("too late"))
		over <- ok
	})))
	b := s.browser(t, firefox)
	b.signIn("ada")
	b.want("/live", 401, "displaced")
	if <-over {
		t.Error("an answer that was cut goes on")
	}
}
