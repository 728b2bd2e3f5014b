package simulate

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/record"
)

// attemptLife is how long an attempt may be repeated, and how far a caller's clock may
// be from the store's.
const attemptLife = 10 * time.Minute

// tries are the calls of one attempt of an account: the first, and what repeats it.
type tries struct {
	calls   []*call
	session *session // that it made, or nil
	token   oneseat.Token
}

// attempt makes an operation one that may be repeated, or repeats an earlier one: at
// once, if nobody knows what became of it, or late, and on any node.
func (c *client) attempt(op *call) {
	w := c.w
	if !w.plan.attempts {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.dice.percent(25) || c.unsure != nil && c.dice.percent(60) {
		if first := c.earlier(); first != nil {
			c.repeat(op, first)
			return
		}
	}
	if slices.Contains(attemptable, op.what) && c.dice.percent(80) {
		op.attempt = w.newAttempt(c.dice)
		w.repeatable[c.account] = append(w.repeatable[c.account], op)
	}
}

// attemptable are the operations that may be attempts.
var attemptable = []string{"sign in", "redeem", "adopt", "rotate"}

// newAttempt returns an attempt of a caller whose clock is right, or wrong by some
// minutes.
func (w *world) newAttempt(d dice) oneseat.Attempt {
	w.made++
	name := binary.BigEndian.AppendUint64(nil, w.made)
	off := oneOf(d, 0, 0, 0, d.between(-time.Second, time.Second), d.between(-attemptLife, attemptLife), d.between(-attemptLife-time.Second, -attemptLife+4*time.Second))
	return oneseat.Attempt{
		ID: sha256.Sum256(append([]byte("id"), name...)), Secret: sha256.Sum256(append([]byte("secret"), name...)),
		Tried: w.store.clock().Add(off),
	}
}

// earlier returns an operation to repeat, or nil: the one whose outcome the client does
// not know, or any of the account's, or one of another account's.
func (c *client) earlier() *call {
	if op := c.unsure; op != nil && c.dice.percent(80) {
		c.unsure = nil
		return op
	}
	all := c.w.repeatable[c.account]
	if other := c.w.repeatable[c.dice.IntN(c.w.plan.accounts)]; c.dice.percent(3) {
		all = slices.DeleteFunc(slices.Clone(other), func(c *call) bool { return c.what != "sign in" && c.what != "adopt" }) // the others name their account
	}
	if len(all) == 0 {
		return nil
	}
	if n := len(all); c.dice.percent(50) { // a new one
		return all[n-1-min(c.dice.IntN(n), c.dice.IntN(n), c.dice.IntN(n))]
	}
	return all[c.dice.IntN(len(all))]
}

// repeat makes op say what an earlier operation has said, and sometimes something else.
func (c *client) repeat(op, first *call) {
	*op = call{
		up: op.up, brief: op.brief, attempt: first.attempt, what: first.what, on: first.on, device: first.device,
		ticket: first.ticket, chose: first.chose, owner: first.owner, forgets: first.forgets, issued: first.issued,
	}
	switch chance := c.dice.IntN(100); {
	case chance < 8 && op.what != "rotate":
		op.attempt.Secret = sha256.Sum256(op.attempt.Secret[:])
	case chance < 16 && op.what == "rotate":
		op.on = c.book.pick(c.account, c.dice)
	}
}

// noteTry notes the answer of an attempt, and whether it is worth repeating at once.
func (c *client) noteTry(op *call) {
	if op.attempt.IsZero() {
		return
	}
	if slices.Contains([]string{"unknown", "unavailable", "given up", "crashed"}, op.said) {
		c.unsure = op
	}
}

// triesOf returns the calls of an attempt that would make one session, which rotations
// are not among, or nil.
func (l *ledger) triesOf(c *call) *tries {
	if c == nil || c.attempt.IsZero() || c.what == "rotate" {
		return nil
	}
	k := attemptOf{c.account, c.attempt.ID}
	if l.attempts[k] == nil {
		l.attempts[k] = &tries{}
	}
	return l.attempts[k]
}

type attemptOf struct {
	account int
	id      [32]byte
}

// madeBy reports whether a call, or another try of the same attempt, made a session.
func (l *ledger) madeBy(s *session, c *call) bool {
	t := l.triesOf(c)
	return s.by == c || t != nil && t.session == s
}

// sameAttempt reports whether two calls are tries of one attempt. Each try that is asked
// gets the same ticket, also after that ticket was used: the try is a sign-in like any
// other.
func (l *ledger) sameAttempt(a, b *call) bool {
	t := l.triesOf(a)
	return t != nil && t == l.triesOf(b)
}

// attemptsOf judges what a commit of an attempt did, by what was stored.
func (l *ledger) attemptsOf(e *effect, before *record.Record, now time.Time) {
	t := l.triesOf(e.by)
	if t == nil {
		return
	}
	again := t.session != nil && (slices.ContainsFunc(before.Seats, func(s record.Seat) bool { return s.ID == t.session.id }) ||
		slices.ContainsFunc(before.Endings, func(o record.Ended) bool { return o.Session == t.session.id }))
	for _, c := range e.changes {
		switch {
		case c.on.account != e.by.account:
		case again && c.what == "ended" && (c.why == oneseat.ReasonDisplaced || c.why == oneseat.ReasonRenewed):
			l.w.violate(p1, e.by, "%s is %s by an attempt that had been admitted before", c.on, c.why)
		case c.what != "created" || c.on.parent != "":
		case t.session != nil && t.session != c.on:
			l.w.violate(p1, e.by, "an attempt that made %s makes %s as well", t.session, c.on)
		case now.Sub(e.by.attempt.Tried).Abs() > attemptLife:
			l.w.violate(p2, e.by, "%s is admitted by an attempt that was tried %v before", c.on, now.Sub(e.by.attempt.Tried))
		default:
			t.session = c.on
			l.w.deed("attempt admitted")
		}
	}
}

// judgeAttempt judges the answer to an attempt. It reports whether nothing more is to be
// judged of it.
func (w *world) judgeAttempt(c *call) bool {
	if c.attempt.IsZero() {
		return false
	}
	if c.said == "expired" {
		if early := c.began.at - c.attempt.Tried.Sub(w.start); !w.plan.mishaps(clockStep) && early.Abs() < attemptLife-oneseat.MaxUpdateAge-w.slowest(c) {
			w.violate(p2, c, "an attempt is refused as too old that was tried %v before", early)
		}
		w.deed("attempt expired")
		return true
	}
	t := w.ledger.triesOf(c)
	if t == nil {
		return false
	}
	repeated := len(t.calls) > 0
	t.calls = append(t.calls, c)
	s := t.session
	if s == nil || s.vague || s.lost.seq != 0 {
		return c.said == "attempt reused" || c.said == "rotated"
	}
	switch c.said {
	case "yes":
		w.judgeRepeated(c, t, s)
	case "attempt reused":
		// What a session's ending keeps of a token that was rotated away lasts for as long as the token.
		if n := len(s.secrets); s.secrets[0].digest == c.attemptDigest() && (n == 1 || n == 2 && !s.over.before(c.back)) {
			w.violate(p2, c, "an attempt that made %s is told that it says something else", s)
		}
		w.deed("attempt with another body")
		return true
	case "rotated":
		if len(s.secrets) < 2 {
			w.violate(p2, c, "an attempt that made %s is told that its token was rotated away, and it was not", s)
		}
		w.deed("attempt after a rotation")
		return true
	case "ended":
		if repeated {
			w.deed("attempt after its session")
		}
	case "full", "blocked", "bad ticket", "none":
		if s.made.before(c.began) && s.erased.seq == 0 && (!s.over.before(c.back) || w.kept(s)) {
			w.violate(p2, c, "an attempt that made %s is answered %q", s, c.said)
		}
	}
	return false
}

// judgeRepeated judges an attempt that says yes: it gives the session that it made, and
// that session's token, while both are in force.
func (w *world) judgeRepeated(c *call, t *tries, s *session) {
	sec := w.ledger.bySecret[c.granted.digest]
	switch {
	case c.granted.grant.Session.ID != s.id || sec == nil || sec.session != s:
		w.violate(p1, c, "an attempt made %s, and gives %s", s, w.ledger.name(c.granted.grant.Session.ID))
		return
	case t.token != "" && t.token != c.granted.grant.Token:
		w.violate(p1, c, "two tries of the attempt that made %s give two tokens", s)
	case tooLate(c, s.over, map[bool]time.Duration{true: w.stale()}[len(s.endings) == 0]): // a node may not have heard of the realm's end
		w.violate(p3, c, "an attempt says yes to %s, whose end had been recorded %v before", s, c.began.at-s.over.at)
	case w.deadline(s) != 0 && w.deadline(s) <= c.began.at:
		w.violate(timeouts, c, "an attempt says yes to %s, which had timed out %v before", s, c.began.at-w.deadline(s))
	case sec.until.before(c.began):
		w.violate(p3, c, "an attempt gives a token of %s that was rotated away %v before", s, c.began.at-sec.until.at)
	}
	if t.token = c.granted.grant.Token; s.by != c {
		w.deed("attempt repeated")
	}
}

// judgeDisplaced checks that a grant names all sessions that gave way to it, and no other.
func (w *world) judgeDisplaced(c *call) {
	s := w.ledger.byID[c.granted.grant.Session.ID]
	if s == nil || s.vague || s.lost.seq != 0 || w.plan.mishaps(restored, deleted) {
		return
	}
	named := func(e oneseat.Ending) bool { return slices.Contains(c.granted.grant.Displaced, e) }
	gave := 0
	for _, o := range w.ledger.sessions {
		for _, r := range o.endings {
			if r.Reason != oneseat.ReasonDisplaced || r.By != s.id || o.parent != "" {
				continue
			}
			switch {
			case named(r.Ending):
				gave++
			case w.kept(o):
				w.violate(p2, c, "%s displaced %s, and the grant does not say so", s, o)
			}
		}
	}
	if gave != len(c.granted.grant.Displaced) {
		w.violate(p2, c, "%s is said to have displaced %d sessions; of these it displaced %d", s, len(c.granted.grant.Displaced), gave)
	}
}

// mayBeUnknown reports whether the answer to an attempt may be that its outcome is
// unknown, because an ending was forgotten that may have been that of its session.
func (w *world) mayBeUnknown(c *call) bool {
	if c.attempt.IsZero() || c.what == "rotate" {
		return false
	}
	// A row that is restored, or deleted, loses what was noted of forgotten endings.
	deletedMeanwhile := func(s *session) bool { return s.account == c.account && c.began.before(s.erased) }
	if w.plan.mishaps(restored) || slices.ContainsFunc(w.ledger.sessions, deletedMeanwhile) {
		return true
	}
	r := w.store.rows[oneseat.KeyOf(realm, accountName(c.account))]
	if r.record == nil {
		return w.store.floor >= uint64(c.attempt.Tried.UnixMicro())
	}
	forgotten := []record.Time{r.record.Forgotten, r.record.Tried}
	over := len(r.record.Seats) + len(r.record.Endings) - oneseat.MaxEndings
	for i, o := range r.record.Endings { // those that the next commit drops, or drops if all sessions end first
		if i < over || !w.store.clock().Before(o.At.Add(w.plan.config.KeepEndings)) {
			forgotten = append(forgotten, o.At, o.Tried)
		}
	}
	may := slices.ContainsFunc(forgotten, func(t record.Time) bool { return !t.Before(c.attempt.Tried) })
	if t := w.ledger.triesOf(c); may && t.session != nil && t.session.over.before(c.began) {
		w.deed("attempt unknown, as the ending of its session was forgotten")
	}
	return may
}

// attemptDigest is the digest of the token that a sign-in's attempt gives.
func (c *call) attemptDigest() record.Digest {
	k := oneseat.KeyOf(realm, accountName(c.account))
	b := slices.Concat(k[:], c.attempt.Secret[:])
	return sha256.Sum256(binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b)))
}

// slowest returns how long a call took.
func (w *world) slowest(c *call) time.Duration { return c.back.at - c.began.at }

// attemptError puts an error about an attempt into a word, or into "".
func attemptError(err error) string {
	switch {
	case errors.Is(err, oneseat.ErrAttemptReused):
		return "attempt reused"
	case errors.Is(err, oneseat.ErrAttemptExpired):
		return "expired"
	}
	return ""
}
