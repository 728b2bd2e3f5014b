package simulate

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/record"
)

// ledger is the truth: what became of every session in the store, noted at its commit.
// It looks at rosters only, and asks none of the rules. The world's lock guards it.
type ledger struct {
	w         *world
	keys      map[oneseat.Key]int // account, or control
	sessions  []*session
	byID      map[oneseat.SessionID]*session
	bySecret  map[record.Digest]*secret
	epoch     uint64 // in force; 0: there is no control record
	realm     []realmEnd
	terms     []*terms // by account, as all below
	blocks    [][]*block
	tickets   map[record.Digest]*ticket
	attempts  map[attemptOf]*tries
	effects   [][]*effect // by account
	displaced []door      // see inOrder
	revived   bool        // a control record was made anew with the epoch of the one that was deleted
	upset     moment      // when the control record was last deleted, or a backup restored
}

// control stands for the realm's control record among the accounts.
const control = -1

// moment is when something happened: its place in the order of all that the simulator
// sees, and the time since the beginning. The zero moment is never.
type moment struct {
	seq int64
	at  time.Duration
}

func (m moment) before(o moment) bool { return m.seq != 0 && m.seq < o.seq }

// session is what is known of a session.
type session struct {
	id      oneseat.SessionID
	account int
	number  int               // among the account's
	parent  oneseat.SessionID // of a stream
	epoch   uint64
	made    moment
	by      *call // nil: no call that is known
	secrets []*secret
	over    moment // when its end, or its realm's, was recorded
	endings []recorded
	lost    loss   // the store has lost it, and owes it nothing any more
	vague   bool   // the store has lost its end, or a rotation, so it may be live or not
	erased  moment // when its account's row was deleted; a new row does not show that there was one

	served, told [maxNodes]moment // when a node has returned from ending it, or has answered that it has ended

	active   time.Duration // when a check that counts as activity last said yes
	created  time.Time     // in its roster, and in the view that the commit was made of
	lastSeen time.Time     // in its roster
	seen     []sighting    // its earlier values
	unused   bool          // by its roster
	answered moment        // when a call that rests on it was first answered yes
	uses     []use         // in an orderly history: the uses that count for the order
}

// sighting is a last-seen that was in force until a moment.
type sighting struct {
	until    moment
	lastSeen time.Time
}

const maxNodes = 4

type secret struct {
	*session
	digest record.Digest
	place  int // among the session's
	until  moment
}

type recorded struct {
	moment
	oneseat.Ending
}

// loss is a moment, and for how long after it a node that has the session in memory may
// still say yes.
type loss struct {
	moment
	remembered time.Duration
}

type realmEnd struct {
	moment
	epoch uint64
	by    *call
	told  bool // the log tells of it
}

// effect is what one commit did to one account.
type effect struct {
	moment
	by      *call
	changes []change
}

type change struct {
	what  string // created, ended, rotated, realm, lost
	on    *session
	why   oneseat.Reason
	place int // of the new secret
}

func newLedger(w *world) *ledger {
	l := &ledger{
		w: w, keys: map[oneseat.Key]int{oneseat.KeyOf(realm, ""): control},
		byID: make(map[oneseat.SessionID]*session), bySecret: make(map[record.Digest]*secret),
		effects: make([][]*effect, w.plan.accounts),
		blocks:  make([][]*block, w.plan.accounts), tickets: make(map[record.Digest]*ticket), attempts: make(map[attemptOf]*tries),
	}
	for i := range w.plan.accounts {
		l.keys[oneseat.KeyOf(realm, accountName(i))] = i
		first := oneseat.Limits{}
		if w.plan.plans {
			first = drawLimits(w.plans)
		}
		l.terms = append(l.terms, &terms{plans: []said{{Limits: first}}, stored: []said{{}}})
	}
	return l
}

func accountName(i int) string { return []string{"ada", "grace", "alan"}[i] }

