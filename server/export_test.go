package server

import "time"

// Buckets are buckets for tests.
type Buckets struct{ *buckets[string] }

// NewBuckets is newBuckets.
func NewBuckets(perSecond float64, burst int) Buckets {
	return Buckets{newBuckets[string](perSecond, burst)}
}

// Take is take.
func (b Buckets) Take(id string, now time.Time) error { return b.take(id, now) }
