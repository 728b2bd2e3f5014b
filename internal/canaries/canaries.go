// Package canaries finds secrets where none may be: in logs, events, metrics, errors,
// headers and pages that tests see. It is for tests. It owns how a secret is recognised,
// and what has leaked in this process; it knows no store, no registry and no server.
//
// A secret is recognised by its spelling (tokens, tickets, keys of the API), or because a
// test has marked it (the ID of a device, a password, an Idempotency-Key). The places
// through which all tests of a package pass, as the one that makes their registries, hand
// what they see to [Seen], [Stored], [Answer] and [Logger]. [Main] fails the package if
// anything has leaked.
package canaries

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Leak is a secret that was found.
type Leak struct {
	Kind  string // of the secret: "token", "ticket", "key", "digest", or as it was marked
	Where string // it was found: "log", "event", …
	Text  string // around it
	Stack string // of the goroutine that wrote it
}

// spelt finds what is spelt as a secret: a key of the server's API, a ticket, a token. A
// redacted secret is shorter, so it is not found.
var spelt = regexp.MustCompile(`oneseat_key_[a-z0-9]{8}_[A-Za-z0-9_-]{43}_[0-9a-f]{8}|oneseat_ticket_[A-Za-z0-9_-]{70}|oneseat_[A-Za-z0-9_-]{70}`)

// shortest is the length of the shortest secret that is looked for.
const shortest = 12

// memory is what a process knows.
type memory struct {
	mu      sync.RWMutex      // guards what is below
	words   map[string]string // kinds, by secrets that are one word
	phrases map[string]string // kinds, by secrets that are several words
	leaks   []Leak
}

var kept = &memory{words: map[string]string{}, phrases: map[string]string{}}

// mostLeaks is how many leaks are kept. More of them would tell nothing new.
const mostLeaks = 20

// inWord reports whether a byte is part of a word. Every secret that oneseat makes is one
// word.
func inWord(c byte) bool {
	return c == '_' || c == '-' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// Mark makes the package look for a secret from now on, and returns the secret. It does not
// mark a secret that is too short to be told from other texts.
func Mark(kind, secret string) string {
	if len(secret) < shortest {
		return secret
	}
	kept.mu.Lock()
	defer kept.mu.Unlock()
	if strings.IndexFunc(secret, func(r rune) bool { return r >= 0x80 || !inWord(byte(r)) }) < 0 {
		kept.words[secret] = kind
	} else {
		kept.phrases[secret] = kind
	}
	return secret
}

// MarkToken marks what belongs to a token or a ticket: the text without its prefix, and its
// digest. A digest may be seen by stores only.
func MarkToken(token string) {
	body := token[strings.LastIndexByte(token[:min(len(token), len("oneseat_ticket_"))], '_')+1:]
	b, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil || len(b) == 0 {
		return
	}
	sum := sha256.Sum256(b)
	Mark("token", body)
	Mark("digest", hex.EncodeToString(sum[:]))
	Mark("digest", base64.StdEncoding.EncodeToString(sum[:]))
}

// Seen looks for secrets in what a test sees: texts and errors as they are, all else as
// JSON.
func Seen(where string, what ...any) { see(where, false, what) }

// Stored does what Seen does, for what a store is given. That may contain digests.
func Stored(what ...any) { see("store", true, what) }

func see(where string, digests bool, what []any) {
	for _, w := range what {
		var text string
		switch w := w.(type) {
		case nil:
			continue
		case string:
			text = w
		case []byte:
			text = string(w)
		case error:
			text = w.Error()
		default:
			b, err := json.Marshal(w)
			if err != nil {
				panic(err) // the test gives something that JSON cannot hold
			}
			text = string(b)
		}
		look(where, digests, text)
	}
}

// look keeps the first secret in a text.
func look(where string, digests bool, text string) {
	if strings.Contains(text, "oneseat_") {
		if at := spelt.FindStringIndex(text); at != nil {
			kind := "token"
			for _, k := range []string{"key", "ticket"} {
				if strings.HasPrefix(text[at[0]:], "oneseat_"+k+"_") {
					kind = k
				}
			}
			leak(kind, where, text, at[0])
			return
		}
	}
	kept.mu.RLock()
	kind, at := marked(text, digests)
	kept.mu.RUnlock()
	if kind != "" {
		leak(kind, where, text, at)
	}
}

// marked finds the first secret that was marked. kept.mu is held.
func marked(text string, digests bool) (kind string, at int) {
	if len(kept.words) > 0 {
		for i := 0; i < len(text); i++ {
			if !inWord(text[i]) {
				continue
			}
			from := i
			for i < len(text) && inWord(text[i]) {
				i++
			}
			if i-from < shortest {
				continue
			}
			if kind, ok := kept.words[text[from:i]]; ok && !(digests && kind == "digest") {
				return kind, from
			}
		}
	}
	for phrase, kind := range kept.phrases {
		if i := strings.Index(text, phrase); i >= 0 {
			return kind, i
		}
	}
	return "", 0
}

func leak(kind, where, text string, at int) {
	kept.mu.Lock()
	defer kept.mu.Unlock()
	if len(kept.leaks) < mostLeaks {
		kept.leaks = append(kept.leaks, Leak{kind, where, text[max(0, at-200):min(len(text), at+300)], string(debug.Stack())})
	}
}

// Leaks returns what has leaked until now.
func Leaks() []Leak {
	kept.mu.RLock()
	defer kept.mu.RUnlock()
	return slices.Clone(kept.leaks)
}

// During returns what leaks while f runs, and forgets it: for a test that plants leaks. No
// other test may run at that time.
func During(f func()) []Leak {
	kept.mu.Lock()
	before := kept.leaks
	kept.leaks = nil
	kept.mu.Unlock()
	f()
	kept.mu.Lock()
	defer kept.mu.Unlock()
	found := kept.leaks
	kept.leaks = before
	return found
}

// Main runs the tests of a package, and fails it if anything has leaked. It also looks at
// what is logged by the default loggers. TestMain passes the result to os.Exit.
func Main(m *testing.M) int {
	slog.SetDefault(Logger(slog.New(slog.NewTextHandler(os.Stderr, nil)))) // package log writes there too
	code := m.Run()
	for _, l := range Leaks() {
		fmt.Fprintf(os.Stderr, "canaries: a %s has leaked: it is in the %s\n%s\n%s\n", l.Kind, l.Where, l.Text, l.Stack)
		code = max(code, 1)
	}
	return code
}

// Logger returns a logger that looks at what is logged and passes it on to next. nil: it
// passes nothing on.
func Logger(next *slog.Logger) *slog.Logger {
	if next == nil {
		return slog.New(handler{to: slog.DiscardHandler, all: true})
	}
	if h, ok := next.Handler().(handler); ok && h.to != slog.DiscardHandler {
		return next
	}
	if next.Handler() == slog.DiscardHandler {
		return Logger(nil)
	}
	return slog.New(handler{to: next.Handler()})
}

// handler looks at records as a text handler writes them.
type handler struct {
	to   slog.Handler
	all  bool // records of levels that "to" does not want are looked at too
	with []func(slog.Handler) slog.Handler
}

func (h handler) Enabled(ctx context.Context, l slog.Level) bool {
	return h.all || h.to.Enabled(ctx, l)
}

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	var out bytes.Buffer
	var text slog.Handler = slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug - 100})
	for _, with := range h.with {
		text = with(text)
	}
	if err := text.Handle(ctx, r); err != nil {
		return err
	}
	Seen("log", out.Bytes())
	if h.to == slog.DiscardHandler {
		return nil
	}
	return h.to.Handle(ctx, r)
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.and(func(to slog.Handler) slog.Handler { return to.WithAttrs(attrs) })
}

