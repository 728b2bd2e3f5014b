// Package client asks an oneseat server. It is for a program in Go that has no store of
// its own. Its methods do what those of an [oneseat.Registry] do and return its errors,
// so a guard of package oneseathttp works over a Client as over a Registry.
//
// The package owns the calls, what is kept of their answers, and the waiting for news.
// It holds no rule: the server decides, and what is kept never makes a yes older than
// Config.MaxStale.
package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
)

// Config is the configuration of a [Client].
type Config struct {
	// URL is that of the server, such as https://oneseat.internal:7300, or
	// unix:/run/oneseat.sock. Required.
	URL string

	// Key is the key of the API. A guard that signs people in needs the scopes "check"
	// and "sessions". Required.
	Key string

	// MaxStale lets checks by token be answered from memory, while the server's news says
	// that nothing has happened to the account. No such yes is older than MaxStale,
	// whatever fails. 20 ms to 1 minute. Choose the server's own MaxStale, or a longer
	// one: the server proves its news no more often than its own MaxStale needs. Default:
	// each check asks the server.
	MaxStale time.Duration

	// Transport makes the calls. Default: one of the client's own, with the settings of
	// [http.DefaultTransport] and up to 256 idle connections.
	Transport http.RoundTripper

	// Logger gets what an operator should know. Default slog.Default().
	Logger *slog.Logger
}

// Client asks a server. All methods are safe for concurrent use.
//
// Two goroutines last from New until Close. They begin to work at the first check or watch
// that needs them. One waits for news. The other looks for watched sessions that are not
// proven to be live. Both start short-lived goroutines that verify such sessions.
type Client struct {
	config  Config
	base    string
	http    *http.Client
	log     *slog.Logger
	about   oneseat.Config
	watches bool          // the key allows to look sessions up by their IDs
	wait    time.Duration // for news
	stale   time.Duration // after which a watched session that is not proven live is verified

	known known
	store atomic.Int64 // by how many nanoseconds the store's clock is ahead of ours, at most
	away  atomic.Bool  // the log says that the server does not answer
	mute  atomic.Bool  // the last question about a watch got no answer

	life    context.Context // ends with Close
	end     context.CancelFunc
	want    func()        // says that news are wanted
	wants   chan struct{} // closed then
	slots   chan struct{} // held by each goroutine that verifies
	running sync.WaitGroup
}

const (
	checkWithin  = 2 * time.Second  // the server answers in one, or says 503
	callWithin   = 4 * time.Second  // the server: in two
	forgetWithin = 32 * time.Second // the server: in thirty
	answerMost   = 16 << 20
	holdGrace    = 5 * time.Second // as that of a Registry
)

// New asks a server what its configuration is, and returns a client of the server. It
// returns an error if the client's configuration is impossible, the key is not known, or
// the server does not answer.
func New(ctx context.Context, c Config) (*Client, error) {
	var errs []error
	base, transport, err := c.reach()
	errs = append(errs, err)
	if c.Key == "" {
		errs = append(errs, errors.New("client: Config.Key: a key of the API is needed: \"oneseat keys create\" makes one"))
	}
	if c.MaxStale != 0 && (c.MaxStale < 20*time.Millisecond || c.MaxStale > time.Minute) {
		errs = append(errs, fmt.Errorf("client: Config.MaxStale: %v is not 20 ms to 1 minute; 0 asks each time", c.MaxStale))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	k := &Client{config: c, base: base, http: &http.Client{Transport: transport, CheckRedirect: noRedirect}, log: c.Logger}
	if k.log == nil {
		k.log = slog.Default()
	}
	k.life, k.end = context.WithCancel(context.Background())
	k.wants, k.slots = make(chan struct{}), make(chan struct{}, verifiers)
	k.want = sync.OnceFunc(func() { close(k.wants) })
	a, err := k.ping(ctx)
	if err != nil {
		return nil, err
	}
	k.watches = slices.Contains(a.Scopes, "sessions")
	k.stale = max(c.MaxStale, duration(a.MaxStale), time.Second)
	k.wait = cmp.Or(c.MaxStale, k.stale) / 2
	k.about = oneseat.Config{
		Realm: a.Realm, Limit: int(a.Limit), WhenFull: oneseat.Policy(a.WhenFull), Idle: timeout(a.Idle), Absolute: timeout(a.Absolute),
		TouchEvery: duration(a.TouchEvery), KeepEndings: duration(a.KeepEndings), AdoptUntil: a.AdoptUntil,
		MaxStale: cmp.Or(c.MaxStale, oneseat.FreshAlways), HoldGrace: holdGrace, Logger: k.log,
	}
	start := time.Now()
	k.about.Clock = func() (time.Time, time.Duration) { return k.now(), time.Since(start) }
	k.known.init(c.MaxStale, min(k.about.TouchEvery, believed))
	k.running.Go(k.listen)
	k.running.Go(k.recheck)
	return k, nil
}

func duration(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }

// timeout returns a duration; NoTimeout for 0, which the server sends if there is none.
func timeout(seconds float64) time.Duration {
	return cmp.Or(duration(seconds), oneseat.NoTimeout)
}

// noRedirect follows no redirect: the key must not be sent to another place. No call
// expects the answer 3xx, so the call fails.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// reach returns the URL before the paths, and what carries the calls.
func (c Config) reach() (string, http.RoundTripper, error) {
	own := http.DefaultTransport.(*http.Transport).Clone()
	own.MaxIdleConns, own.MaxIdleConnsPerHost = 0, 256
	base := strings.TrimSuffix(c.URL, "/")
	if file, is := strings.CutPrefix(c.URL, "unix:"); is {
		own.Proxy = nil
		own.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", file)
		}
		base = "http://oneseat"
	}
	at, err := url.Parse(base)
	if err != nil || at.Scheme != "http" && at.Scheme != "https" || at.Host == "" {
		return "", nil, fmt.Errorf("client: Config.URL: %q is neither like https://host:7300 nor like unix:/run/oneseat.sock", c.URL)
	}
	if c.Transport != nil {
		return base, c.Transport, nil
	}
	return base, own, nil
}

