package oneseat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Registry is what an application holds: the accounts of one realm, over a
// store that other registries, here or on other nodes, use as well. All methods
// are safe for concurrent use.
//
// A context that ends makes a method return the context's error; what a method
// had already committed stays committed.
type Registry struct {
	store    Store
	config   Config
	rule     Rule
	log      *slog.Logger
	control  Key // of the realm's control record
	cache    *cache
	atHand   atomic.Pointer[entry] // the control record's
	loader   loader                // of rosters
	controls loader                // of the control record
	holds    holds
	subs     subscriptions
	chores   chores
	stats    counters

	life    context.Context // ends with Close; every goroutine below ends with it
	end     context.CancelFunc
	running sync.WaitGroup // followers of the log, the watch over holds, sweep, chores, reads
}

// Client is the browser, or program, that signs in.
type Client struct {
	// Token is what it presented, or "". The live token of the same account is
	// renewed: its session is replaced silently. That of another account ends
	// that account's session here.
	Token string

	// DeviceID is the random id that the device keeps, or "". Only its hash is
	// stored. A session of the same device gives way first.
	DeviceID string

	// Device is what is known of the device.
	Device Device

	// TakeOver lets the newcomer in under Refuse too: the application has proof,
	// fresher than a password that may be shared, that this is the owner
	// (LIM-12).
	TakeOver bool
}

// Grant is a session and the token that proves it. The token cannot be had a
// second time.
type Grant struct {
	Session Session
	Token   Token
}

// Cause is why sessions are ended from outside, for the record and for their
// owner.
type Cause struct {
	Reason Reason    // Revoked (the default), CredentialsChanged or SignedOut
	By     SessionID // the session from which it was done, if one
	Actor  string    // who did it, for example a member of staff; at most 48 bytes are kept
}

// New returns a registry over a store. What it starts, [Registry.Close] ends;
// the store stays the caller's. It does not talk to the store: see
// [Registry.Ping]. All that is wrong with the configuration comes back as
// joined *[ConfigError]s.
func New(store Store, c Config) (*Registry, error) {
	c, err := c.withDefaults()
	if store == nil {
		err = errors.Join(err, errors.New("oneseat: New needs a store: see the packages under oneseat/store"))
	}
	if err != nil {
		return nil, err
	}
	life, end := context.WithCancel(context.Background())
	r := &Registry{
		store: store, config: c, rule: c.rule(), log: c.Logger.With("realm", c.Realm),
		control: KeyOf(c.Realm, ""),
		cache:   newCache(store.Partitions(), c.MaxStale),
		life:    life, end: end,
	}
	r.holds.init()
	r.subs.init()
	r.chores.init()
	r.follow()
	r.running.Go(r.watchHolds)
	r.running.Go(r.sweep)
	for range choreWorkers {
		r.running.Go(r.work)
	}
	return r, nil
}

// Close ends what New started and waits for it. Contexts of [Registry.Hold] are
// cancelled with [ErrClosed], subscriptions closed. The store is not closed.
func (r *Registry) Close() error {
	r.end()
	r.loader.close()
	r.controls.close()
	r.running.Wait()
	r.holds.close()
	r.subs.close(ErrClosed)
	return nil
}

// Config returns the configuration in force, defaults filled in.
func (r *Registry) Config() Config { return r.config }

// Ping asks the store for an answer.
func (r *Registry) Ping(ctx context.Context) error {
	_, _, err := r.look(ctx, r.control)
	return err
}

