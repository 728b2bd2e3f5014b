package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
)

// censusWithin is how long a scrape waits for a store to say how much is signed in.
const censusWithin = time.Second

// family is a metric with all its labels.
type family struct{ kind, help string }

// families are all metrics of /metrics, by their names. docs/metrics.md has the same.
var families = map[string]family{
	"oneseat_build_info":           {"gauge", "1; the labels say which release this is, and by which Go it was built."},
	"oneseat_calls_total":          {"counter", "Calls that were answered, by path and status."},
	"oneseat_checks_total":         {"counter", "Checks by what they came to: live, ended, rotated, none, no_answer."},
	"oneseat_checks_cached_total":  {"counter", "Checks that were answered yes from memory, without the store."},
	"oneseat_signins_total":        {"counter", "Sign-ins by what they came to: admitted, refused, asked, blocked, gone, no_answer, unknown."},
	"oneseat_refusals_total":       {"counter", "Calls that were refused, by the name of the problem that the caller was told."},
	"oneseat_rate_limited_total":   {"counter", "Calls that were refused with 429, by whose rate was exceeded: that of a key, or of an account."},
	"oneseat_polls":                {"gauge", "Calls of /v1/changes that are waiting."},
	"oneseat_events_total":         {"counter", "Events that this node committed, by type. The sum over all nodes is what happened."},
	"oneseat_sessions_ended_total": {"counter", "Sessions whose ending this node committed, by reason. The sum over all nodes is what happened."},
	"oneseat_live_sessions":        {"gauge", "Sessions that are live, in the whole realm: every node says the same."},
	"oneseat_live_accounts":        {"gauge", "Accounts with a live session, in the whole realm: every node says the same."},
	"oneseat_live_streams":         {"gauge", "Streams that are played, in the whole realm: every node says the same."},
	"oneseat_cached_accounts":      {"gauge", "Accounts that this node has in memory."},
	"oneseat_log_lag_seconds":      {"gauge", "How long ago this node last knew the whole log of the store."},
	"oneseat_store_up":             {"gauge", "1 if the store answered during this scrape, else 0."},
	"oneseat_store_seconds":        {"histogram", "How long the store took to answer, or to fail, by operation."},
	"oneseat_store_errors_total":   {"counter", "Operations to which the store gave no answer."},

	"go_gc_cpu_seconds_total":       {"counter", "Processor time that the garbage collector took."},
	"go_gomaxprocs":                 {"gauge", "Processors that the process may use at once."},
	"go_goroutines":                 {"gauge", "Goroutines."},
	"go_memstats_heap_inuse_bytes":  {"gauge", "Memory in use by the heap."},
	"go_memlimit_bytes":             {"gauge", "The limit of memory that GOMEMLIMIT sets."},
	"process_cpu_seconds_total":     {"counter", "Processor time that the process took."},
	"process_max_fds":               {"gauge", "Files and connections that the process may have open."},
	"process_open_fds":              {"gauge", "Files and connections that the process has open."},
	"process_resident_memory_bytes": {"gauge", "Memory that the process holds."},
	"process_start_time_seconds":    {"gauge", "When the process started, in seconds since 1970."},
}

// census counts what is signed in to a realm. Those who ask at once share one read of the
// store, so a store that hangs holds one goroutine, whatever ends its wait.
type census struct {
	seats *oneseat.Registry

	mu   sync.Mutex // guards what follows
	last *counted   // the read under way, or nil
}

// counted is a read of how much is signed in.
type counted struct {
	done  chan struct{} // closed when the rest is set
	count oneseat.Count
	known bool // whether the store can tell
	err   error
}

func (c *census) begin() *counted {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == nil {
		n := &counted{done: make(chan struct{})}
		c.last = n
		go c.read(n) // ends when the store answers, which it has a second for
	}
	return c.last
}

