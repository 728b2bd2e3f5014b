package server

import (
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/VictoriaMetrics/metrics"

	"github.com/oneseat/oneseat/api"
)

// counters are what a server counts, for /metrics. Every counter is made once, by New or
// when it is first needed, and is then found without a search: a call adds to two or
// three of them. No label ever has what a caller wrote: a label's value is a realm, or one
// of a few words of ours (OPS-07).
type counters struct {
	set     *metrics.Set
	limited [2]*metrics.Counter // calls refused by the rate of a key, and of an account
	unknown tally               // answers to paths that are no call's
}

func newCounters(version string) *counters {
	c := &counters{set: metrics.NewSet()}
	for i, by := range []string{"key", "account"} {
		c.limited[i] = c.counter("oneseat_rate_limited_total", "by", by)
	}
	c.unknown = tally{in: c, path: "none"}
	c.gauge("oneseat_build_info", "version", version, "go_version", runtime.Version()).Set(1)
	return c
}

// counter makes a counter, or returns the one of that name and those labels.
func (c *counters) counter(name string, labels ...string) *metrics.Counter {
	return c.set.GetOrCreateCounter(series(name, labels...))
}

func (c *counters) gauge(name string, labels ...string) *metrics.Gauge {
	return c.set.GetOrCreateGauge(series(name, labels...), nil)
}

var escaped = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// series spells a name with labels: pairs of a label and its value.
func series(name string, labels ...string) string {
	for i := 0; i < len(labels); i += 2 {
		name += fmt.Sprintf(`%c%s="%s"`, "{,"[min(i, 1)], labels[i], escaped.Replace(labels[i+1]))
	}
	if len(labels) > 0 {
		name += "}"
	}
	return name
}

// tally counts the answers to one path, by their status. A status has a counter from its
// first answer on, so that /metrics has no line for what a path never answers.
type tally struct {
	in       *counters
	path     string
	statuses [600]atomic.Pointer[metrics.Counter]
}

func (t *tally) add(status int) {
	c := t.statuses[status].Load()
	if c == nil {
		c = t.in.counter("oneseat_calls_total", "path", t.path, "status", strconv.Itoa(status)) // of two at once both get the same one
		t.statuses[status].Store(c)
	}
	c.Inc()
}

// route is a call as one server serves it.
type route struct {
	call
	answers tally
}

// told is a problem as one server tells it.
type told struct {
	title string
	count *metrics.Counter // of refusals that tell it
}

// checkOutcome is what a check came to. A call that is no check, because its key, its body
// or its rate was refused, has none.
type checkOutcome int

const (
	checkLive checkOutcome = iota
	checkEnded
	checkRotated
	checkNone
	checkUnanswered
	checkOutcomes // how many there are
)

var checkWords = [checkOutcomes]string{"live", "ended", "rotated", "none", "no_answer"}

// signInOutcome is what a sign-in, an adoption or the redemption of a ticket came to.
type signInOutcome int

const (
	signInAdmitted signInOutcome = iota
	signInRefused
	signInAsked
	signInBlocked
	signInGone // the ticket, or the older session, is not good any more
	signInUnanswered
	signInUnknown
	signInOutcomes // how many there are
)

var signInWords = [signInOutcomes]string{"admitted", "refused", "asked", "blocked", "gone", "no_answer", "unknown"}

// realmCounters are those of one realm.
type realmCounters struct {
	checks  [checkOutcomes]*metrics.Counter
	signIns [signInOutcomes]*metrics.Counter
	polls   *metrics.Gauge // calls of /v1/changes under way
}

func (c *counters) of(realm string) (r realmCounters) {
	for i, word := range checkWords {
		r.checks[i] = c.counter("oneseat_checks_total", "realm", realm, "outcome", word)
	}
	for i, word := range signInWords {
		r.signIns[i] = c.counter("oneseat_signins_total", "realm", realm, "outcome", word)
	}
	r.polls = c.gauge("oneseat_polls", "realm", realm)
	return r
}

// count counts a call. no is its refusal, or nil.
func (s *Server) count(line *record, answer any, no *refusal) {
	if line.gone {
		return
	}
	if line.route == nil {
		s.counters.unknown.add(line.status)
	} else {
		line.route.answers.add(line.status)
	}
	if no != nil {
		if t := s.problems[no.name]; t != nil {
			t.count.Inc()
		}
	}
	if line.realm == nil {
		return
	}
	switch line.path {
	case api.PathCheck, api.PathIntrospect:
		if o, ok := checked(line.status, answer, no); ok {
			line.realm.counters.checks[o].Inc()
		}
	case api.PathSignIn, api.PathRedeem:
		if o, ok := signedIn(line.status, no); ok {
			line.realm.counters.signIns[o].Inc()
		}
	}
}

// checked returns what a check came to; false: it was none.
func checked(status int, answer any, no *refusal) (checkOutcome, bool) {
	if status == http.StatusOK {
		if i, ok := answer.(api.Introspection); ok && !i.Active {
			return checkNone, true // it does not say whether there was one (API-03)
		}
		return checkLive, true
	}
	switch no.name {
	case "session-ended":
		return checkEnded, true
	case "token-rotated":
		return checkRotated, true
	case "no-session":
		return checkNone, true
	case "no-answer", "outcome-unknown", "internal":
		return checkUnanswered, true
	}
	return 0, false
}

// signedIn returns what a sign-in came to; false: it was none.
func signedIn(status int, no *refusal) (signInOutcome, bool) {
	if status == http.StatusCreated {
		return signInAdmitted, true
	}
	switch no.name {
	case "account-full":
		if no.problem.Ticket != "" {
			return signInAsked, true
		}
		return signInRefused, true
	case "account-blocked":
		return signInBlocked, true
	case "no-seat", "bad-ticket", "session-ended", "token-rotated", "no-session":
		return signInGone, true
	case "no-answer", "internal":
		return signInUnanswered, true
	case "outcome-unknown":
		return signInUnknown, true
	}
	return 0, false
}
