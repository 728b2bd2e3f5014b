package server

import (
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/oneseat/oneseat/api"
)

// Buckets are buckets for tests.
type Buckets struct{ *buckets[string] }

// NewBuckets is newBuckets.
func NewBuckets(perSecond float64, burst int) Buckets {
	return Buckets{newBuckets[string](perSecond, burst, new(metrics.Counter))}
}

// Take is take.
func (b Buckets) Take(id string, now time.Time) error { return b.take(id, now) }

// CountsCheck returns a function that counts a check that was answered with a status.
func CountsCheck(s *Server, realm string, status int) func() {
	line := &record{path: api.PathCheck, route: s.routes[api.PathCheck], realm: s.realms[realm], status: status}
	var no *refusal
	if name := map[int]string{410: "session-ended", 404: "no-session", 503: "no-answer"}[status]; name != "" {
		no = &refusal{status: status, name: name}
	}
	var answer any = api.Checked{}
	return func() { s.count(line, answer, no) }
}

// Marshal is marshal.
func Marshal(answer any) ([]byte, error) { return marshal(answer) }

// Members is members.
func Members(body []byte, nullable string) ([]string, bool) { return members(body, nullable) }
