package oneseat

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Values of settings in which zero means the default.
const (
	// NoTimeout, as Config.Idle or Config.Absolute, switches that timeout off.
	NoTimeout time.Duration = -1
	// FreshAlways, as Config.MaxStale, reads the store on every check. Checks are
	// then linearizable, and each costs a read.
	FreshAlways time.Duration = -1
)

// Config configures a [Registry]. In every field zero means the default.
type Config struct {
	// Realm is the population of accounts that this registry looks after. A store
	// may hold several. Default "default"; at most 64 bytes.
	Realm string

	// Limit is how many live sessions an account may have: 1 to [MaxSeats], or
	// [Unlimited]. Default 1.
	Limit int

	// ClassLimits limit the sessions on each class of device, within Limit: see
	// [Classes]. Default: only Limit counts.
	ClassLimits map[Class]int

	// Streams is how many streams an account may play at once: 1 to
	// [MaxStreams], or [Unlimited]. Default 1.
	Streams int

	// StreamClassLimits limit the streams on each class of device, within Streams.
	// Default: only Streams counts.
	StreamClassLimits map[Class]int

	// WhenStreamsFull says what happens to a stream beyond the limit: [PolicyAsk], so
	// that the viewer chooses what stops, or [PolicyDisplace], so that the newest
	// plays. See [DisplaceOrder]. Default PolicyAsk.
	WhenStreamsFull Policy

	// Programs says what the sessions of an account's programs, such as its API keys,
	// may do. Default: there are none.
	Programs Programs

	// LimitFor returns an account's limits, for plans, tiers and staff. A zero field
	// leaves that limit to the fields above. It is called before every sign-in
	// and stream, on the caller's goroutine. If it returns an error, nobody gets in.
	// Limits that [Registry.SetLimit] stored come first. Call
	// [Registry.RefreshLimits] when an account's answer has changed. Default: none.
	LimitFor func(ctx context.Context, account string) (Limits, error)

	// WhenFull says what happens to a sign-in beyond the limit. Default
	// [PolicyDisplace].
	WhenFull Policy

	// DisplaceOrder says which session gives way. Default [DisplaceIdlest].
	DisplaceOrder DisplaceOrder

	// SeatIdle lets a newcomer displace, under every policy, a session that was idle
	// for this long: a closed laptop cannot lock its owner out. See [DisplaceOrder].
	// Default: no session gives way for that. At least twice TouchEvery, because
	// idleness is known no more exactly than that.
	SeatIdle time.Duration

	// OneSeatPerDevice lets a newcomer take the seat of its own device even where there
	// is room. The device is known by [SignInRequest.DeviceID]. This is for an app that
	// is installed anew and has lost its token. The device is told why its earlier session
	// ended, as under every policy. Off by default, because images of a machine may share
	// an id.
	OneSeatPerDevice bool

	// ObserveOnly admits everybody, up to [MaxSeats]. Events and [Stats] report
	// which sessions and sign-ins the limits would have ended or refused.
	ObserveOnly bool

	// StreamIdle is how long a stream lives without a heartbeat. Default 45 seconds;
	// at least a second.
	StreamIdle time.Duration

	// Idle is how long a session lives without being used. Default 14 days, or
	// Absolute if that is shorter; at least a second, or [NoTimeout].
	Idle time.Duration

	// Absolute is the greatest age of a session, used or not. Default 90 days; not
	// shorter than Idle, or [NoTimeout].
	Absolute time.Duration

	// TouchEvery is how exactly last-seen is kept: that of a session in use is
	// written at most once in this time. Default, and at most, a tenth of Idle;
	// never more than 5 minutes.
	TouchEvery time.Duration

	// KeepEndings is how long an ending is remembered, so that the old browser
	// can be told. Default 30 days; at least a minute.
	KeepEndings time.Duration

	// AdoptUntil is for an application that had sessions of its own before. Until
	// this time [Registry.Adopt] gives such a session a seat, and no roster is
	// erased. Default: no session is adopted.
	AdoptUntil time.Time

	// MaxStale bounds how long a check may go on saying yes, from memory, to a
	// session that another node has ended, if the news of that does not arrive.
	// Default 1 second; 20 ms to 1 minute, or [FreshAlways].
	MaxStale time.Duration

	// HoldGrace is how long a held request goes on when its session can no longer be
	// verified because the store does not answer. Default 5 seconds.
	HoldGrace time.Duration

	// DangerouslyAllowWhenStoreIsDown lets a check say yes from memory, however old,
	// while the store does not answer. A session that another node has ended
	// meanwhile goes on. A session whose first use was answered in that time is not
	// recorded as used, so it may give way to a newcomer as one that was never used.
	DangerouslyAllowWhenStoreIsDown bool

	// Logger gets what an operator should know. Default slog.Default().
	Logger *slog.Logger

	// Clock is for tests: the wall clock, and a monotonic reading of any origin.
	// Default: the machine's. What times out is decided by the store's clock.
	Clock func() (wall time.Time, monotonic time.Duration)
}