func (h handler) WithGroup(name string) slog.Handler {
	return h.and(func(to slog.Handler) slog.Handler { return to.WithGroup(name) })
}

func (h handler) and(with func(slog.Handler) slog.Handler) slog.Handler {
	return handler{to: with(h.to), all: h.all, with: append(slices.Clip(h.with), with)}
}

// given are the places in an answer where a secret is given to its owner: the members of
// the API's answers, and the field of the page that asks.
var given = regexp.MustCompile(`("(?:token|ticket|set_cookie)": ?"|name="ticket" value=")([^"]*)`)

// Answer looks at an answer over HTTP: at all its headers except Set-Cookie, and at its
// body except where a secret is given to its owner. It marks that secret, which must be
// nowhere else.
func Answer(header http.Header, body string) {
	markCookies(header)
	body = given.ReplaceAllStringFunc(body, func(s string) string {
		for _, secret := range spelt.FindAllString(s, -1) {
			MarkToken(secret)
		}
		return given.FindStringSubmatch(s)[1]
	})
	if whole := strings.TrimSpace(body); whole == spelt.FindString(whole) && whole != "" { // a test's own page that gives a program its token
		MarkToken(whole)
		body = ""
	}
	for name, values := range header {
		if name != "Set-Cookie" {
			Seen("header "+name, strings.Join(values, "\n"))
		}
	}
	Seen("body", body)
}

// markCookies marks the secrets of cookies that an answer sets.
func markCookies(header http.Header) {
	for _, line := range header["Set-Cookie"] {
		c, err := http.ParseSetCookie(line)
		switch {
		case err != nil:
		case spelt.MatchString(c.Value):
			MarkToken(c.Value)
		case strings.HasSuffix(c.Name, "-device"):
			Mark("device id", c.Value)
		}
	}
}

// mostBody is how much of a body is looked at, in bytes.
const mostBody = 256 << 10

// Body returns the body of an answer, and looks at the answer once the body was read to its
// end or closed.
func Body(resp *http.Response) io.ReadCloser {
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return resp.Body // a connection
	}
	markCookies(resp.Header)
	return &body{ReadCloser: resp.Body, header: resp.Header}
}

type body struct {
	io.ReadCloser
	header http.Header
	text   bytes.Buffer
	once   sync.Once
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.text.Write(p[:min(n, mostBody-b.text.Len())])
	if err != nil {
		b.look()
	}
	return n, err
}

func (b *body) Close() error {
	b.look()
	return b.ReadCloser.Close()
}

func (b *body) look() { b.once.Do(func() { Answer(b.header, b.text.String()) }) }

// Request marks the secrets of a request: its key, its Idempotency-Key, and the ID of a
// device in its body.
func Request(header http.Header, body string) {
	Mark("idempotency key", header.Get("Idempotency-Key"))
	if m := deviceInBody.FindStringSubmatch(body); m != nil {
		Mark("device id", m[1])
	}
}

var deviceInBody = regexp.MustCompile(`"device":\{[^}]*"id":"([^"\\]*)"`)
