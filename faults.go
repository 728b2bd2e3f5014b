package oneseat

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// fault is a kind of failure that only an operator can put right. The caller gets the
// error, and the log gets a line.
type fault uint8

const (
	faultStore      fault = iota // the store did not answer
	faultReply                   // a reply of the store was lost
	faultRecord                  // what is stored cannot be read
	faultPanic                   // a change panicked
	faultLimit                   // Config.LimitFor failed
	faultAccount                 // the application named an account that cannot be one
	faultClosed                  // the registry is asked after it was closed
	faultBackground              // a write that nobody waits for failed
	faultPush                    // the store's push is broken
	faultLeft                    // a session in another account was not ended
	faultClock                   // the store's clock was set back
	faultKinds
)

// faultLines are what the log says of each kind.
var faultLines = [faultKinds]struct {
	level slog.Level
	text  string
}{
	faultStore:      {slog.LevelError, "the store did not answer, so what was asked was refused; see that it is reachable and writable"},
	faultReply:      {slog.LevelWarn, "a reply of the store was lost; what was asked may have been done, and was answered as unknown"},
	faultRecord:     {slog.LevelError, "a stored roster cannot be read; it is left alone, and nobody of that account gets in"},
	faultPanic:      {slog.LevelError, "a change of a roster panicked and was not made; that is a defect, report it"},
	faultLimit:      {slog.LevelError, "Config.LimitFor gave no limit, so nothing was done; see what it depends on"},
	faultAccount:    {slog.LevelWarn, "the application named an account that cannot be one, so nothing was done; see what it passes to SignIn, or returns from Config.Account"},
	faultClosed:     {slog.LevelWarn, "the registry was asked after it was closed; stop what serves requests before"},
	faultBackground: {slog.LevelWarn, "a background update failed; the next check asks for it again"},
	faultPush:       {slog.LevelWarn, "the store's push is broken; the log is read at intervals instead"},
	faultLeft:       {slog.LevelWarn, "the session of another account in the same browser was not ended"},
	faultClock:      {slog.LevelWarn, "the clock of the store is behind what it has written before, so timeouts stand still until it has caught up; see that its machine keeps time"},
}

const (
	faultEvery = time.Minute
	clockSlip  = 2 * time.Second // a clock that was set back by less is no fault: NTP does that
	mostSaid   = 500             // bytes of an error's text in the log
)

// faults counts failures by kind, so that a storm of them takes one line a minute.
// What it keeps does not grow: nothing is kept by account.
type faults struct {
	mu    sync.Mutex // guards what is below; held for no I/O
	kinds [faultKinds]struct {
		said   bool
		at     instant // when the last line was written
		silent int     // failures since then
	}
}

// due counts a failure. It returns whether the log gets a line, and how many
// failures before had none.
func (f *faults) due(kind fault, now instant) (silent int, due bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	k := &f.kinds[kind]
	if k.said && now.since(k.at) < faultEvery {
		k.silent++
		return 0, false
	}
	silent, k.said, k.at, k.silent = k.silent, true, now, 0
	return silent, true
}

// report logs a failure, at most once a kind and minute. key is that of the account.
// The zero key, and that of the control record, stand for no account. The text of err
// must hold no account's name.
func (r *Registry) report(kind fault, key Key, err error) {
	silent, due := r.faults.due(kind, r.now())
	if !due {
		return
	}
	text := err.Error()
	if len(text) > mostSaid {
		text = text[:mostSaid] + " …"
	}
	attrs := []slog.Attr{slog.String("error", strings.ToValidUTF8(text, ""))}
	if key != (Key{}) && key != r.control {
		attrs = append(attrs, slog.String("account_key", key.String()))
	}
	if silent > 0 {
		attrs = append(attrs, slog.Int("not_logged", silent))
	}
	line := faultLines[kind]
	r.log.LogAttrs(context.Background(), line.level, line.text, attrs...)
}

// seeClock reports that the store's clock was set back, if a view shows that.
func (r *Registry) seeClock(v View) {
	if v.behind > clockSlip {
		r.report(faultClock, Key{}, fmt.Errorf("it is %v behind", v.behind.Round(time.Second/10)))
	}
}

// failed reports an operation that had no answer, and returns its error. An error that
// is an answer is not reported, and no error is once the caller has gone away.
func (r *Registry) failed(ctx context.Context, key Key, err error) error {
	if kind, ok := faultOf(err); ok && !errors.Is(ctx.Err(), context.Canceled) {
		r.report(kind, key, err)
	}
	return err
}

// faultOf returns what kind of failure an error is, and whether it is one.
func faultOf(err error) (fault, bool) {
	_, format := errors.AsType[*FormatError](err)
	_, panicked := errors.AsType[*PanicError](err)
	switch {
	case errors.Is(err, ErrClosed):
		return faultClosed, true
	case format:
		return faultRecord, true
	case panicked:
		return faultPanic, true
	case errors.Is(err, ErrUnknownOutcome):
		return faultReply, true
	case errors.Is(err, ErrStoreUnavailable), errors.Is(err, context.DeadlineExceeded):
		return faultStore, true
	}
	return 0, false
}

// checkAccount is the function of that name for an account that the application passed.
// It reports a bad one.
func (r *Registry) checkAccount(account string) error {
	err := checkAccount(account)
	if err != nil {
		r.report(faultAccount, KeyOf(r.config.Realm, account), err)
	}
	return err
}

// noLimit reports that [Config.LimitFor] failed, and returns the error for that. The
// log gets the function's words without the account's name.
func (r *Registry) noLimit(ctx context.Context, key Key, account string, err error) error {
	if !errors.Is(ctx.Err(), context.Canceled) {
		r.report(faultLimit, key, errors.New(without(err.Error(), account)))
	}
	return fmt.Errorf("%w: %w", ErrLimitUnknown, err)
}

// without returns a text in which an account's name is replaced, also as a URL or a
// quoted string spells it. A name of three bytes or less is replaced only where it
// stands alone, because parts of other words may look like it.
func without(text, account string) string {
	quoted := strconv.Quote(account)
	for _, name := range []string{account, url.QueryEscape(account), url.PathEscape(account), quoted[1 : len(quoted)-1]} {
		text = replaceName(text, name)
	}
	return text
}

// replaceName replaces a name in a text, whatever the case of its letters.
func replaceName(text, name string) string {
	const instead = "(account)"
	lower, find := lowerASCII(text), lowerASCII(name)
	if find == "" {
		return text
	}
	var out strings.Builder
	done := 0
	for at := 0; ; {
		i := strings.Index(lower[at:], find)
		if i < 0 {
			return out.String() + text[done:]
		}
		from := at + i
		to := from + len(find)
		at = from + 1
		if len(find) <= 3 && (from > 0 && inWord(text[from-1]) || to < len(text) && inWord(text[to])) {
			continue
		}
		out.WriteString(text[done:from])
		out.WriteString(instead)
		at, done = to, to
	}
}

// lowerASCII is strings.ToLower for a text that keeps its length.
func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// inWord reports whether a byte is part of a word: a letter, also one beyond ASCII,
// or a digit.
func inWord(c byte) bool {
	return c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