// SignIn gives the account a new session, after the application has verified
// who is asking. What has to give way ends in the same step.
//
// It returns an *[AccountError] for what cannot name an account, a *[LimitError]
// when the account is full under [Refuse], an *[EndedError] when the session was
// admitted and ended again before the store's reply came, [ErrUnknownOutcome]
// when no reply came at all, and [ErrStoreUnavailable] when the store did not
// answer and nothing was done. The session is accepted on every node from the
// moment SignIn returns.
func (r *Registry) SignIn(ctx context.Context, account string, from Client) (Grant, error) {
	if err := checkAccount(account); err != nil {
		return Grant{}, err
	}
	key := KeyOf(r.config.Realm, account)
	token, secret := newToken(key)
	c := newcomer{takeOver: from.TakeOver, seat: from.seat(secret)}
	presentedKey, presented, ok := parseToken(from.Token)
	if ok && presentedKey == key {
		c.presented = presented
	}
	v, d, err := r.admit(ctx, key, account, c)
	if err != nil {
		return Grant{}, err
	}
	if d.outcome == refused {
		r.stats.refused.Add(1)
		return Grant{}, &LimitError{Limit: r.rule.Limit, Live: sessions(v.Roster.Seats)}
	}
	who := v.Roster.recall(c.seat.ID)
	if who.seat == nil {
		return Grant{}, &EndedError{who.ending.Ending}
	}
	r.stats.signIns.Add(1)
	r.stats.displaced.Add(uint64(len(d.displace)))
	if ok && presentedKey != key {
		// The browser is another account's now. Should this fail, nobody holds
		// that session's token any more: it times out.
		if err := r.SignOut(ctx, from.Token); err != nil && !errors.Is(err, ErrNoSession) {
			r.log.Warn("the session of another account in the same browser was not ended", "error", err)
		}
	}
	return Grant{who.seat.Session, token}, nil
}

// Adopt gives a seat to a session of the application's own that is older than
// oneseat, through the same door as a sign-in and until [Config.AdoptUntil]. It
// is seated as of when it was issued (the zero time: not known, so before
// everything), so it never displaces a later sign-in, and only if nothing of the
// account has ended since.
//
// It returns [ErrNoSession] for one that gets no seat: the user has to sign in.
// Other errors are those of SignIn.
func (r *Registry) Adopt(ctx context.Context, account string, issued time.Time, from Client) (Grant, error) {
	if err := checkAccount(account); err != nil {
		return Grant{}, err
	}
	if r.config.AdoptUntil.IsZero() {
		return Grant{}, ErrNoSession
	}
	key := KeyOf(r.config.Realm, account)
	token, secret := newToken(key)
	c := newcomer{adopted: true, issued: issued, seat: from.seat(secret)}
	v, d, err := r.admit(ctx, key, account, c)
	if err != nil {
		return Grant{}, err
	}
	if d.outcome == refused {
		return Grant{}, ErrNoSession
	}
	r.stats.displaced.Add(uint64(len(d.displace)))
	who := v.Roster.recall(c.seat.ID)
	if who.seat == nil {
		return Grant{}, &EndedError{who.ending.Ending}
	}
	return Grant{who.seat.Session, token}, nil
}

// seat is what the client would sit on, with an id of its own.
func (c Client) seat(secret Digest) Seat {
	return Seat{
		Session: Session{ID: newSessionID(), Device: c.Device.clean()},
		Secret:  secret, DeviceID: deviceDigest(c.DeviceID),
	}
}

// admit brings a newcomer to the one door, under the realm's epoch of now, as
// often as it takes.
func (r *Registry) admit(ctx context.Context, key Key, account string, c newcomer) (View, decision, error) {
	for range 3 {
		epoch, asOf, err := r.epoch(ctx)
		if err != nil {
			return View{}, decision{}, err
		}
		c.seat.Epoch = epoch
		var d decision
		var late bool // the realm was ended since the epoch was read
		v, err := r.update(ctx, key, func(v View, try int) (Change, error) {
			late = v.Roster != nil && slices.ContainsFunc(v.Roster.Seats, func(s Seat) bool { return s.Epoch > epoch })
			if late {
				return Change{}, nil
			}
			if try > 0 {
				c.tried = asOf
			}
			var change Change
			change, d = admit(v, r.config.Realm, account, c, r.rule)
			return change, nil
		})
		switch {
		case err != nil:
			return View{}, decision{}, err
		case d.outcome == unknown && !late:
			return View{}, decision{}, ErrUnknownOutcome
		case !late:
			return v, d, nil
		}
	}
	return View{}, decision{}, &FormatError{"sessions are newer than the realm's control record, as after a partial restore: call EndRealm"}
}

