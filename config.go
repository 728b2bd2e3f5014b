package oneseat

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Named settings, where zero means the default.
const (
	// NoTimeout, as Config.Idle or Config.Absolute, switches that timeout off.
	NoTimeout time.Duration = -1
	// FreshAlways, as Config.MaxStale, reads the store on every check: checks
	// are then linearizable, and cost a read each.
	FreshAlways time.Duration = -1
)

// Config is what a [Registry] goes by. In every field zero means the default.
type Config struct {
	// Realm is the population of accounts that this registry looks after, one
	// of possibly several in a store. Default "default"; at most 64 bytes.
	Realm string

	// Limit is how many live sessions an account may have: 1 to [MaxSeats], or
	// [Unlimited]. Default 1.
	Limit int

	// ClassLimits limit sessions by class of device, under Limit: see [Classes].
	// Default: only Limit counts.
	ClassLimits map[string]int

	// Streams is how many streams an account may play at once: 1 to
	// [MaxStreams], or [Unlimited]. Default 1.
	Streams int

	// LimitFor says what an account's limits are, for plans, tiers and staff; a
	// zero field leaves it to the three above. It is asked before every sign-in
	// and stream, on the caller's goroutine; an error means that nobody gets in.
	// What [Registry.SetLimit] stored comes first. Call [Registry.Refresh] when
	// an account's answer has changed. Default: none.
	LimitFor func(ctx context.Context, account string) (Limits, error)

	// WhenFull says what happens to a sign-in beyond the limit. Default
	// [Displace].
	WhenFull Policy

	// WhoGoes says who gives way. Default [Idlest].
	WhoGoes WhoGoes

	// SeatIdle lets a newcomer displace, under [Refuse] and [Ask] too, a session
	// that was idle for so long: a closed laptop cannot lock its owner out.
	// Default: none. Not less than twice TouchEvery, which is how exactly idleness
	// is known.
	SeatIdle time.Duration

	// ObserveOnly counts and reports, in events and [Stats], whom the limits would
	// have ended or refused, and lets everybody in: up to [MaxSeats].
	ObserveOnly bool

	// StreamIdle is how long a stream lives without a heartbeat. Default 45
	// seconds; at least 1.
	StreamIdle time.Duration

	// Idle ends a session with which nothing was done for so long. Default 14
	// days, or Absolute if that is shorter; at least a second; [NoTimeout] for
	// never.
	Idle time.Duration

	// Absolute ends a session so long after its sign-in, whatever is done with
	// it. Default 90 days; [NoTimeout] for never. Not shorter than Idle.
	Absolute time.Duration

	// TouchEvery is how exactly last-seen is kept: a session that is in use is
	// written at most once in this time. Default, and at most, a tenth of Idle;
	// never more than 5 minutes.
	TouchEvery time.Duration

	// KeepEndings is how long an ending is remembered, so that the old browser
	// can be told. Default 30 days; at least a minute.
	KeepEndings time.Duration

	// AdoptUntil is for an application that had sessions before: until then,
	// [Registry.Adopt] gives a seat to one that has none yet. Default: none is
	// adopted. Until then no roster is erased.
	AdoptUntil time.Time

	// MaxStale bounds how long a check may go on saying yes, from memory, to a
	// session that another node has ended, should the news not arrive. Default
	// 1 second; 20 ms to 1 minute, or [FreshAlways].
	MaxStale time.Duration

	// HoldGrace is how long a held request goes on when its session can no
	// longer be confirmed because the store does not answer. Default 5 seconds.
	HoldGrace time.Duration

	// DangerouslyAllowWhenStoreIsDown lets a check say yes from memory, however
	// old, while the store does not answer. A session that was ended elsewhere
	// in the meantime goes on.
	DangerouslyAllowWhenStoreIsDown bool

	// Logger gets what an operator should know. Default slog.Default().
	Logger *slog.Logger

	// Clock is for tests: the wall clock, and a monotonic reading of any origin.
	// Default: the machine's. What times out is decided by the store's clock.
	Clock func() (wall time.Time, monotonic time.Duration)
}

const maxTouchEvery = 5 * time.Minute

