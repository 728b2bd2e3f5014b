package oneseat

import (
	"math"
	"time"
)

// instant is a moment by both clocks of this machine. A process that was
// paused, or a machine that was suspended, shows in one of them at least.
type instant struct {
	wall time.Duration // since 1970; good for what lies within centuries
	mono time.Duration
}

const forever = time.Duration(math.MaxInt64)

// since returns how long ago a was, by the clock that says longer. When either
// clock ran backwards nobody knows: forever.
func (now instant) since(a instant) time.Duration {
	w, m := now.wall-a.wall, now.mono-a.mono
	if w < 0 || m < 0 {
		return forever
	}
	return max(w, m)
}

func (r *Registry) now() instant {
	w, m := r.config.Clock()
	return instant{time.Duration(w.UnixNano()), m}
}