// Check says whose session a token is, and counts as activity. It answers from
// memory where it may ([Config.MaxStale]), else from the store.
//
// It returns [ErrNoSession] for what is no token of a session that is known, an
// *[EndedError] for one whose session has ended, and [ErrStoreUnavailable] when
// that could not be found out: no answer means no.
func (r *Registry) Check(ctx context.Context, token string) (Session, error) {
	return r.checkToken(ctx, token, true)
}

// Peek is Check for background traffic: heartbeats, polls, event streams. It
// does not keep a session from idling (TMO-04).
func (r *Registry) Peek(ctx context.Context, token string) (Session, error) {
	return r.checkToken(ctx, token, false)
}

// CheckID is Check for an application that already knows who is asking, from
// what it signed or keeps itself (a JWT with sub and sid, a session on the
// server). It believes its caller: an id is no secret, and must never be taken
// from a cookie, header or URL as it comes.
func (r *Registry) CheckID(ctx context.Context, account string, id SessionID) (Session, error) {
	if err := checkAccount(account); err != nil {
		return Session{}, err
	}
	r.stats.checks.Add(1)
	c := claim{key: KeyOf(r.config.Realm, account), id: id}
	if m, err := r.remember(c, true); m.says {
		return m.session(), err
	}
	return r.checkStore(ctx, c, true)
}

// SignOut ends the session of a token. It returns nil also if that had ended
// before, [ErrNoSession] for a token that is none or was rotated away, and
// [ErrStoreUnavailable] when nothing was done.
func (r *Registry) SignOut(ctx context.Context, token string) error {
	key, secret, ok := parseToken(token)
	if !ok {
		return ErrNoSession
	}
	epoch, err := r.epochNow(ctx)
	if err != nil {
		return err
	}
	var found recognition
	_, err = r.update(ctx, key, func(v View, _ int) (Change, error) {
		found = recognition{}
		if v.Roster == nil {
			return Change{}, nil
		}
		ro, events := v.settled(v.Roster.Realm, v.Roster.Account, epoch, r.rule)
		found = ro.recognise(secret, v.Now)
		if found.seat == nil || found.previous {
			return Change{}, nil
		}
		events = append(events, ro.end(v, found.seat.ID, Ending{Reason: SignedOut, At: v.Now, By: found.seat.ID}))
		return ro.commit(v, events, r.rule), nil
	})
	switch {
	case err != nil:
		return err
	case found.ending == nil && (found.seat == nil || found.previous):
		return ErrNoSession
	}
	return nil
}

// Rotate gives a session a new token and leaves its id, as after a change of
// password. For ten seconds the old token still checks, for requests that were
// on their way, but it may not rotate, end or list. Errors are those of Check;
// [ErrUnknownOutcome] leaves either token in force.
func (r *Registry) Rotate(ctx context.Context, token string) (Grant, error) {
	key, old, ok := parseToken(token)
	if !ok {
		return Grant{}, ErrNoSession
	}
	next, secret := newToken(key)
	epoch, err := r.epochNow(ctx)
	if err != nil {
		return Grant{}, err
	}
	var refusal error
	v, err := r.update(ctx, key, func(v View, _ int) (Change, error) {
		refusal = ErrNoSession
		if v.Roster == nil {
			return Change{}, nil
		}
		ro, events := v.settled(v.Roster.Realm, v.Roster.Account, epoch, r.rule)
		if ro.bySecret(secret) >= 0 { // an earlier try was committed
			refusal = nil
			return Change{}, nil
		}
		if e, ok := ro.rotate(v, old, secret); ok {
			refusal = nil
			return ro.commit(v, append(events, e), r.rule), nil
		}
		if e := ro.recognise(old, v.Now).ending; e != nil {
			refusal = &EndedError{e.Ending}
		}
		return v.changeIf(ro, events, r.rule), nil
	})
	if err = cmp.Or(err, refusal); err != nil {
		return Grant{}, err
	}
	return Grant{v.Roster.Seats[v.Roster.bySecret(secret)].Session, next}, nil
}