// withDefaults returns the configuration in force, or every reason why there is
// none, joined.
func (c Config) withDefaults() (Config, error) {
	var errs []error
	reject := func(field, problem string, args ...any) {
		errs = append(errs, &ConfigError{field, fmt.Sprintf(problem, args...)})
	}
	idleGiven := c.Idle != 0
	setDefault(&c.Realm, "default")
	setDefault(&c.Limit, 1)
	setDefault(&c.Streams, 1)
	setDefault(&c.WhenFull, Displace)
	setDefault(&c.WhoGoes, Idlest)
	setDefault(&c.StreamIdle, 45*time.Second)
	setDefault(&c.Absolute, 90*24*time.Hour)
	if setDefault(&c.Idle, 14*24*time.Hour); !idleGiven && c.Absolute > 0 {
		c.Idle = min(c.Idle, c.Absolute)
	}
	setDefault(&c.KeepEndings, 30*24*time.Hour)
	setDefault(&c.MaxStale, time.Second)
	setDefault(&c.HoldGrace, 5*time.Second)

	if len(c.Realm) > 64 || !utf8.ValidString(c.Realm) || sanitize(c.Realm, 64) != c.Realm {
		reject("Realm", "it has to be 1 to 64 bytes of printable text")
	}
	fields := map[string]string{"Total": "Limit", "Classes": "ClassLimits", "Streams": "Streams"}
	for _, p := range c.limits().problems() {
		field, class, ok := strings.Cut(p.Field, "[")
		if field = fields[field]; ok {
			field += "[" + class
		}
		reject(field, "%s", p.Problem)
	}
	if !slices.Contains([]Policy{Displace, Refuse, Ask}, c.WhenFull) {
		reject("WhenFull", "%q is neither Displace, Refuse nor Ask", string(c.WhenFull))
	}
	if !slices.Contains([]WhoGoes{Idlest, Oldest, SameClass}, c.WhoGoes) {
		reject("WhoGoes", "%q is neither Idlest, Oldest nor SameClass", string(c.WhoGoes))
	}
	if c.StreamIdle < time.Second {
		reject("StreamIdle", "%v is less than a second", c.StreamIdle)
	}
	if c.Idle != NoTimeout && c.Idle < time.Second {
		reject("Idle", "%v is less than a second, and not NoTimeout", c.Idle)
	}
	if c.Absolute != NoTimeout && c.Absolute < time.Second {
		reject("Absolute", "%v is less than a second, and not NoTimeout", c.Absolute)
	}
	if c.Absolute > 0 && c.Idle > c.Absolute {
		reject("Idle", "%v is longer than Absolute, %v, and would never be reached", c.Idle, c.Absolute)
	}
	most := maxTouchEvery
	if c.Idle > 0 {
		most = min(most, c.Idle/10)
	}
	if setDefault(&c.TouchEvery, most); c.TouchEvery <= 0 || c.TouchEvery > most {
		reject("TouchEvery", "%v is not between 0 and %v, a tenth of Idle and 5 minutes at most", c.TouchEvery, most)
	}
	if c.SeatIdle != 0 && c.SeatIdle < 2*c.TouchEvery {
		reject("SeatIdle", "%v is less than twice TouchEvery, %v: idleness is not known so exactly", c.SeatIdle, c.TouchEvery)
	}
	if c.KeepEndings < time.Minute {
		reject("KeepEndings", "%v is less than a minute: nobody could be told", c.KeepEndings)
	}
	if c.MaxStale != FreshAlways && (c.MaxStale < 20*time.Millisecond || c.MaxStale > time.Minute) {
		reject("MaxStale", "%v is not 20 ms to 1 minute, nor FreshAlways", c.MaxStale)
	}
	if c.HoldGrace < 0 {
		reject("HoldGrace", "%v is negative", c.HoldGrace)
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Clock == nil {
		start := time.Now()
		c.Clock = func() (time.Time, time.Duration) {
			now := time.Now()
			return now.Round(0), now.Sub(start)
		}
	}
	return c, errors.Join(errs...)
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// limits are those for everybody.
func (c Config) limits() Limits {
	return Limits{Total: c.Limit, Classes: maps.Clone(c.ClassLimits), Streams: c.Streams}
}

// rule is the configuration as far as it decides.
func (c Config) rule() rule {
	return rule{
		realm: c.Realm, limits: c.limits(), whenFull: c.WhenFull, whoGoes: c.WhoGoes, seatIdle: c.SeatIdle, streamIdle: c.StreamIdle,
		observeOnly: c.ObserveOnly, touchEvery: c.TouchEvery, keepEndings: c.KeepEndings, adoptUntil: c.AdoptUntil,
		idle: max(c.Idle, 0), absolute: max(c.Absolute, 0),
	}
}
