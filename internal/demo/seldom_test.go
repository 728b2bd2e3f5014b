package demo_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/demo"
	"github.com/oneseat/oneseat/store/memstore"
)

func TestAKindOfTroubleIsLoggedOnceASecondAndTheRestCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		logger := slog.New(demo.Seldom(slog.NewTextHandler(&log, nil)))
		lines := func() int { defer log.Reset(); return strings.Count(log.String(), "\n") }
		for range 1000 {
			logger.Error("a")
			logger.With("x", 1).WithGroup("g").Error("a")
			logger.Warn("a")
			logger.Error("b")
		}
		if n := lines(); n != 3 {
			t.Errorf("%d lines of three kinds", n)
		}
		for range 10 {
			logger.Info("this was asked for")
		}
		if n := lines(); n != 10 {
			t.Errorf("%d lines of 10 that tell of no trouble", n)
		}
		time.Sleep(time.Second)
		logger.Error("a")
		if said := log.String(); !strings.Contains(said, "left_out=1999") {
			t.Errorf("a second later: %q", said)
		}
		log.Reset()
		for i := range 10000 { // a client's text in a message
			logger.Error(fmt.Sprint("from ", i))
		}
		if n := lines(); n > 65 {
			t.Errorf("%d lines of 10000 kinds", n)
		}
	})
}

// lockedBuffer is a buffer that several goroutines write to.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) errors() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), "level=ERROR")
}

// lostHashes are in a database that can be made to give no answer.
type lostHashes struct {
	demo.Hashes
	lost atomic.Bool
}

func (h *lostHashes) Get(ctx context.Context, name string) (string, error) {
	if h.lost.Load() {
		return "", errors.New("no connection")
	}
	return h.Hashes.Get(ctx, name)
}

func TestStrangersCannotFillTheLogAndTroubleIs503(t *testing.T) {
	log, hashes, store := &lockedBuffer{}, &lostHashes{Hashes: demo.MemoryHashes()}, &outage{Store: memstore.New()}
	f, _, _ := onStage(t, oneseat.Config{}, hashes, store, slog.New(slog.NewTextHandler(log, nil)))
	hashes.lost.Store(true)
	store.down.Store(true)
	b := f.browser(firefox)
	began := time.Now()
	for range 300 {
		for path, form := range map[string][]string{"/login": {"username", "ada", "password", "ada"}, "/stage/clear": nil, "/stage/rush": nil} {
			a := b.post(path, form...)
			if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" || a.has("no connection") || a.has("fire") {
				t.Fatalf("%s: %d\n%s", path, a.status, a.body)
			}
		}
	}
	if n, seconds := log.errors(), int(time.Since(began)/time.Second)+1; n == 0 || n > 3*seconds+1 { // and one of the registry, of the store
		t.Errorf("%d lines in %d seconds", n, seconds)
	}
}

// No database accepts these names.
func TestANameThatNoDatabaseTakesIsAWrongNameAndNoTrouble(t *testing.T) {
	f := newSite(t, oneseat.Config{}, fussyHashes{demo.MemoryHashes()})
	for _, name := range []string{"ada\x00", "\xff", "\xed\xa0\x80", "a\x00b"} {
		if a := f.browser(firefox).signIn(name, "ada"); a.status != http.StatusUnauthorized {
			t.Errorf("%q: %d", name, a.status)
		}
	}
}

// fussyHashes refuses what PostgreSQL refuses.
type fussyHashes struct{ demo.Hashes }

func (h fussyHashes) Get(ctx context.Context, name string) (string, error) {
	if strings.ToValidUTF8(name, "") != name || strings.Contains(name, "\x00") {
		return "", errors.New("invalid byte sequence for encoding \"UTF8\"")
	}
	return h.Hashes.Get(ctx, name)
}

func TestTheStageIsShownUnderTheNamesOfThisMachineAndThoseThatAreNamed(t *testing.T) {
	f, _, _ := onStage(t, oneseat.Config{}, []string{"demo.example", "10.1.2.3"})
	b := f.browser(firefox)
	port := f.server.URL[strings.LastIndex(f.server.URL, ":"):]
	for host, shown := range map[string]bool{
		"127.0.0.1" + port: true, "localhost" + port: true, "LocalHost": true, "[::1]" + port: true, "127.9.9.9": true,
		"demo.example" + port: true, "Demo.Example": true, "10.1.2.3" + port: true,
		"rebound.example" + port: false, "rebound.example": false, "localhost.rebound.example": false, "127.0.0.1.rebound.example" + port: false,
		"demo.example.rebound.example": false, "10.1.2.4": false, "0.0.0.0" + port: false, "": false, "localhost.": false,
	} {
		for _, step := range []struct{ method, path string }{{"GET", "/stage"}, {"POST", "/stage/clear"}, {"POST", "/stage/rush"}, {"HEAD", "/stage/events"}} {
			req := b.request(step.method, step.path, url.Values{})
			req.Host = host
			if host == "" {
				req.Host = "rebound.example"
			}
			a := b.do(req)
			if (a.status < 300) != shown || !shown && a.status != http.StatusForbidden {
				t.Errorf("%s %s under %q: %d", step.method, step.path, host, a.status)
			}
		}
		req := b.request("GET", "/", nil)
		req.Host = host
		if a := b.do(req); host != "" && a.has(`href="/stage"`) != shown {
			t.Errorf("the front page under %q offers the stage, or does not: %d", host, a.status)
		}
	}
}
