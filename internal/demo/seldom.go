package demo

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Seldom returns a handler that logs warnings and errors at most once a second for each
// kind, because anybody who reaches the demo can make it fail, any number of times. A
// kind is a level and a message. The next line of a kind says how many lines were left
// out.
func Seldom(h slog.Handler) slog.Handler {
	return seldom{h, &kinds{seen: map[kind]*tally{}}}
}

type seldom struct {
	slog.Handler
	kinds *kinds // shared by the handlers that are made from this one
}

func (s seldom) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		left, ok := s.kinds.pass(kind{r.Level, r.Message}, r.Time)
		if !ok {
			return nil
		}
		if left > 0 {
			r = r.Clone()
			r.AddAttrs(slog.Int("left_out", left))
		}
	}
	return s.Handler.Handle(ctx, r)
}

func (s seldom) WithAttrs(attrs []slog.Attr) slog.Handler {
	return seldom{s.Handler.WithAttrs(attrs), s.kinds}
}

func (s seldom) WithGroup(name string) slog.Handler {
	return seldom{s.Handler.WithGroup(name), s.kinds}
}

type kind struct {
	level   slog.Level
	message string
}

// tally is what is known of a kind.
type tally struct {
	logged time.Time // when a line was last logged
	left   int       // lines since then that were not
}

// maxKinds bounds how many kinds are kept, because a message may have text of a client
// in it. Beyond the bound all kinds count as one.
const maxKinds = 64

type kinds struct {
	mu   sync.Mutex // guards seen, for as long as a look-up takes
	seen map[kind]*tally
}

// pass says whether a line of a kind may be logged, and how many lines before it were
// not.
func (k *kinds) pass(of kind, at time.Time) (left int, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.seen[of]
	if t == nil && len(k.seen) >= maxKinds {
		of = kind{level: of.level}
		t = k.seen[of]
	}
	switch {
	case t == nil:
		k.seen[of] = &tally{logged: at}
		return 0, true
	case at.Sub(t.logged) < time.Second:
		t.left++
		return 0, false
	}
	left = t.left
	*t = tally{logged: at}
	return left, true
}