// Sessions returns the account's live sessions, the newest first, from the
// store.
func (r *Registry) Sessions(ctx context.Context, account string) ([]Session, error) {
	if err := checkAccount(account); err != nil {
		return nil, err
	}
	v, control, err := r.look(ctx, KeyOf(r.config.Realm, account))
	if err != nil || v.Roster == nil {
		return nil, err
	}
	return sessions(slices.DeleteFunc(slices.Clone(v.Roster.Seats), func(s Seat) bool {
		return v.Roster.judge(recognition{seat: &s}, v.Now, control.Roster.epoch(), r.rule).verdict != live
	})), nil
}

// End ends some of an account's sessions and returns how many of them were
// live. Ids that are not the account's are ignored.
func (r *Registry) End(ctx context.Context, account string, cause Cause, ids ...SessionID) (int, error) {
	return r.endIf(ctx, account, cause, func(s Seat) bool { return slices.Contains(ids, s.ID) })
}

// EndOthers ends all of an account's sessions but one, and returns how many.
func (r *Registry) EndOthers(ctx context.Context, account string, keep SessionID, cause Cause) (int, error) {
	return r.endIf(ctx, account, cause, func(s Seat) bool { return s.ID != keep })
}

// EndAll ends all of an account's sessions and returns how many.
func (r *Registry) EndAll(ctx context.Context, account string, cause Cause) (int, error) {
	return r.endIf(ctx, account, cause, func(Seat) bool { return true })
}

func (r *Registry) endIf(ctx context.Context, account string, cause Cause, which func(Seat) bool) (int, error) {
	if err := checkAccount(account); err != nil {
		return 0, err
	}
	def(&cause.Reason, Revoked)
	if !slices.Contains([]Reason{Revoked, CredentialsChanged, SignedOut}, cause.Reason) {
		return 0, fmt.Errorf("oneseat: %q is not a reason to give: use Revoked, CredentialsChanged or SignedOut", string(cause.Reason))
	}
	epoch, err := r.epochNow(ctx)
	if err != nil {
		return 0, err
	}
	var tried []SessionID // what earlier tries, whose replies were lost, would have ended
	var ended []SessionID // what this try ends, and what earlier ones turn out to have ended
	last := 0
	_, err = r.update(ctx, KeyOf(r.config.Realm, account), func(v View, try int) (Change, error) {
		if try > last {
			tried, last = append(tried, ended...), try
		}
		ended = nil
		if v.Roster == nil {
			return Change{}, nil
		}
		ro, events := v.settled(v.Roster.Realm, account, epoch, r.rule)
		how := Ending{Reason: cause.Reason, At: v.Now, By: cause.By, Actor: inert(cause.Actor, maxActor)}
		if i := ro.seat(cause.By); i >= 0 {
			how.ByDevice = ro.Seats[i].Device
		}
		for _, e := range ro.Endings {
			if slices.Contains(tried, e.Session) && e.Reason == how.Reason && e.By == how.By && e.Actor == how.Actor {
				ended = append(ended, e.Session)
			}
		}
		for _, s := range slices.Clone(ro.Seats) {
			if which(s) {
				events = append(events, ro.end(v, s.ID, how))
				ended = append(ended, s.ID)
			}
		}
		return v.changeIf(ro, events, r.rule), nil
	})
	if err != nil {
		return 0, err
	}
	return len(ended), nil
}

// EndRealm ends every session of every account of the realm at once: the kill
// switch, and the remedy after a restore from a backup. actor is for the record.
func (r *Registry) EndRealm(ctx context.Context, actor string) error {
	v, _, err := r.look(ctx, r.control)
	if err != nil {
		return err
	}
	before := v.Roster.epoch()
	_, err = r.update(ctx, r.control, func(v View, try int) (Change, error) {
		if try > 0 && v.Roster.epoch() > before { // an earlier try was committed
			return Change{}, nil
		}
		return v.newEpoch(r.config.Realm, inert(actor, maxActor)), nil
	})
	return err
}