// Close ends what the client has begun. Watches end with [oneseat.ErrClosed], and so do
// calls after it. It returns nil.
func (k *Client) Close() error {
	k.end()
	k.running.Wait()
	for _, w := range k.known.close() {
		w.by.SessionEnded(oneseat.ErrClosed)
	}
	k.http.CloseIdleConnections()
	return nil
}

// Config returns what the server said of itself when the client was made, and the
// client's own MaxStale and logger. Its clock shows about what the store's shows.
func (k *Client) Config() oneseat.Config { return k.about }

// Ping returns nil if the server and its store answer.
func (k *Client) Ping(ctx context.Context) error {
	_, err := k.ping(ctx)
	return err
}

// ping asks the server what it is like, and what its store's clock shows.
func (k *Client) ping(ctx context.Context) (a api.About, err error) {
	sent := time.Now()
	if err = k.call(ctx, api.PathAbout, struct{}{}, &a); err == nil {
		k.store.Store(int64(a.Now.Sub(sent)))
	}
	return a, err
}

// now is about what the store's clock shows.
func (k *Client) now() time.Time { return time.Now().Add(time.Duration(k.store.Load())).Round(0) }

// Call makes a call of the API, whose bodies are in package api, and decodes its answer:
// for what no other method returns. Its errors are those of the other methods.
func (k *Client) Call(ctx context.Context, path string, in, out any) error {
	return k.call(ctx, path, in, out)
}

// call makes a call and decodes its answer.
func (k *Client) call(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	within := callWithin
	switch path {
	case api.PathCheck:
		within = checkWithin
	case api.PathForget:
		within = forgetWithin
	}
	if q, waits := in.(api.ChangesQuery); waits {
		within += time.Duration(q.Wait) * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	err = k.send(ctx, path, body, "", out)
	if _, isLost := errors.AsType[lost](err); isLost && slices.Contains(changing, path) {
		return errors.Join(oneseat.ErrUnknownOutcome, err)
	}
	return err
}

// changing are the calls that may have been done although there was no answer. Each may
// be made again.
var changing = []string{api.PathSignOut, api.PathEnd, api.PathLimit, api.PathBlock, api.PathUnblock, api.PathForget, api.PathEndRealm, api.PathConfirm, api.PathData}

// send sends the body of a call. Without an attempt it may be sent again by the
// transport if a connection is stale, because all such calls may be repeated.
func (k *Client) send(ctx context.Context, path string, body []byte, attempt string, out any) error {
	if k.life.Err() != nil {
		return oneseat.ErrClosed
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, k.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header["Authorization"] = []string{"Bearer " + k.config.Key}
	r.Header["Content-Type"] = []string{"application/json"}
	r.Header[api.IdempotencyKey] = nil // net/http then knows that it may repeat the call, and sends no such header
	if attempt != "" {
		r.Header[api.IdempotencyKey] = []string{attempt}
	}
	resp, err := k.http.Do(r)
	if err != nil {
		return k.noAnswer(ctx, path, err)
	}
	defer func() { _ = resp.Body.Close() }() // all of it was read, or nothing of it is used
	answer, err := io.ReadAll(io.LimitReader(resp.Body, answerMost))
	if err != nil {
		return k.noAnswer(ctx, path, err)
	}
	if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusCreated {
		if err = json.Unmarshal(answer, out); err == nil && !whole(out) {
			err = errors.New("it says too little")
		}
		if err != nil {
			return k.noAnswer(ctx, path, fmt.Errorf("this is no answer of oneseat's: %w", err))
		}
		k.answered()
		return nil
	}
	no := problemOf(resp.StatusCode, answer)
	if errors.Is(no, oneseat.ErrStoreUnavailable) && resp.StatusCode != http.StatusTooManyRequests {
		k.silent(path, no)
	} else {
		k.answered()
	}
	return no
}

// lost says that a call may have been done although there was no answer.
type lost struct{ error }

func (e lost) Unwrap() error { return e.error }

// noAnswer is the error of a call to which no answer came.
func (k *Client) noAnswer(ctx context.Context, path string, err error) error {
	if k.life.Err() != nil {
		return oneseat.ErrClosed
	}
	if !errors.Is(context.Cause(ctx), context.Canceled) { // else the caller went
		k.silent(path, err)
	}
	return lost{fmt.Errorf("%w: %s: %w", oneseat.ErrStoreUnavailable, path, err)}
}

// silent notes that the server gives no answer, or none that is of use.
func (k *Client) silent(path string, err error) {
	if k.away.CompareAndSwap(false, true) {
		k.log.Warn("the server of oneseat gives no answer: a check that memory cannot answer is refused", "call", path, "error", err)
	}
}

// answered notes that the server answers.
func (k *Client) answered() {
	if k.away.Load() && k.away.CompareAndSwap(true, false) {
		k.log.Info("the server of oneseat answers again")
	}
}
