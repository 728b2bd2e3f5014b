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
	ClassLimits map[Class]int

	// Streams is how many streams an account may play at once: 1 to
	// [MaxStreams], or [Unlimited]. Default 1.
	Streams int

	// LimitFor says what an account's limits are, for plans, tiers and staff; a
	// zero field leaves it to the three above. It is asked before every sign-in
	// and stream, on the caller's goroutine; an error means that nobody gets in.
	// What [Registry.SetLimit] stored comes first. Call [Registry.RefreshLimits] when
	// an account's answer has changed. Default: none.
	LimitFor func(ctx context.Context, account string) (Limits, error)

	// WhenFull says what happens to a sign-in beyond the limit. Default
	// [PolicyDisplace].
	WhenFull Policy

	// DisplaceOrder says which session gives way. Default [DisplaceIdlest].
	DisplaceOrder DisplaceOrder

	// SeatIdle lets a newcomer displace, under every policy, a session that was idle for
	// this long: a closed laptop cannot lock its owner out. See [DisplaceOrder].
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

// withDefaults returns the configuration in force, or every reason why there is
// none, joined.
func (c Config) withDefaults() (Config, error) {
	c.complete()
	return c, errors.Join(c.problems()...)
}

// complete fills in the defaults.
func (c *Config) complete() {
	if c.Idle == 0 && c.Absolute > 0 {
		c.Idle = min(defaultIdle, c.Absolute)
	}
	setDefault(&c.Realm, "default")
	setDefault(&c.Limit, 1)
	setDefault(&c.Streams, 1)
	setDefault(&c.WhenFull, PolicyDisplace)
	setDefault(&c.DisplaceOrder, DisplaceIdlest)
	setDefault(&c.StreamIdle, 45*time.Second)
	setDefault(&c.Idle, defaultIdle)
	setDefault(&c.Absolute, 90*24*time.Hour)
	setDefault(&c.TouchEvery, c.mostTouchEvery())
	setDefault(&c.KeepEndings, 30*24*time.Hour)
	setDefault(&c.MaxStale, time.Second)
	setDefault(&c.HoldGrace, 5*time.Second)
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
}

const (
	defaultIdle   = 14 * 24 * time.Hour
	maxTouchEvery = 5 * time.Minute
)

// mostTouchEvery is how long TouchEvery may be.
func (c *Config) mostTouchEvery() time.Duration {
	if c.Idle > 0 {
		return min(maxTouchEvery, c.Idle/10)
	}
	return maxTouchEvery
}

// problems returns what is impossible about a complete configuration.
func (c *Config) problems() (errs []error) {
	reject := func(wrong bool, field, problem string, args ...any) {
		if wrong {
			errs = append(errs, &ConfigError{"Config", field, fmt.Sprintf(problem, args...)})
		}
	}
	reject(len(c.Realm) > 64 || !utf8.ValidString(c.Realm) || sanitize(c.Realm, 64) != c.Realm,
		"Realm", "it has to be 1 to 64 bytes of printable text")
	for _, p := range c.limits().problems() {
		name, class, _ := strings.Cut(p.Field, "[")
		field := map[string]string{"Total": "Limit", "Classes": "ClassLimits", "Streams": "Streams"}[name]
		if class != "" {
			field += "[" + class
		}
		reject(true, field, "%s", p.Problem)
	}
	reject(!slices.Contains([]Policy{PolicyDisplace, PolicyRefuse, PolicyAsk}, c.WhenFull),
		"WhenFull", "%q is neither PolicyDisplace, PolicyRefuse nor PolicyAsk", string(c.WhenFull))
	reject(!slices.Contains([]DisplaceOrder{DisplaceIdlest, DisplaceOldest, DisplaceSameClass}, c.DisplaceOrder),
		"DisplaceOrder", "%q is neither DisplaceIdlest, DisplaceOldest nor DisplaceSameClass", string(c.DisplaceOrder))
	reject(c.StreamIdle < time.Second,
		"StreamIdle", "%v is less than a second", c.StreamIdle)
	reject(c.Idle != NoTimeout && c.Idle < time.Second,
		"Idle", "%v is less than a second, and not NoTimeout", c.Idle)
	reject(c.Absolute != NoTimeout && c.Absolute < time.Second,
		"Absolute", "%v is less than a second, and not NoTimeout", c.Absolute)
	reject(c.Absolute > 0 && c.Idle > c.Absolute,
		"Idle", "%v is longer than Absolute, %v, and would never be reached", c.Idle, c.Absolute)
	reject(c.TouchEvery <= 0 || c.TouchEvery > c.mostTouchEvery(),
		"TouchEvery", "%v is not between 0 and %v, a tenth of Idle and 5 minutes at most", c.TouchEvery, c.mostTouchEvery())
	reject(c.SeatIdle != 0 && c.SeatIdle < 2*c.TouchEvery,
		"SeatIdle", "%v is less than twice TouchEvery, %v: idleness is not known so exactly", c.SeatIdle, c.TouchEvery)
	reject(c.KeepEndings < time.Minute,
		"KeepEndings", "%v is less than a minute: nobody could be told", c.KeepEndings)
	reject(c.MaxStale != FreshAlways && (c.MaxStale < 20*time.Millisecond || c.MaxStale > time.Minute),
		"MaxStale", "%v is not 20 ms to 1 minute, nor FreshAlways", c.MaxStale)
	reject(c.HoldGrace < 0, "HoldGrace", "%v is negative", c.HoldGrace)
	return errs
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
		realm: c.Realm, limits: c.limits(), whenFull: c.WhenFull, displaceOrder: c.DisplaceOrder, seatIdle: c.SeatIdle, streamIdle: c.StreamIdle,
		observeOnly: c.ObserveOnly, touchEvery: c.TouchEvery, keepEndings: c.KeepEndings, adoptUntil: c.AdoptUntil,
		idle: max(c.Idle, 0), absolute: max(c.Absolute, 0),
	}
}
