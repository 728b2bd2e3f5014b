package simulate

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/canaries"
	"github.com/oneseat/oneseat/internal/record"
)

// client uses one account, together with other clients.
type client struct {
	w       *world
	book    *book
	dice    dice
	account int
	number  int
	class   oneseat.Class
	holds   []*hold
	unsure  *call // an attempt whose outcome the client does not know
}

// call is one operation of a client, and what came back.
type call struct {
	number, client, account int
	what                    string
	up                      *up
	began, back             moment
	on                      *pass // the token that is presented, or the one whose session the call is about
	stream                  oneseat.Stream
	player, device          string
	ticket                  oneseat.Ticket
	chose                   []oneseat.SessionID // Redeem, StartStream: the sessions that are to end
	limits                  oneseat.Limits      // SetLimit, and what the application says
	until                   time.Time           // Block, and the block that a sign-in is answered
	also                    []*pass             // End: the other ids
	brief                   bool                // the client gives up early
	owner                   bool                // SignIn: the application vouches for it
	attempt                 oneseat.Attempt     // of what may be repeated
	forgets                 bool                // SignIn: the browser does not keep the token
	issued                  time.Time           // Adopt: when the session was issued
	as                      *pass               // End: the token whose session it rests on; nil: on the application's own authority

	said    string
	err     error
	session oneseat.SessionID // what a check found
	ending  oneseat.Ending
	count   int
	listed  []oneseat.SessionID
	full    *oneseat.LimitError
	granted *pass

	effects []*effect // the ledger's record of its commits
}

// pass is a token that a client was given.
type pass struct {
	grant  oneseat.Grant
	digest record.Digest
}

// book is what the clients know. To the nodes the clients of one account are all the
// same, so these clients use each other's tokens.
type book struct {
	w      *world
	mu     sync.Mutex
	passes [][]*pass // by account, the newest last
	offers [][]offer
	played [][]played
}

func newBook(w *world) *book {
	n := w.plan.accounts
	return &book{w: w, passes: make([][]*pass, n), offers: make([][]offer, n), played: make([][]played, n)}
}