func (c *census) read(n *counted) {
	defer close(n.done)
	ctx, cancel := context.WithTimeout(context.Background(), censusWithin)
	defer cancel()
	n.count, n.err = c.seats.Count(ctx)
	if n.known = n.err == nil; errors.Is(n.err, errors.ErrUnsupported) {
		n.err = c.seats.Ping(ctx)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = nil
}

// Operations returns the handler of what operators and their programs read: GET of
// /metrics, in the text format of Prometheus, /healthz, /readyz and /v1/openapi.json, and
// nothing else (ADM-03). No key is needed, so it is for a listener that only they reach.
// No answer names an account, a session, a device or a key.
func (s *Server) Operations() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h["Cache-Control"], h["X-Content-Type-Options"] = noStore, noSniff
		known := slices.Contains([]string{"/metrics", "/healthz", "/readyz", api.PathOpenAPI}, r.URL.Path)
		switch {
		case !known:
			http.Error(w, "There is /metrics, /healthz, /readyz and "+api.PathOpenAPI+".", http.StatusNotFound)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "It is read by GET.", http.StatusMethodNotAllowed)
		case s.health(w, r) || s.describes(w, r):
		default:
			h.Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
			all := s.scrape(r.Context())
			h.Set("Content-Length", strconv.Itoa(len(all)))
			_, _ = w.Write(all) // an error is the client's connection
		}
	})
}

// scrape returns all metrics. It takes little more than a second at most, whatever the
// store does. What the store would have to say is left out if it does not answer.
func (s *Server) scrape(ctx context.Context) []byte {
	ctx, cancel := context.WithTimeout(ctx, censusWithin)
	defer cancel()
	reads := make(map[string]*counted)
	for name, r := range s.realms {
		reads[name] = r.signedIn.begin()
	}
	for name, n := range reads {
		select {
		case <-n.done:
			continue
		case <-ctx.Done():
		}
		select {
		case <-n.done: // while another realm was waited for
		default:
			delete(reads, name)
		}
	}
	var all bytes.Buffer
	s.counters.set.WritePrometheus(&all)
	if s.config.Store != nil {
		s.config.Store.counters.set.WritePrometheus(&all)
	}
	for _, name := range slices.Sorted(maps.Keys(s.realms)) {
		in := func(metric string) string { return series(metric, "realm", name) }
		up := uint64(0)
		if n := reads[name]; n != nil && n.err == nil {
			up = 1
			if n.known {
				metrics.WriteGaugeUint64(&all, in("oneseat_live_sessions"), uint64(n.count.Sessions))
				metrics.WriteGaugeUint64(&all, in("oneseat_live_accounts"), uint64(n.count.Accounts))
				metrics.WriteGaugeUint64(&all, in("oneseat_live_streams"), uint64(n.count.Streams))
			}
		}
		metrics.WriteGaugeUint64(&all, in("oneseat_store_up"), up)
		stats := s.realms[name].seats.Stats()
		metrics.WriteGaugeUint64(&all, in("oneseat_cached_accounts"), uint64(stats.Accounts))
		metrics.WriteCounterUint64(&all, in("oneseat_checks_cached_total"), stats.Cached)
		if stats.LogLag >= 0 { // below: the log was not read yet
			metrics.WriteGaugeFloat64(&all, in("oneseat_log_lag_seconds"), stats.LogLag.Seconds())
		}
	}
	metrics.WriteProcessMetrics(&all)
	s.files.write(&all, time.Now())
	return described(all.String())
}

// openFiles says how many files and connections are open. To count 10,000 takes as long as ten
// scrapes, so they are counted once in filesEvery.
type openFiles struct {
	mu   sync.Mutex // guards what follows
	text bytes.Buffer
	at   time.Time
}

const filesEvery = 15 * time.Second

func (f *openFiles) write(to *bytes.Buffer, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.at.IsZero() || now.Sub(f.at) >= filesEvery {
		f.at = now
		f.text.Reset()
		metrics.WriteFDMetrics(&f.text)
	}
	to.Write(f.text.Bytes())
}

// described writes metrics in families, each after what it is. Those of no family that is
// listed are left out: the library has many of the process.
func described(lines string) []byte {
	byFamily := make(map[string][]string)
	for line := range strings.Lines(lines) {
		name := line[:strings.IndexAny(line, "{ ")]
		for _, part := range []string{"_bucket", "_sum", "_count"} {
			if whole := strings.TrimSuffix(name, part); families[whole].kind == "histogram" {
				name = whole
			}
		}
		byFamily[name] = append(byFamily[name], line)
	}
	names := make([]string, 0, len(families))
	for name := range families {
		if len(byFamily[name]) > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var b bytes.Buffer
	for _, name := range names {
		f := families[name]
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", name, f.help, name, f.kind)
		for _, line := range byFamily[name] {
			b.WriteString(line)
		}
	}
	return b.Bytes()
}
