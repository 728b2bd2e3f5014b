package oneseat

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// What is stored is shared by everybody who has read it. No operation writes into
// it: not into what is there, and not behind its end, where two operations on one
// version would both append.
func TestNoOperationWritesIntoWhatIsStored(t *testing.T) {
	ask := limited(2, PolicyAsk)
	ask.touchEvery = time.Second
	observed := limited(1, PolicyDisplace)
	observed.observeOnly = true
	stream := newcomer{seat: aSeat("stream", under("a"))}
	for name, does := range map[string]struct {
		rule rule
		op   func(*draft)
	}{
		"admit":             {limited(9, PolicyDisplace), func(d *draft) { d.admit(newcomer{seat: aSeat("new")}) }},
		"admit by renewing": {limited(9, PolicyDisplace), func(d *draft) { d.admit(newcomer{seat: aSeat("new"), presented: dig("b")}) }},
		"admit with a ticket": {limited(9, PolicyAsk), func(d *draft) {
			d.admit(newcomer{seat: aSeat("new"), ticketUsed: dig("ticket")})
		}},
		"displace": {limited(1, PolicyDisplace), func(d *draft) { d.admit(newcomer{seat: aSeat("new")}) }},
		"ask":      {ask, func(d *draft) { d.admit(newcomer{seat: aSeat("new"), ticket: dig("another")}) }},
		"observe":  {observed, func(d *draft) { d.admit(newcomer{seat: aSeat("new")}) }},
		"stream":   {limited(9, PolicyDisplace), func(d *draft) { d.admit(stream) }},
		"end":      {plain, func(d *draft) { d.end("a", Ending{Reason: ReasonRevoked}) }},
		"end all":  {plain, func(d *draft) { _, _ = d.endWhere(&endRequest{others: true}) }},
		"touch":    {ask, func(d *draft) { d.use("b", useActive) }},
		"rotate":   {plain, func(d *draft) { _, _ = d.rotate(dig("a"), dig("next")) }},
		"report":   {plain, func(d *draft) { d.reportUse(dig("z")); d.reportUse(dig("old b")) }},
		"block":    {plain, func(d *draft) { _, _ = d.block(time.Time{}, "") }},
		"limit":    {plain, func(d *draft) { d.setLimit(Limits{Total: 1}, "") }},
		"expire":   {plain, func(d *draft) { d.was.Now = at(48 * time.Hour); d.expireTickets() }},
	} {
		t.Run(name, func(t *testing.T) {
			ro := aRoster(anEnding("y", ReasonSignedOut, -time.Minute, "y"), anEnding("z", ReasonSignedOut, -time.Minute, "z"), aSeat("a"), aSeat("b", rotated(-time.Hour)), aSeat("c"))
			ro.tickets = []pending{{secret: dig("ticket"), epoch: 1, expires: at(2 * time.Hour)}, {secret: dig("late"), epoch: 1, expires: at(3 * time.Hour)}}
			ro.seats, ro.endings, ro.tickets = slices.Grow(ro.seats, 5), slices.Grow(ro.endings, 5), slices.Grow(ro.tickets, 5)
			all := func() string {
				return fmt.Sprintf("%+v\n%+v\n%+v", ro.seats[:cap(ro.seats)], ro.endings[:cap(ro.endings)], ro.tickets[:cap(ro.tickets)])
			}
			before := all()
			does.op(settled(viewAt(ro, time.Minute), 1, does.rule))
			same(t, "what is stored, and behind it", all(), before)
		})
	}
}