// digestOf returns what the store sees of a token.
func digestOf(token oneseat.Token) record.Digest {
	return digestOfSecret(oneseat.TokenPrefix, string(token))
}

func digestOfSecret(prefix, secret string) record.Digest {
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(secret, prefix))
	if err != nil {
		return record.Digest{}
	}
	return sha256.Sum256(b)
}

// committed notes a commit, and checks that it did nothing that no commit may do.
func (l *ledger) committed(was, is row, v oneseat.View, now time.Time, c oneseat.Change, by *call) {
	m := l.w.stamp()
	if floor := was.version; c.Roster != nil && v.Version <= floor {
		l.w.violate(p3, by, "version %d was committed over version %d", v.Version, floor)
	}
	account := l.keys[v.Key]
	e := &effect{moment: m, by: by}
	before, after := was.record, is.record
	if before == nil {
		before = &record.Record{}
	}
	if after == nil {
		after = &record.Record{}
	}
	if account == control {
		l.newEpoch(m, after.Epoch, by, len(c.Events) > 0)
		return
	}
	for _, s := range before.Seats {
		if !slices.ContainsFunc(after.Seats, func(a record.Seat) bool { return a.ID == s.ID }) {
			l.ended(e, s, after, now, c)
		}
	}
	for i, s := range after.Seats {
		if slices.ContainsFunc(after.Seats[:i], func(o record.Seat) bool { return o.ID == s.ID }) {
			l.w.violate(p1, by, "%s has two seats", l.name(s.ID))
		}
	}
	for _, s := range after.Seats {
		switch at := slices.IndexFunc(before.Seats, func(b record.Seat) bool { return b.ID == s.ID }); {
		case at < 0:
			l.created(e, account, s, c)
		default:
			l.went(e, before.Seats[at], s, after, c)
		}
		if slices.ContainsFunc(after.Endings, func(o record.Ended) bool { return o.Session == s.ID }) {
			l.w.violate(p3, by, "%s is live and has ended", l.name(s.ID))
		}
	}
	l.within(e, account, before, after)
	l.attemptsOf(e, before, now)
	l.seatsOf(e, before, after, now)
	l.authorities(e, before, now)
	l.orphans(e, after)
	l.ticketsOf(e, before, after, now)
	l.blocked(e, account, before, after, now)
	l.forgotten(e, before, after, now)
	if len(e.changes) > 0 {
		l.effects[account] = append(l.effects[account], e)
		if by != nil {
			by.effects = append(by.effects, e)
		}
	}
}

// created notes a new seat.
func (l *ledger) created(e *effect, account int, s record.Seat, c oneseat.Change) {
	old := l.byID[s.ID]
	wasLost := old != nil && old.lost.seq != 0
	switch {
	case old == nil:
		old = &session{id: s.ID, account: account, number: len(l.sessions) + 1}
		l.sessions = append(l.sessions, old)
		l.byID[s.ID] = old
	case old.startsAgain(e): // its first try has left no trace
	case old.lost.seq == 0 && old.over.seq != 0:
		l.w.violate(p3, e.by, "%s, which had ended, is live again", l.name(s.ID))
	case old.lost.seq == 0:
		l.w.violate(p1, e.by, "%s is admitted a second time", l.name(s.ID))
	}
	*old = session{id: s.ID, account: account, number: old.number, parent: s.Parent, epoch: s.Epoch, made: e.moment, by: e.by, endings: old.endings, created: s.Created.Time, lastSeen: s.LastSeen.Time, unused: s.Unused}
	old.vague = wasLost // clients may have tokens of its first life, and nobody knows of which life a token is
	l.marked(e, nil, s)
	event := oneseat.EventStreamStarted
	if s.Parent == "" {
		l.secret(old, s.Secret)
		event = oneseat.EventSessionCreated
	}
	if !hasEvent(c, event, s.ID) {
		l.w.violate(p4, e.by, "%s is admitted, and the log does not say so", l.name(s.ID))
	}
	e.changes = append(e.changes, change{what: "created", on: old})
	l.bornLate(e, old)
}

