package server

import (
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"golang.org/x/time/rate"
)

// mostBuckets is how many callers a [buckets] remembers for certain.
const mostBuckets = 50_000

// buckets are token buckets, one for each caller, by an id of the caller. They are in
// two generations, of which the older is dropped when the younger is full or has lasted
// for as long as an empty bucket needs to fill: so memory is bounded. A caller that is
// forgotten has a full bucket anyway, unless more than mostBuckets came meanwhile.
type buckets[ID comparable] struct {
	rate  rate.Limit
	burst int
	empty *metrics.Counter // of what was refused

	mu         sync.Mutex // guards what follows
	young, old map[ID]*rate.Limiter
	began      time.Time // of the young generation
}

// newBuckets returns buckets from which perSecond may be taken, and burst at once; nil,
// which bounds nothing, for a rate of 0.
func newBuckets[ID comparable](perSecond float64, burst int, empty *metrics.Counter) *buckets[ID] {
	if perSecond <= 0 {
		return nil
	}
	return &buckets[ID]{rate: rate.Limit(perSecond), burst: max(burst, 1), empty: empty, young: make(map[ID]*rate.Limiter)}
}

// take takes one from a caller's bucket. If it is empty, take returns a refusal that says
// when it is not.
func (b *buckets[ID]) take(id ID, now time.Time) error {
	if b == nil {
		return nil
	}
	r := b.of(id, now).ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait == 0 {
		return nil
	}
	r.CancelAt(now)
	b.empty.Inc()
	return &refusal{
		status: http.StatusTooManyRequests, name: "too-many", retry: int(math.Ceil(wait.Seconds())),
		detail: "Nothing was looked at, and nothing was done. It is no failed sign-in: do not count it as one.",
	}
}

// of returns a caller's bucket.
func (b *buckets[ID]) of(id ID, now time.Time) *rate.Limiter {
	b.mu.Lock()
	defer b.mu.Unlock()
	fills := time.Duration(float64(b.burst) / float64(b.rate) * float64(time.Second))
	if len(b.young) >= mostBuckets || now.Sub(b.began) > fills {
		b.young, b.old, b.began = make(map[ID]*rate.Limiter), b.young, now
	}
	l := b.young[id]
	if l == nil {
		if l = b.old[id]; l == nil {
			l = rate.NewLimiter(b.rate, b.burst)
		}
		b.young[id] = l
	}
	return l
}
