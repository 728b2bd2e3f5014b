package main

import (
	"bytes"
	"context"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/testservers"
)

// watching is a run of "sessions watch", of which lines are read.
type watching struct {
	t      *testing.T
	lines  chan string
	cancel context.CancelFunc
	code   chan int
	stderr *syncBuffer
}

func (p *place) watch(args ...string) *watching {
	ctx, cancel := context.WithCancel(p.t.Context())
	r, out := io.Pipe()
	w := &watching{p.t, make(chan string), cancel, make(chan int, 1), new(syncBuffer)}
	go func() {
		w.code <- run(ctx, append(append([]string{"sessions", "watch"}, args...), p.where...), out, w.stderr)
		_ = out.Close()
	}()
	go func() {
		defer close(w.lines)
		var text bytes.Buffer
		b := make([]byte, 4096)
		for {
			n, err := r.Read(b)
			text.Write(b[:n])
			for bytes.ContainsRune(text.Bytes(), '\n') {
				line, _ := text.ReadString('\n')
				select {
				case w.lines <- strings.TrimSuffix(line, "\n"):
				case <-ctx.Done():
				}
			}
			if err != nil {
				return
			}
		}
	}()
	p.t.Cleanup(cancel)
	return w
}

// next returns the next line.
func (w *watching) next() string {
	w.t.Helper()
	select {
	case line := <-w.lines:
		return line
	case code := <-w.code:
		w.t.Fatalf("it ended with %d: %s", code, w.stderr)
	case <-time.After(patience):
		w.t.Fatal("no line")
	}
	return ""
}

func TestWhatHappensIsSaidWhileItHappens(t *testing.T) {
	everywhere(t, func(p *place) {
		all, one := p.watch(), p.watch("ada", "--json")
		begun := func(w *watching, account string) { // it tells what happens from its first call on
			first := make(chan string, 1)
			go func() { first <- w.next() }()
			for {
				p.signIn(account, "Warming up", oneseat.ClassOther)
				select {
				case <-first:
					return
				default:
				}
			}
		}
		begun(all, "ada")
		begun(one, "ada")
		g := p.signIn("grace", "Grace's", oneseat.ClassTV)
		a := p.signIn("ada", "Last", oneseat.ClassMobile)
		for want := " ada signed in on Last (" + string(a.Session.ID) + ")"; ; {
			line := all.next()
			if strings.Contains(line, "grace") && line[8:] != " grace signed in on Grace's ("+string(g.Session.ID)+")" {
				p.t.Errorf("%s", line)
			}
			if line[8:] == want {
				break
			}
		}
		for {
			line := one.next()
			if strings.Contains(line, "grace") || !strings.HasPrefix(line, `{"type":"`) {
				p.t.Errorf("%s", line)
			}
			if strings.HasPrefix(line, `{"type":"session_created","account":"ada","session":"`+string(a.Session.ID)+`"`) {
				break
			}
		}
		for _, w := range []*watching{all, one} {
			w.cancel()
			if code := <-w.code; code != exitOK || w.stderr.String() != "" {
				p.t.Errorf("%d %s", code, w.stderr)
			}
		}
	})
}

// A server that is killed and started again.
func TestAWatchGoesOnWhenTheServerIsBack(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Chdir(t.TempDir())
	key := createKey(t, "--file", "keys.toml", "--scopes", "check,sessions,admin")
	t.Setenv(keyVariable, key)
	address := "127.0.0.1:" + strconv.Itoa(testservers.FreePort(t))
	server := startProcess(t, "--listen", address)
	p := &place{nil, t, []string{"--url", server.url}}
	w := p.watch()
	first := make(chan string, 1)
	go func() { first <- w.next() }()
	for done := false; !done; {
		signedIn(t, server.url, key)
		select {
		case <-first:
			done = true
		default:
		}
	}
	if err := server.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = server.wait() // it was killed
	go func() {
		for range w.lines { // what was told before
		}
	}()
	waitFor(t, func() bool {
		return strings.Contains(w.stderr.String(), "The server gives no answer. This command goes on asking.")
	})
	startProcess(t, "--listen", address)
	waitFor(t, func() bool {
		return strings.Contains(w.stderr.String(), "There is an answer again.\nEvents may be missing here.\n")
	})
	w.cancel()
	if code := <-w.code; code != exitOK {
		t.Errorf("%d %s", code, w.stderr)
	}
}

func TestAWatchEndsWhenItsKeyIsTakenBack(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Chdir(t.TempDir())
	other := createKey(t, "--file", "keys.toml")
	key := createKey(t, "--file", "keys.toml", "--scopes", "check,sessions,admin")
	t.Setenv(keyVariable, key)
	printed, log, _ := served(t, 1, "--keys", "keys.toml", "--store", "memory:")
	w := (&place{nil, t, []string{"--url", printed[0]}}).watch()
	first := make(chan string, 1)
	go func() { first <- w.next() }()
	for done := false; !done; {
		signedIn(t, printed[0], key)
		select {
		case <-first:
			done = true
		default:
		}
	}
	go func() {
		for range w.lines { // what was told before
		}
	}()
	if code, _, stderr := ran(t, "keys", "revoke", "--file", "keys.toml", key[len("oneseat_key_"):][:8]); code != exitOK {
		t.Fatal(stderr)
	}
	hangUp(t, log, "the keys were read again")
	signedIn(t, printed[0], other) // the call that waits is answered, and the next one is not
	if code := <-w.code; code != exitFailed || !strings.Contains(w.stderr.String(), "does not know the key") {
		t.Errorf("%d %s", code, w.stderr)
	}
}