// bornLate notes that a session was admitted under an epoch that was over by then: in
// between the realm was ended, or its record was deleted or restored.
func (l *ledger) bornLate(e *effect, s *session) {
	switch {
	case l.epoch == 0 || s.epoch > l.epoch || s.epoch < l.epoch && !l.toldSince(s.epoch):
		s.lost = loss{e.moment, rememberedFor}
		e.changes = append(e.changes, change{what: "lost", on: s})
	case s.epoch < l.epoch:
		s.over = e.moment
		e.changes = append(e.changes, change{what: "realm", on: s})
	}
}

// toldSince reports whether the log tells of an end of the realm after an epoch. It
// does not tell of one where the record was deleted and made anew. Nodes that have the
// old record in memory may go by it for a minute.
func (l *ledger) toldSince(epoch uint64) bool {
	return slices.ContainsFunc(l.realm, func(r realmEnd) bool { return r.epoch > epoch && r.told })
}

// startsAgain reports whether a stream is started by a retry of the call that had
// started it before. In between it has timed out or was stopped, which leaves no trace.
func (s *session) startsAgain(e *effect) bool {
	return s.parent != "" && s.over.seq != 0 && s.by == e.by && e.by.back.seq == 0
}

func (l *ledger) secret(s *session, d record.Digest) {
	if n := len(s.secrets); n > 0 {
		s.secrets[n-1].until = l.w.stamp()
	}
	sec := &secret{session: s, digest: d, place: len(s.secrets)}
	s.secrets = append(s.secrets, sec)
	l.bySecret[d] = sec
}

// went notes what became of a seat that stays.
func (l *ledger) went(e *effect, was, is record.Seat, after *record.Record, c oneseat.Change) {
	s := l.byID[is.ID]
	switch {
	case s.parent != "" && is.Created.After(was.Created.Time) && s.by == e.by && e.by.back.seq == 0: // see startsAgain
		if end, ok := l.streamEnded(e, was, after, c); ok {
			s.endings = append(s.endings, recorded{e.moment, end})
		}
		*s = session{id: s.id, account: s.account, number: s.number, parent: s.parent, epoch: is.Epoch, made: e.moment, by: e.by, endings: s.endings, created: is.Created.Time, lastSeen: is.LastSeen.Time}
		e.changes = append(e.changes, change{what: "ended", on: s, why: oneseat.ReasonIdleTimeout}, change{what: "created", on: s})
		l.bornLate(e, s)
	case is.Created != was.Created:
		l.w.violate(p1, e.by, "%s is admitted a second time", s)
	case is.LastSeen.Before(was.LastSeen.Time):
		l.w.violate(p3, e.by, "%s was last seen %v before it had been last seen", s, was.LastSeen.Sub(is.LastSeen.Time))
	}
	if !s.lastSeen.Equal(is.LastSeen.Time) {
		s.seen = append(s.seen, sighting{e.moment, s.lastSeen})
	}
	s.lastSeen, s.unused = is.LastSeen.Time, is.Unused
	l.marked(e, &was, is)
	if was.Secret != is.Secret {
		l.secret(s, is.Secret)
		e.changes = append(e.changes, change{what: "rotated", on: s, place: len(s.secrets) - 1})
	}
}