func (b *book) add(op *call, g oneseat.Grant) *pass {
	p := &pass{g, digestOf(g.Token)}
	if op.forgets {
		return p
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.passes[op.account] = append(b.passes[op.account], p)
	return p
}

// pick returns a token of an account, more often a new one, or nil if there is none.
func (b *book) pick(account int, d dice) *pass {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.passes[account]
	if len(all) == 0 {
		return nil
	}
	n := len(all)
	return all[n-1-min(d.IntN(n), d.IntN(n), d.IntN(n))]
}

// askAll asks every node for the newest tokens of every account. Nothing goes wrong any
// more, so the answers have to be right.
func (b *book) askAll() {
	for account, all := range b.passes {
		c := &client{w: b.w, book: b, dice: dice{stream(b.w.plan.seed, 0)}, account: account, number: -1}
		for _, p := range all[max(0, len(all)-4):] {
			for i := range b.w.plan.nodes {
				c.do(&call{what: "peek", on: p, up: b.w.upAt(i)})
			}
		}
	}
}

func (w *world) upAt(i int) *up {
	w.mu.Lock()
	defer w.mu.Unlock()
	for range w.ups {
		if u := w.ups[i%len(w.ups)]; u != nil {
			return u
		}
		i++
	}
	return nil
}

func newClient(w *world, b *book, account, number int) *client {
	c := &client{w: w, book: b, dice: dice{stream(w.plan.seed, streamClient+uint64(number))}, account: account, number: number}
	c.class = oneOf(c.dice, oneseat.ClassDesktop, oneseat.ClassDesktop, oneseat.ClassMobile, oneseat.ClassMobile, oneseat.ClassTV, oneseat.ClassAPI)
	return c
}

// run works until the time is over.
func (c *client) run() {
	if c.w.plan.orderly {
		c.workOrderly()
		return
	}
	for range 400 {
		gap, aim := c.gap(), c.dice.percent(20)
		var on *pass
		if aim {
			on, gap = c.aim(gap)
		}
		time.Sleep(gap)
		if c.w.now() >= c.w.plan.span {
			break
		}
		up := c.w.upAt(c.dice.IntN(maxNodes))
		if h := c.wasCut(); h != nil && c.w.upAt(h.up.number) == h.up { // its page is loaded again
			up, on = h.up, h.call.on
		}
		switch {
		case up == nil:
		case on != nil:
			c.do(&call{up: up, on: on, what: oneOf(c.dice, "check", "check", "peek", "check id")})
		default:
			c.choose(up)
		}
	}
	for _, h := range c.holds {
		c.w.release(h)
	}
}

// wasCut returns a hold of the client that has been cut, each one once, or nil.
func (c *client) wasCut() *hold {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	i := slices.IndexFunc(c.holds, func(h *hold) bool { return h.cut.seq != 0 })
	if i < 0 {
		return nil
	}
	h := c.holds[i]
	c.holds = slices.Delete(c.holds, i, i+1)
	return h
}

// aim picks a token, and a moment at which a check of it may change its answer: when
// its session times out, or when memory of it may no longer be believed. If that is too
// far away it returns no token, and gap.
func (c *client) aim(gap time.Duration) (*pass, time.Duration) {
	p, off := c.book.pick(c.account, c.dice), c.dice.between(-300*time.Millisecond, 100*time.Millisecond)
	w := c.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if p == nil || w.ledger.byID[p.grant.Session.ID] == nil {
		return nil, gap
	}
	s := w.ledger.byID[p.grant.Session.ID]
	at := w.deadline(s)
	if s.over.seq != 0 {
		at = s.over.at + w.stale()
	}
	if d := at + off - w.now(); 0 <= d && d < 4*time.Second {
		return p, d
	}
	return nil, gap
}

// gap returns the time between two operations: none, or that of a reader, of a slow
// feed, of memory, or of a session that idles.
func (c *client) gap() time.Duration {
	return time.Duration(c.w.plan.tempo) * c.shortGap()
}

func (c *client) shortGap() time.Duration {
	if c.unsure != nil && c.dice.percent(50) || c.w.plan.crowded {
		return c.dice.upTo(20 * time.Millisecond)
	}
	long := c.w.plan.span / 10 / time.Duration(c.w.plan.tempo)
	switch c.dice.IntN(10) {
	case 0, 1:
		return 0
	case 2, 3, 4:
		return c.dice.upTo(20 * time.Millisecond)
	case 5, 6:
		return c.dice.upTo(300 * time.Millisecond)
	case 7, 8:
		return c.dice.upTo(time.Second)
	}
	return c.dice.upTo(max(long, time.Second))
}

// choose draws the next operation and does it.
func (c *client) choose(u *up) {
	op := &call{up: u, on: c.book.pick(c.account, c.dice), brief: c.dice.percent(3)}
	chance := c.dice.IntN(100)
	if c.w.plan.holds && chance > 35 {
		chance += 20
	}
	if op.on == nil {
		chance = 0
	}
	if c.redeem(op) || c.adopt(op) || c.limitOps(op) || c.blockOps(op) || c.stream(op) {
		c.attempt(op)
		c.do(op)
		return
	}
	if c.w.plan.crowded && c.dice.percent(50) {
		chance = 0
	}
	switch {
	case chance < 20:
		op.what, op.owner, op.device, op.forgets = "sign in", c.dice.percent(10), c.device(), c.dice.percent(c.w.plan.forgets)
		switch c.dice.IntN(10) {
		case 0, 1, 2, 3:
		case 4: // the browser was another account's
			op.on = c.book.pick(c.dice.IntN(c.w.plan.accounts), c.dice)
		default:
			op.on = nil
		}
	case chance < 55:
		op.what = "check"
	case chance < 60:
		op.what = "peek"
	case chance < 62:
		op.what = "list"
	case chance < 69:
		op.what = "check id"
	case chance < 75:
		op.what = "rotate"
	case chance < 79:
		op.what = "sign out"
	case chance < 84:
		op.what = "end"
		if other := c.book.pick(c.account, c.dice); c.dice.percent(30) {
			op.also = []*pass{other}
		}
		if c.dice.percent(50) {
			op.as = c.book.pick(c.account, c.dice)
		}
	case chance < 87:
		op.what = "end others"
	case chance < 88:
		op.what = "end realm"
	default:
		c.hold(op)
		return
	}
	c.attempt(op)
	c.do(op)
}

// do does an operation, notes what came back, and has it judged.
func (c *client) do(op *call) {
	w := c.w
	op.client, op.account = c.number, c.account
	w.mu.Lock()
	op.number = len(w.calls) + 1
	w.calls = append(w.calls, op)
	op.began = w.stamp()
	w.mu.Unlock()
	ctx := context.WithValue(context.Background(), callKey{}, op)
	if op.brief {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.dice.upTo(200*time.Millisecond))
		defer cancel()
	}
	u, account := op.up, accountName(c.account)
	var token string
	var id oneseat.SessionID
	if op.on != nil {
		token, id = string(op.on.grant.Token), op.on.grant.Session.ID
	}
	var g oneseat.Grant
	var s oneseat.Session
	var stream oneseat.Stream
	var err error
	switch op.what {
	case "sign in":
		g, err = u.SignIn(ctx, account, c.request(op, token))
	case "redeem":
		g, err = u.Redeem(ctx, op.ticket, c.request(op, token), op.chose...)
	case "adopt":
		g, err = u.Adopt(ctx, account, op.issued, c.request(op, token))
	case "check":
		s, err = u.Check(ctx, token)
	case "peek":
		s, err = u.Peek(ctx, token)
	case "check id":
		s, err = u.CheckID(ctx, account, id)
	case "list":
		var all []oneseat.Session
		all, err = u.Sessions(ctx, account)
		for _, s := range all {
			op.listed = append(op.listed, s.ID)
		}
	case "rotate":
		g, err = u.RotateOnce(ctx, token, op.attempt)
	case "sign out":
		err = u.SignOut(ctx, token)
	case "end":
		ids := []oneseat.SessionID{id}
		for _, p := range op.also {
			ids = append(ids, p.grant.Session.ID)
		}
		options := oneseat.EndOptions{}
		if op.as != nil {
			options.As = op.as.grant.Session.ID
		}
		op.count, err = u.End(ctx, account, options, ids...)
	case "end others":
		op.count, err = u.EndOthers(ctx, account, id, oneseat.EndOptions{Reason: oneseat.ReasonCredentialsChanged})
	case "end realm":
		err = u.EndRealm(ctx, "simulate")
	case "hold":
		s, err = c.enter(ctx, op, token)
	case "hold by id", "watch":
		if err = c.enterByID(ctx, op, op.on.grant.Session); err == nil {
			s.ID = id
		}
	case "set limit":
		err = u.SetLimit(ctx, account, op.limits, "simulate")
	case "change plan":
		w.changePlan(c.account, op.limits)
		err = u.RefreshLimits(ctx, account)
	case "refresh":
		err = u.RefreshLimits(ctx, account)
	case "block":
		err = u.Block(ctx, account, op.until, "simulate")
	case "unblock":
		err = u.Unblock(ctx, account, "simulate")
	default:
		stream, err = c.doStream(ctx, op)
		s.ID = stream.ID
	}
	if g.Token != "" {
		op.granted = c.book.add(op, g)
	}
	c.book.remember(op, stream, err)
	w.mu.Lock()
	defer w.mu.Unlock()
	op.back, op.session, op.err = w.stamp(), s.ID, err
	op.answer()
	c.noteTry(op)
	if u.dead.seq != 0 {
		op.said = "crashed" // nobody got the answer
		c.noteTry(op)
		return
	}
	w.noteUse(op)
	w.judge(op)
}

