package simulate

import (
	"flag"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/oneseat/oneseat/internal/mutants"
)

var planted = flag.String("bugs", "sample", `planted bugs that have to be caught: "sample", "all", or names with commas between`)

// bug is a mistake in the root package that breaks a promise.
type bug struct {
	name, file, old, new string
}

// sample is what the ordinary go test tries.
var sample = []string{"a cached no is believed", "a retry admits twice"}

var bugs = []bug{
	{"a cached no is believed", "check.go",
		"	case m.verdict == verdictLive && m.usable && (",
		"	case m.verdict == verdictNone && m.entry != nil && m.usable:\n\t\treturn m, true, ErrNoSession\n\tcase m.verdict == verdictLive && m.usable && ("},
	{"a proof extends what was cached after it began", "feed.go",
		"			call.gap = f.gap\n",
		"			call.gap, call.begun, call.at = f.gap, r.cache.step(f.partition), r.now()\n"},
	{"a lease counts from the end of a read", "load.go",
		"	b.control = b.views[r.control]\n",
		"	b.control, b.began = b.views[r.control], r.now()\n"},
	{"a load overwrites a newer version", "cache.go",
		"case old != nil && old.Version > v.Version:",
		"case old != nil && false:"},
	{"an idle end ignores a touch", "check.go",
		"		if v, j, err = r.settled(ctx, c, epoch); err != nil {\n",
		"		if v, err = r.update(ctx, c.key, func(v View, _ int) (Change, error) {\n" +
			"			if v.Roster == nil || v.Roster.seat(j.seat.ID) < 0 {\n\t\t\t\treturn Change{}, nil\n\t\t\t}\n" +
			"			d := v.reopen(r.rule)\n" +
			"			why, _ := j.seat.timeout(v.Now, r.rule) // as it was read before\n" +
			"			d.end(j.seat.ID, Ending{Reason: why})\n" +
			"			return d.commit(), nil\n" +
			"		}); err == nil {\n" +
			"			j = v.judge(c, v.Now, epoch, r.rule)\n" +
			"		} else {\n"},
	{"a retry admits twice", "admit.go",
		"	if d.matchID(c.seat.ID) != (match{}) {\n",
		"	if false {\n"},
	{"an expiry is answered and then undone", "check.go",
		"	if j.verdict == verdictExpired {\n",
		"	if j.verdict == verdictExpired {\n\t\treason, _ := j.seat.timeout(v.Now, r.rule)\n\t\treturn nil, &EndedError{Ending{Session: j.seat.ID, Reason: reason, At: v.Now}}\n\t}\n\tif j.verdict == verdictExpired {\n"},
	{"a gap in the log is taken for silence", "feed.go",
		`if f.cursor == "" || tail.Gap {`,
		`if f.cursor == "" {`},
	{"a ticket is redeemed twice", "admit.go",
		"	d.spendTicket(c.ticketUsed)\n",
		""},
	{"who has ended ends others", "end.go",
		"		if err := d.over(as); err != nil {\n",
		"		if err := d.over(as); err != nil && false {\n"},
	{"a ticket is anybody's", "ticket.go",
		"	case d.tickets[i].deviceID != c.seat.deviceID:\n",
		"	case false:\n"},
	{"whoever is chosen is believed to free a seat", "admit.go",
		"return policy == PolicyDisplace || c.override ||",
		"return policy == PolicyDisplace || c.override || len(c.chosen) > 0 ||"},
	{"a limit counts that was asked for under an old revision", "draft.go",
		"	case p.limitFor && v.revision() != p.revision:\n",
		"	case p.limitFor && p.newcomer == \"\" && v.revision() != p.revision:\n"},
	{"a refresh trims to a limit that was asked for before", "draft.go",
		"	case p.limitFor && v.revision() != p.revision:\n",
		"	case p.limitFor && p.newcomer != \"\" && v.revision() != p.revision:\n"},
	{"a lowered limit trims nobody", "limit.go",
		"	d.trim(actor)\n",
		""},
	{"a block leaves a live session", "block.go",
		"for len(d.seats) > 0 {",
		"for len(d.seats) > 1 {"},
	{"a blocked account signs in", "admit.go",
		"	if d.blocked != nil {\n\t\treturn Decision{Outcome: Blocked}",
		"	if d.blocked != nil && !d.blocked.until.IsZero() {\n\t\treturn Decision{Outcome: Blocked}"},
	{"heartbeats keep a stream after its session", "draft.go",
		"if child.parent == id {",
		"if child.parent == id && how.Reason != ReasonDisplaced {"},
	{"a player reconnecting has a second stream", "stream.go",
		"return parent != \"\" && s.parent == parent && s.deviceID.Equal(player)",
		"return false"},
	{"a heartbeat is not written", "stream.go",
		"d.touch(stream, d.rule.streamIdle/10)",
		"d.touch(stream, d.rule.streamIdle/2)"},
	{"a stream that stopped elsewhere is played on", "registry.go",
		"			r.endWatchesOver(v) //",
		"			//"},
	{"a lost reply is forgotten where limits changed", "registry.go",
		`return fmt.Errorf("%w: %v", ErrUnknownOutcome, err)`,
		"return err"},
}

// within is in how many histories a planted bug has to show.
const within = 50000

// TestPlantedBugsAreCaught is that the simulator can fail.
func TestPlantedBugsAreCaught(t *testing.T) {
	if *child {
		return
	}
	for _, b := range chosen(t) {
		t.Run(b.name, func(t *testing.T) {
			root, dir := filepath.Join("..", ".."), t.TempDir()
			overlay, err := mutants.Plant(root, dir, b.file, b.old, b.new)
			if err != nil {
				t.Fatal(err)
			}
			bin := filepath.Join(dir, "simulate.test")
			if out, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-vet=off", "-overlay="+overlay, "-o", bin, ".").CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			sum := spread(t, bin, 1, within, 1)
			if len(sum.Failures) == 0 {
				t.Errorf("%s: not caught in %d histories", b.name, sum.Histories)
				return
			}
			first := slices.MinFunc(sum.Failures, func(a, b Failure) int { return int(a.Seed) - int(b.Seed) })
			t.Logf("%s: caught by the history of seed %d, %s", b.name, first.Seed, first.Headline)
		})
	}
}

func chosen(t *testing.T) (some []bug) {
	names := strings.Split(*planted, ",")
	switch *planted {
	case "all":
		return bugs
	case "sample":
		names = sample
	}
	for _, name := range names {
		i := slices.IndexFunc(bugs, func(b bug) bool { return b.name == name })
		if i < 0 {
			t.Fatalf("there is no planted bug %q", name)
		}
		some = append(some, bugs[i])
	}
	return some
}