// ended notes that a seat is gone, and checks that this was right.
func (l *ledger) ended(e *effect, was record.Seat, after *record.Record, now time.Time, c oneseat.Change) {
	s := l.byID[was.ID]
	var end oneseat.Ending
	if at := slices.IndexFunc(after.Endings, func(o record.Ended) bool { return o.Session == was.ID }); was.Parent != "" {
		var ok bool
		if end, ok = l.streamEnded(e, was, after, c); !ok {
			return
		}
	} else if at < 0 || !hasEvent(c, oneseat.EventSessionEnded, was.ID) {
		l.w.violate(p3, e.by, "%s is gone without a record of its end", l.name(was.ID))
		return
	} else {
		end = after.Endings[at].Ending()
	}
	over := map[oneseat.Reason]time.Time{
		oneseat.ReasonIdleTimeout:     was.LastSeen.Add(l.w.plan.config.Idle),
		oneseat.ReasonAbsoluteTimeout: was.Created.Add(l.w.plan.config.Absolute),
	}
	parent := slices.ContainsFunc(after.Seats, func(o record.Seat) bool { return o.ID == was.Parent })
	if was.Parent != "" {
		over[oneseat.ReasonIdleTimeout] = was.LastSeen.Add(l.w.plan.config.StreamIdle)
	}
	if deadline, timed := over[end.Reason]; timed && now.Before(deadline) && (was.Parent == "" || parent) {
		l.w.violate(p2, e.by, "%s is ended, %s, and was last seen %v before", l.name(was.ID), end.Reason, now.Sub(was.LastSeen.Time))
	}
	if end.Reason == oneseat.ReasonRealmEnded && was.Epoch >= l.epoch && l.epoch != 0 && !s.vague && !l.wasUpset(e) {
		l.w.violate(p2, e.by, "%s is ended with its realm, and was not of an earlier epoch", l.name(was.ID))
	}
	l.w.judgeIdle(e.by, s, end)
	s.endings = append(s.endings, recorded{e.moment, end})
	if s.over.seq == 0 {
		s.over = e.moment
	}
	e.changes = append(e.changes, change{what: "ended", on: s, why: end.Reason})
}

// forgotten checks that an ending is dropped only when it is old, or one of too many,
// and that it leaves its time behind.
func (l *ledger) forgotten(e *effect, before, after *record.Record, now time.Time) {
	for i, o := range before.Endings {
		at := slices.IndexFunc(after.Endings, func(a record.Ended) bool { return a.Session == o.Session })
		old := !now.Before(o.At.Add(l.w.plan.config.KeepEndings))
		tooMany := len(after.Endings) == oneseat.MaxEndings || len(before.Endings)-i > oneseat.MaxEndings
		switch {
		case at >= 0 && after.Endings[at].Ending() != o.Ending():
			l.w.violate(p3, e.by, "the ending of %s was %+v and is now %+v", l.name(o.Session), o.Ending(), after.Endings[at].Ending())
		case at < 0 && !old && !tooMany:
			l.w.violate(p3, e.by, "the ending of %s is gone after %v", l.name(o.Session), now.Sub(o.At.Time))
		case at < 0 && after.Account != "" && after.Forgotten.Before(o.At.Time):
			l.w.violate(p3, e.by, "the ending of %s is gone without a trace", l.name(o.Session))
		}
	}
}

// newEpoch notes that the realm was ended, and with it everything of an earlier epoch.
// A control record that is made anew has no event in the log, so what was lost with the
// record before is still only lost.
func (l *ledger) newEpoch(m moment, epoch uint64, by *call, told bool) {
	if l.epoch != 0 && epoch < l.epoch {
		l.w.violate(p3, by, "the realm's epoch went from %d back to %d", l.epoch, epoch)
	}
	if epoch == l.epoch {
		return
	}
	l.epoch = epoch
	l.realm = append(l.realm, realmEnd{m, epoch, by, told})
	for _, s := range l.sessions {
		if s.lost.seq != 0 && s.epoch == epoch { // of the record that was deleted: the two were made of one view
			s.vague, l.revived = true, true
		}
	}
	for account := range l.effects {
		e := &effect{moment: m, by: by}
		for _, s := range l.sessions {
			if s.account == account && s.over.seq == 0 && s.epoch < epoch && (told || s.lost.seq == 0) {
				s.over = m
				e.changes = append(e.changes, change{what: "realm", on: s})
			}
		}
		if len(e.changes) > 0 {
			l.effects[account] = append(l.effects[account], e)
			if by != nil {
				by.effects = append(by.effects, e)
			}
		}
	}
}

