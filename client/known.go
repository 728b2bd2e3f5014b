package client

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/oneseat/oneseat"
)

const (
	believed = time.Minute // an answer that is older is asked for anew, however well proven
	mostKept = 10_000      // answers
	mostTold = 1024        // events by which an answer under way is judged
)

// known is what a client knows: answers, and the time until which it has been told of all
// that happened. It reads no clock and asks nobody. Times are those of the client's own
// clock, monotonic, at which a call was sent.
//
// An answer is not kept if news about its account came while it was under way: see since.
type known struct {
	mu sync.RWMutex // guards all below it; never held over I/O or a callback

	maxStale time.Duration
	useEvery time.Duration // for this long after a use that the server knows, further uses are not reported to it

	proof    time.Time // all that was committed before then has been told; zero: nothing
	answers  map[[sha256.Size]byte]*kept
	accounts map[string]map[*kept]struct{}
	watches  map[string]map[*watch]struct{}
	closed   bool

	turn   uint64 // counts what was told
	gapAt  uint64 // the turn of the latest gap
	latest []told // in the order of their turns
}

// told is that something happened to an account.
type told struct {
	turn    uint64
	account string
}

// kept is an answer of yes to the check of a token.
type kept struct {
	of      [sha256.Size]byte
	found   oneseat.Found
	asked   time.Time // when it was asked for
	used    time.Time // when the server was last told of a use; zero: never
	expires time.Time // not later than by the server's clock; zero: it does not
}

// asking is a question under way.
type asking struct {
	at   time.Time
	turn uint64 // when it began
}

func (n *known) init(maxStale, useEvery time.Duration) {
	n.maxStale, n.useEvery = maxStale, useEvery
	n.answers, n.accounts, n.watches = make(map[[sha256.Size]byte]*kept), make(map[string]map[*kept]struct{}), make(map[string]map[*watch]struct{})
}

// recall returns the answer to a check at a time, if it may be given from memory. With
// a watch it also adds the watch, in the same step: what is told from then on reaches it.
func (n *known) recall(of [sha256.Size]byte, now time.Time, active bool, w *watch) *kept {
	if w == nil {
		n.mu.RLock()
		defer n.mu.RUnlock()
	} else {
		n.mu.Lock()
		defer n.mu.Unlock()
	}
	k := n.answers[of]
	if k == nil || !n.usable(k, now, active) {
		return nil
	}
	if w != nil {
		w.verified, w.expires = k.asked, k.expires
		n.add(w, &k.found.Session)
	}
	return k
}

// usable reports whether an answer may be given: it is proven, young and not timed out,
// and the server need not hear of the use.
func (n *known) usable(k *kept, now time.Time, active bool) bool {
	proven := k.asked
	if n.proof.After(proven) {
		proven = n.proof
	}
	return !n.closed && now.Sub(proven) <= n.maxStale && now.Sub(k.asked) < believed &&
		(k.expires.IsZero() || now.Before(k.expires)) && (!active || !k.used.IsZero() && now.Sub(k.used) < n.useEvery)
}

// ask begins a question.
func (n *known) ask(at time.Time) asking {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return asking{at, n.turn}
}

// since reports whether there may have been news about an account since a question began.
// The caller holds the lock.
func (n *known) since(q asking, account string) bool {
	if q.turn < n.gapAt || n.turn-q.turn > uint64(len(n.latest)) {
		return true
	}
	for i := len(n.latest) - 1; i >= 0 && n.latest[i].turn > q.turn; i-- {
		if n.latest[i].account == account {
			return true
		}
	}
	return false
}

// keep keeps the answer to a question, unless there was news about its account meanwhile.
func (n *known) keep(q asking, k *kept) {
	n.mu.Lock()
	defer n.mu.Unlock()
	account := k.found.Session.Account
	if n.closed || n.maxStale == 0 || n.since(q, account) {
		return
	}
	k.asked = q.at
	if old := n.answers[k.of]; old != nil {
		if k.used.IsZero() {
			k.used = old.used
		}
		n.drop(old)
	}
	for _, some := range n.answers {
		if len(n.answers) < mostKept {
			break
		}
		n.drop(some)
	}
	n.answers[k.of] = k
	if n.accounts[account] == nil {
		n.accounts[account] = make(map[*kept]struct{})
	}
	n.accounts[account][k] = struct{}{}
}

// drop forgets an answer. The caller holds the lock.
func (n *known) drop(k *kept) {
	account := k.found.Session.Account
	delete(n.answers, k.of)
	if delete(n.accounts[account], k); len(n.accounts[account]) == 0 {
		delete(n.accounts, account)
	}
}

// forget forgets the answer to one token.
func (n *known) forget(token string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if k := n.answers[sha256.Sum256([]byte(token))]; k != nil {
		n.drop(k)
	}
}

// heard notes that something has happened to an account, and returns what is watched of
// it.
func (n *known) heard(account string) (watched []*watch) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.turn++
	if n.latest = append(n.latest, told{n.turn, account}); len(n.latest) >= 2*mostTold {
		n.latest = append([]told(nil), n.latest[mostTold:]...)
	}
	for k := range n.accounts[account] {
		n.drop(k)
	}
	for w := range n.watches[account] {
		w.doubt = true
		watched = append(watched, w)
	}
	return watched
}

// gap notes that anything may have happened, and returns all that is watched.
func (n *known) gap() (watched []*watch) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.turn++
	n.gapAt, n.latest = n.turn, nil
	clear(n.answers)
	clear(n.accounts)
	for _, all := range n.watches {
		for w := range all {
			w.doubt = true
			watched = append(watched, w)
		}
	}
	return watched
}

// prove notes that all that was committed before a time has been told.
func (n *known) prove(at time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if at.After(n.proof) {
		n.proof = at
	}
}
