package oneseat

import (
	"testing"
	"time"
)

func TestWhenAUseIsWritten(t *testing.T) {
	const touch, idle, tick = 5 * time.Minute, time.Hour, time.Microsecond
	with := func(policy Policy, order DisplaceOrder) rule {
		r := limited(2, policy)
		r.displaceOrder, r.touchEvery, r.idle = order, touch, idle
		return r
	}
	displace := with(PolicyDisplace, DisplaceIdlest)
	endless := displace
	endless.idle = 0
	unused := func(s *seat) { s.unused = true }
	alone, fresh := aRoster(aSeat("a")), aRoster(aSeat("a", unused))
	two, left := aRoster(aSeat("a"), aSeat("b")), aRoster(aSeat("a", seen(5*time.Second)), aSeat("b"))
	for _, tt := range []struct {
		name string
		ro   *Roster
		use  usage // of the first seat; asOf is at, if it is zero
		rule rule
		want useDue
	}{
		{name: "a check of a stream", ro: aRoster(aSeat("a", under("b")), aSeat("b")), use: usage{how: useActive, at: at(idle)}, rule: displace, want: useNotDue},

		{name: "the first use under refuse", ro: fresh, use: usage{how: usePeek, at: at(0)}, rule: with(PolicyRefuse, DisplaceIdlest), want: useBeforeAnswer},
		{name: "the second use under refuse", ro: alone, use: usage{how: usePeek, at: at(0)}, rule: with(PolicyRefuse, DisplaceIdlest), want: useNotDue},
		{name: "the first use of a session that is alone", ro: fresh, use: usage{how: usePeek, at: at(0)}, rule: displace, want: useNotDue},
		{name: "the first use of one that is alone, of its class too", ro: fresh, use: usage{how: usePeek, at: at(0)}, rule: with(PolicyDisplace, DisplaceSameClass), want: useInBackground},
		{name: "the second use of that", ro: alone, use: usage{how: usePeek, at: at(0)}, rule: with(PolicyDisplace, DisplaceSameClass), want: useNotDue},
		{name: "the first use of one of two", ro: aRoster(aSeat("a", unused), aSeat("b")), use: usage{how: usePeek, at: at(0)}, rule: displace, want: useInBackground},
		{name: "the second use of one of two", ro: two, use: usage{how: usePeek, at: at(0)}, rule: displace, want: useNotDue},

		{name: "a check before the touch interval is over", ro: alone, use: usage{how: useActive, at: at(touch - tick)}, rule: displace, want: useNotDue},
		{name: "a check when the touch interval is over", ro: alone, use: usage{how: useActive, at: at(touch)}, rule: displace, want: useInBackground},
		{name: "what is held when the touch interval is over", ro: alone, use: usage{how: useHeld, at: at(touch)}, rule: displace, want: useNotDue},
		{name: "a check before the last touch interval", ro: alone, use: usage{how: useActive, at: at(idle - touch - tick)}, rule: displace, want: useInBackground},
		{name: "a check in the last touch interval", ro: alone, use: usage{how: useActive, at: at(idle - touch)}, rule: displace, want: useBeforeAnswer},
		{name: "a check of what never idles out", ro: alone, use: usage{how: useActive, at: at(24 * time.Hour)}, rule: endless, want: useInBackground},

		{name: "one of two within ten seconds", ro: two, use: usage{how: useActive, at: at(orderEvery - tick)}, rule: displace, want: useNotDue},
		{name: "one of two after ten seconds", ro: two, use: usage{how: useActive, at: at(orderEvery)}, rule: displace, want: useInOrder},
		{name: "what one of two holds after ten seconds", ro: two, use: usage{how: useHeld, at: at(orderEvery)}, rule: displace, want: useInOrder},
		{name: "a peek at one of two after ten seconds", ro: two, use: usage{how: usePeek, at: at(orderEvery)}, rule: displace, want: useNotDue},
		{name: "one of two where the oldest goes", ro: two, use: usage{how: useActive, at: at(orderEvery)}, rule: with(PolicyDisplace, DisplaceOldest), want: useNotDue},
		{name: "one with a stream", ro: aRoster(aSeat("a"), aSeat("b", under("a"))), use: usage{how: useActive, at: at(orderEvery)}, rule: displace, want: useNotDue},
		{name: "the newest of two", ro: left, use: usage{how: useActive, at: at(time.Minute)}, rule: displace, want: useNotDue},
		{
			name: "the newest of two and a stream", ro: aRoster(append([]any{left.seats[0], left.seats[1]}, aSeat("c", under("b"), seen(time.Minute)))...),
			use: usage{how: useActive, at: at(time.Minute)}, rule: displace, want: useNotDue,
		},
		{name: "the newest of two, as of ten seconds ago", ro: left, use: usage{how: useActive, at: at(time.Minute), asOf: at(time.Minute - orderEvery)}, rule: displace, want: useNotDue},
		{name: "the newest of two, as of more than that", ro: left, use: usage{how: useActive, at: at(time.Minute), asOf: at(time.Minute - orderEvery - tick)}, rule: displace, want: useInOrder},
	} {
		if tt.use.asOf.IsZero() {
			tt.use.asOf = tt.use.at
		}
		if got := tt.ro.useDue(&tt.ro.seats[0], tt.use, &tt.rule); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