func hasEvent(c oneseat.Change, t oneseat.EventType, id oneseat.SessionID) bool {
	return slices.ContainsFunc(c.Events, func(e oneseat.Event) bool { return e.Type == t && e.Session == id })
}

// rememberedFor is how long a cached roster may be believed after its row was deleted
// behind the log's back. The log does not contradict it.
const rememberedFor = time.Minute

// rowLost notes that a row was deleted.
func (l *ledger) rowLost(k oneseat.Key) {
	m, account := l.w.stamp(), l.keys[k]
	if account == control {
		l.epoch, l.upset = 0, m
	}
	for _, s := range l.sessions {
		if account == control || s.account == account {
			l.lose(m, s, rememberedFor)
		}
		if s.account == account {
			s.erased = m
		}
	}
	if account != control {
		l.loseTickets(account)
		l.forgetLimits(m, account, nil)
		l.forgetBlock(m, account, nil)
	}
}

func (l *ledger) lose(m moment, s *session, remembered time.Duration) {
	s.lost = loss{m, remembered}
	s.served, s.told = [maxNodes]moment{}, [maxNodes]moment{}
	l.effects[s.account] = append(l.effects[s.account], &effect{moment: m, changes: []change{{what: "lost", on: s}}})
}

// restored notes that the store is as it was some time ago. The log says that it is
// another one, or the nodes were stopped, so memory does not go on.
func (l *ledger) restored(rows map[oneseat.Key]row) {
	m := l.w.stamp()
	l.epoch, l.upset = 0, m
	if c := rows[oneseat.KeyOf(realm, "")].record; c != nil {
		l.epoch = c.Epoch
	}
	for account := range l.terms {
		ro := rows[oneseat.KeyOf(realm, accountName(account))].record
		l.loseTickets(account)
		l.forgetLimits(m, account, ro)
		l.forgetBlock(m, account, ro)
	}
	for _, s := range l.sessions {
		ro := rows[oneseat.KeyOf(realm, accountName(s.account))].record
		at := -1
		if ro != nil {
			at = slices.IndexFunc(ro.Seats, func(seat record.Seat) bool { return seat.ID == s.id })
		}
		if at < 0 || l.epoch == 0 {
			l.lose(m, s, max(0, l.w.plan.config.MaxStale))
			if ro == nil || !slices.ContainsFunc(ro.Endings, func(e record.Ended) bool { return e.Session == s.id }) {
				s.over = moment{} // and its end with it, if it had one
			}
			continue
		}
		s.lastSeen, s.active, s.unused = ro.Seats[at].LastSeen.Time, 0, ro.Seats[at].Unused
		if seat := ro.Seats[at]; s.over.seq != 0 || s.lost.seq != 0 || s.parent == "" && s.secrets[len(s.secrets)-1].digest != seat.Secret {
			s.vague, s.over, s.lost = true, moment{}, loss{}
			s.served, s.told = [maxNodes]moment{}, [maxNodes]moment{}
		}
	}
}

// wasUpset reports whether an effect may come of an epoch that was read before the
// store lost it.
func (l *ledger) wasUpset(e *effect) bool {
	if l.upset.seq == 0 {
		return false
	}
	began := e.at
	if e.by != nil {
		began = e.by.began.at
	} else {
		for _, n := range l.w.ups {
			if n != nil {
				began = min(began, e.at-2*n.link.longest(e.at))
			}
		}
	}
	return began-l.w.stale() <= l.upset.at
}

// name returns how a session is called in reports.
func (l *ledger) name(id oneseat.SessionID) string {
	if s := l.byID[id]; s != nil {
		return s.String()
	}
	return "a session that was never committed"
}
