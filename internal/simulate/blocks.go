package simulate

import (
	"slices"
	"time"

	"github.com/oneseat/oneseat/internal/record"
)

// block is a block of an account, from one moment to another.
type block struct {
	from   moment
	until  time.Time // zero: until it is lifted
	lifted moment
}

func sameBlock(a, b *record.Block) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// blocked notes what became of an account's block, and checks that no session is live
// under it.
func (l *ledger) blocked(e *effect, account int, before, after *record.Record, now time.Time) {
	if !sameBlock(before.Block, after.Block) {
		if b := before.Block; b != nil {
			l.blocks[account][len(l.blocks[account])-1].lifted = e.moment
			over := !b.Until.IsZero() && !now.Before(b.Until.Time)
			if !over && (e.by == nil || e.by.what != "block" && e.by.what != "unblock") {
				l.w.violate(blocks, e.by, "the block of %s is gone", accountName(account))
			}
		}
		if b := after.Block; b != nil {
			l.blocks[account] = append(l.blocks[account], &block{from: e.moment, until: b.Until.Time})
		}
	}
	if b := before.Block; b != nil && (b.Until.IsZero() || now.Before(b.Until.Time)) && slices.ContainsFunc(e.changes, func(c change) bool { return c.what == "created" }) {
		l.w.violate(blocks, e.by, "%s is blocked, and somebody is admitted", accountName(account))
	}
	if after.Block != nil && len(after.Seats)+len(after.Pending) > 0 {
		l.w.violate(blocks, e.by, "%s is blocked, and has %d sessions and streams, and %d tickets", accountName(account), len(after.Seats), len(after.Pending))
	}
}

// forgetBlock notes that the store has lost an account's block, or has another one.
func (l *ledger) forgetBlock(m moment, account int, ro *record.Record) {
	if all := l.blocks[account]; len(all) > 0 && all[len(all)-1].lifted.seq == 0 {
		all[len(all)-1].lifted = m
	}
	if ro != nil && ro.Block != nil {
		l.blocks[account] = append(l.blocks[account], &block{from: m, until: ro.Block.Until.Time})
	}
}

// blockOps blocks the account for a while.
func (c *client) blockOps(op *call) bool {
	if !c.w.plan.blocks {
		return false
	}
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	all := c.w.ledger.blocks[c.account]
	out := len(all) > 0 && all[len(all)-1].lifted.seq == 0
	switch chance := c.dice.IntN(100); {
	case out && chance < 40:
		op.what = "unblock"
	case chance < 8:
		op.what = "block"
		if c.dice.percent(60) {
			op.until = c.w.store.clock().Add(c.dice.between(-100*time.Millisecond, 1500*time.Millisecond))
		}
	default:
		return false
	}
	op.on = nil
	return true
}

// judgeBlocked checks that a call that is answered with a block met that block.
func (w *world) judgeBlocked(c *call) {
	for _, b := range w.ledger.blocks[c.account] {
		ran := !b.until.IsZero() && b.until.Sub(w.start) <= c.began.at && !w.plan.mishaps(clockStep)
		if b.from.before(c.back) && !b.lifted.before(c.began) && !ran && b.until.Equal(c.until) {
			return
		}
	}
	w.violate(blocks, c, "node %d says that the account is blocked, and it is not", c.up.number)
}

// judgeUnblocked checks that an account that was blocked before is not blocked any
// more.
func (w *world) judgeUnblocked(c *call) {
	for _, b := range w.ledger.blocks[c.account] {
		if b.from.before(c.began) && !b.lifted.before(c.back) {
			w.violate(blocks, c, "Unblock returned, and the account is blocked")
		}
	}
}
