package oneseat

import (
	"math"
	"time"
)

// instant is a moment by both clocks of this machine. A pause of the process, or a
// suspension of the machine, shows in at least one of them.
type instant struct {
	wall time.Duration // since 1970; enough for centuries
	mono time.Duration
}

const forever = time.Duration(math.MaxInt64)

// since returns how long ago a was, by the clock that says longer. It returns
// forever if either clock ran backwards.
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
