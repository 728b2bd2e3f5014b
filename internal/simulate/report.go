package simulate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

func (s *session) String() string { return fmt.Sprintf("%s/%d", accountName(s.account), s.number) }

// Headline returns the first violation in a line.
func (r Result) Headline() string {
	v := r.Violations[0]
	return fmt.Sprintf("seed %d: %s: %s", r.Seed, v.Promise, v.What)
}

// Report returns a history with a violation, for people: what was broken, the setting,
// the troubles, and what happened, in order.
func (r Result) Report() string {
	var b strings.Builder
	for _, v := range r.Violations {
		by := ""
		if v.call != nil {
			by = fmt.Sprintf(" (operation %d)", v.call.number)
		}
		fmt.Fprintf(&b, "%s broken at %s%s: %s\n", v.Promise, stamp(v.at), by, v.What)
	}
	w := r.world
	p := &w.plan
	c := p.config
	fmt.Fprintf(&b, "%d nodes, a log in %d partitions, limit %d, %s, %s, idle %s, absolute %s, MaxStale %s, HoldGrace %s\n",
		p.nodes, p.partitions, c.Limit, c.WhenFull, c.DisplaceOrder, setting(c.Idle), setting(c.Absolute), setting(c.MaxStale), c.HoldGrace)
	fmt.Fprintf(&b, "calls take up to %s, %d%% of them up to %s; change and commit apart: %t; keys read apart: %t\n",
		p.pace.usual, p.pace.slow, p.pace.rare, p.apart, p.split)
	fmt.Fprintf(&b, "in percent: replies of updates lost %d, reads failing %d, log not readable %d, gaps %d, repeats %d, in pieces %d, wakes odd %d\n",
		p.lost, p.unread, p.unheard, p.gaps, p.repeats, p.pieces, p.drops)
	b.WriteByte('\n')
	w.table(&b)
	return b.String()
}

func setting(d time.Duration) string {
	if d < 0 {
		return "none"
	}
	return d.String()
}

func stamp(at time.Duration) string { return fmt.Sprintf("%.6f", at.Seconds()) }

// line is a line of the table, with its place in the order of everything.
type line struct {
	seq  int64
	text string // cells with tabs between them
}

func (w *world) table(b *strings.Builder) {
	var lines []line
	add := func(m moment, cells ...any) {
		var text strings.Builder
		text.WriteString(stamp(m.at))
		for _, c := range cells {
			text.WriteString("\t" + fmt.Sprint(c))
		}
		lines = append(lines, line{m.seq, text.String()})
	}
	for _, c := range w.calls {
		add(c.began, "node "+fmt.Sprint(c.up.number), "client "+fmt.Sprint(c.client), fmt.Sprintf("%d begins", c.number), w.describe(c), "")
		add(c.back, "node "+fmt.Sprint(c.up.number), "client "+fmt.Sprint(c.client), fmt.Sprintf("%d returns", c.number), c.what, c.outcome(w))
	}
	for _, h := range w.holds {
		if h.cut.seq != 0 {
			add(h.cut, "node "+fmt.Sprint(h.up.number), "client "+fmt.Sprint(h.client), fmt.Sprintf("%d is cut", h.number), h.on, h.cause)
		}
		if h.released.seq != 0 {
			add(h.released, "node "+fmt.Sprint(h.up.number), "client "+fmt.Sprint(h.client), fmt.Sprintf("%d is over", h.number), h.on, "")
		}
	}
	for _, e := range w.ledger.realm {
		add(e.moment, "store", "", by(e.by), "realm", "begins anew")
	}
	for _, all := range w.ledger.effects {
		for _, e := range all {
			for _, ch := range e.changes {
				add(e.moment, "store", "", by(e.by), ch.on, strings.TrimSpace(ch.what+" "+string(ch.why)))
			}
		}
	}
	slices.SortStableFunc(lines, func(a, b line) int { return cmp.Compare(a.seq, b.seq) })
	lines = slices.Concat(w.troubles(), lines)
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, l := range lines {
		fmt.Fprintln(t, l.text)
	}
	_ = t.Flush()
}

func by(c *call) string {
	if c == nil {
		return "in the background"
	}
	return fmt.Sprintf("by %d", c.number)
}

// troubles returns the troubles of the plan.
func (w *world) troubles() []line {
	var lines []line
	add := func(from, to time.Duration, who string, what ...any) {
		until := ""
		if to != 0 {
			until = "until " + stamp(to)
		}
		lines = append(lines, line{int64(from), stamp(from) + "\t" + who + "\t\t" + fmt.Sprint(what...) + "\t" + until})
	}
	for i, m := range w.plan.machines {
		node := fmt.Sprintf("node %d", i)
		for _, p := range m.pauses {
			add(p.from, p.to, node, "paused", [...]string{"", ", monotonic clock stands", ", wall clock stands"}[p.stands])
		}
		for _, s := range m.steps {
			add(s.at, 0, node, "wall clock set by ", s.by)
		}
		for _, o := range m.outages {
			add(o.from, o.to, node, "no answer to ", [...]string{"anything", "readings of the log", "reads", "updates"}[o.calls])
		}
		for _, c := range m.crashes {
			add(c.at, c.back, node, map[bool]string{true: "closed", false: "crashed"}[c.closed])
		}
	}
	for _, f := range w.plan.store {
		add(f.at, 0, "store", f.what, map[bool]string{true: fmt.Sprint(" by ", f.by)}[f.what == clockStep])
	}
	slices.SortStableFunc(lines, func(a, b line) int { return cmp.Compare(a.seq, b.seq) })
	return append(lines, line{})
}

// describe returns an operation, with what it is about.
func (w *world) describe(c *call) string {
	switch {
	case c.stream.ID != "":
		return c.what + " " + w.ledger.name(c.stream.ID)
	case c.what == "set limit" || c.what == "change plan":
		return fmt.Sprintf("%s %+v", c.what, c.limits)
	case c.on == nil:
		return c.what
	}
	if sec := w.ledger.bySecret[c.on.digest]; sec != nil {
		return fmt.Sprintf("%s %s%s", c.what, sec.session, strings.Repeat("'", sec.place))
	}
	return c.what + " a lost token"
}

// outcome returns what came back.
func (c *call) outcome(w *world) string {
	switch {
	case c.granted != nil:
		return fmt.Sprintf("%s: %s", c.said, w.ledger.name(c.granted.grant.Session.ID))
	case c.said == "ended":
		return fmt.Sprintf("ended: %s", c.ending.Reason)
	case c.what == "play" && c.said == "yes":
		return "yes: " + w.ledger.name(c.session)
	case c.said == "yes" || c.said == "none":
		return c.said
	}
	return fmt.Sprintf("%s: %v", c.said, c.err)
}