// request returns what the client says when it signs in.
func (c *client) request(op *call, token string) oneseat.SignInRequest {
	return oneseat.SignInRequest{Token: token, DeviceID: op.device, Device: oneseat.Device{Class: c.class}, Override: op.owner, Attempt: op.attempt}
}

// answer puts an error into a word.
func (c *call) answer() {
	canaries.Seen("error", c.err)
	over, ended := errors.AsType[*oneseat.EndedError](c.err)
	full, isFull := errors.AsType[*oneseat.LimitError](c.err)
	out, blocked := errors.AsType[*oneseat.BlockedError](c.err)
	_, ticket := errors.AsType[*oneseat.TicketError](c.err)
	_, past := errors.AsType[*oneseat.TimeError](c.err)
	switch {
	case c.err == nil:
		c.said = "yes"
	case ended:
		c.said, c.ending = "ended", over.Ending
	case isFull:
		c.said, c.full = "full", full
	case blocked:
		c.said, c.until = "blocked", out.Until
	case ticket:
		c.said = "bad ticket"
	case past:
		c.said = "bad time"
	case attemptError(c.err) != "":
		c.said = attemptError(c.err)
	case errors.Is(c.err, oneseat.ErrRotated):
		c.said = "rotated"
	case errors.Is(c.err, oneseat.ErrNoSession):
		c.said = "none"
	case errors.Is(c.err, oneseat.ErrUnknownOutcome) && !errors.Is(c.err, oneseat.ErrStoreUnavailable):
		c.said = "unknown"
	case errors.Is(c.err, oneseat.ErrStoreUnavailable):
		c.said = "unavailable"
	case errors.Is(c.err, oneseat.ErrClosed):
		c.said = "closed"
	case errors.Is(c.err, context.Canceled), errors.Is(c.err, context.DeadlineExceeded):
		c.said = "given up"
	default:
		c.said = "error"
	}
}