// withDefaults returns the configuration in force, or all its problems, joined.
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
	setDefault(&c.WhenStreamsFull, PolicyAsk)
	setDefault(&c.DisplaceOrder, DisplaceIdlest)
	setDefault(&c.StreamIdle, 45*time.Second)
	setDefault(&c.Idle, defaultIdle)
	setDefault(&c.Absolute, 90*24*time.Hour)
	setDefault(&c.TouchEvery, c.mostTouchEvery())
	setDefault(&c.KeepEndings, 30*24*time.Hour)
	if c.Programs.Limit != 0 {
		setDefault(&c.Programs.WhenFull, PolicyRefuse)
		setDefault(&c.Programs.Absolute, NoTimeout)
		if c.Programs.Idle == 0 && c.Programs.Absolute > 0 {
			c.Programs.Idle = min(defaultProgramIdle, c.Programs.Absolute)
		}
		setDefault(&c.Programs.Idle, defaultProgramIdle)
	}
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
	defaultIdle        = 14 * 24 * time.Hour
	defaultProgramIdle = 365 * 24 * time.Hour
	maxTouchEvery      = 5 * time.Minute
)

// mostTouchEvery returns the longest TouchEvery that is possible.
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
		field := map[string]string{"Total": "Limit", "Classes": "ClassLimits", "Streams": "Streams", "StreamClasses": "StreamClassLimits", "Programs": "Programs.Limit"}[name]
		if class != "" {
			field += "[" + class
		}
		reject(true, field, "%s", p.Problem)
	}
	reject(!slices.Contains([]Policy{PolicyDisplace, PolicyRefuse, PolicyAsk}, c.WhenFull),
		"WhenFull", "%q is neither PolicyDisplace, PolicyRefuse nor PolicyAsk", string(c.WhenFull))
	reject(!slices.Contains([]Policy{PolicyAsk, PolicyDisplace}, c.WhenStreamsFull),
		"WhenStreamsFull", "%q is neither PolicyAsk nor PolicyDisplace", string(c.WhenStreamsFull))
	reject(!slices.Contains([]DisplaceOrder{DisplaceIdlest, DisplaceOldest, DisplaceSameClass}, c.DisplaceOrder),
		"DisplaceOrder", "%q is neither DisplaceIdlest, DisplaceOldest nor DisplaceSameClass", string(c.DisplaceOrder))
	reject(c.StreamIdle < time.Second,
		"StreamIdle", "%v is less than a second", c.StreamIdle)
	timeouts := func(of string, idle, absolute time.Duration) {
		reject(idle != NoTimeout && idle < time.Second,
			of+"Idle", "%v is less than a second, and not NoTimeout", idle)
		reject(absolute != NoTimeout && absolute < time.Second,
			of+"Absolute", "%v is less than a second, and not NoTimeout", absolute)
		reject(absolute > 0 && idle > absolute,
			of+"Idle", "%v is longer than Absolute, %v, and would never be reached", idle, absolute)
	}
	timeouts("", c.Idle, c.Absolute)
	if p := c.Programs; p.Limit != 0 {
		reject(!slices.Contains([]Policy{PolicyRefuse, PolicyDisplace}, p.WhenFull),
			"Programs.WhenFull", "%q is neither PolicyRefuse nor PolicyDisplace: a program cannot be asked", string(p.WhenFull))
		timeouts("Programs.", p.Idle, p.Absolute)
	} else {
		reject(p != Programs{}, "Programs.Limit", "other fields of Programs are set, and how many an account may have is not")
	}
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

// limits returns the limits for every account.
func (c Config) limits() Limits {
	return Limits{Total: c.Limit, Classes: c.ClassLimits, Streams: c.Streams, StreamClasses: c.StreamClassLimits, Programs: c.Programs.Limit}.clone()
}

// rule returns the part of the configuration that decides.
func (c Config) rule() rule {
	return rule{
		realm: c.Realm, limits: c.limits(), whenFull: c.WhenFull, streamsFull: c.WhenStreamsFull, programs: c.Programs, displaceOrder: c.DisplaceOrder, seatIdle: c.SeatIdle, streamIdle: c.StreamIdle,
		oneSeatPerDevice: c.OneSeatPerDevice, observeOnly: c.ObserveOnly, touchEvery: c.TouchEvery, keepEndings: c.KeepEndings, adoptUntil: c.AdoptUntil,
		idle: max(c.Idle, 0), absolute: max(c.Absolute, 0),
	}
}