// epoch returns the realm's epoch, fresh, with a store time that is not after
// the call's return. The first one to ask makes the control record.
func (r *Registry) epoch(ctx context.Context) (uint64, time.Time, error) {
	v, _, err := r.look(ctx, r.control)
	if err == nil && v.Roster == nil {
		v, err = r.update(ctx, r.control, func(v View, _ int) (Change, error) {
			if v.Roster != nil {
				return Change{}, nil
			}
			c := v.newEpoch(r.config.Realm, "")
			c.Events = nil // nothing has ended
			return c, nil
		})
	}
	return v.Roster.epoch(), v.Now, err
}

// epochNow returns the realm's epoch, fresh, so that nothing is done for or to a
// session that the realm's end has ended. 0: no session was ever issued.
func (r *Registry) epochNow(ctx context.Context) (uint64, error) {
	v, _, err := r.look(ctx, r.control)
	return v.Roster.epoch(), err
}

// look reads one roster and the control record, fresh.
func (r *Registry) look(ctx context.Context, k Key) (v, control View, err error) {
	r.cache.expect(k)
	defer r.cache.done(k)
	v, control, _, err = r.load(ctx, k)
	return v, control, err
}

// update runs a change on one roster, again after a lost reply (try counts
// those), and lets this node know what was committed before it returns.
func (r *Registry) update(ctx context.Context, key Key, change func(v View, try int) (Change, error)) (View, error) {
	if r.life.Err() != nil {
		return View{}, ErrClosed
	}
	ctx, cancel := context.WithTimeout(ctx, updateTimeout)
	defer cancel()
	since := r.cache.expect(key)
	defer r.cache.done(key)
	var lost error // a reply was: whatever comes after, the update may have been committed
	for try := 0; ; try++ {
		began := r.now()
		var last Change
		v, err := r.store.Update(ctx, key, func(v View) (Change, error) {
			last = Change{}
			if err := r.own(key, v.Roster); err != nil {
				return Change{}, err
			}
			c, err := change(v, try)
			last = c
			return c, err
		})
		r.stats.updates.Add(1)
		if err == nil {
			r.committed(v, began, since, last)
			if lost != nil {
				r.cutGone(v) // what an earlier try ended is in no event of this one
			}
			return v, nil
		}
		if errors.Is(err, ErrUnknownOutcome) {
			lost = err
			r.cache.drop(key)
		}
		if lost == nil {
			return View{}, r.noAnswer(err)
		}
		select {
		case <-time.After(time.Duration(try+1) * 20 * time.Millisecond):
		case <-ctx.Done():
		}
		if try == 4 || ctx.Err() != nil {
			return View{}, lost
		}
	}
}

// committed applies an update's result to this node. One that changed nothing may
// have been anybody's: what it read is not kept, but nothing older is believed.
func (r *Registry) committed(v View, began instant, since uint64, c Change) {
	switch {
	case c.Erase:
		r.cache.drop(v.Key)
		return
	case v.Roster == nil:
		return
	}
	r.cache.changed(v.Key, v.Version)
	if c.Roster == nil {
		return
	}
	r.cache.keep(v, began, since)
	r.cutEnded(v.Key, c.Events)
}

// noAnswer is the error of a store that failed. What the caller's context says,
// and what is wrong with a record or a change, stays what it is.
func (r *Registry) noAnswer(err error) error {
	if r.life.Err() != nil {
		return ErrClosed
	}
	_, format := errors.AsType[*FormatError](err)
	_, panicked := errors.AsType[*PanicError](err)
	if format || panicked || errors.Is(err, ErrNoSession) || errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrStoreUnavailable, err)
}

// sessions lists seats for people, the newest first.
func sessions(seats []Seat) []Session {
	out := make([]Session, len(seats))
	for i, s := range seats {
		out[len(seats)-1-i] = s.Session
	}
	return out
}
