package oneseat_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

type plans struct {
	mu   sync.Mutex // guards all below
	said oneseat.Limits
	err  error
	then func() // called once, when it has been asked, before it answers as it would have

	asked atomic.Int64
}

func (p *plans) limitFor(_ context.Context, account string) (oneseat.Limits, error) {
	p.asked.Add(1)
	if account == "" {
		return oneseat.Limits{}, errors.New("asked about nobody")
	}
	p.mu.Lock()
	said, err, then := p.said, p.err, p.then
	p.then = nil
	p.mu.Unlock()
	if then != nil {
		then()
	}
	return said, err
}

func (p *plans) say(l oneseat.Limits) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.said, p.err = l, nil
}

func (p *plans) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

func (p *plans) meanwhile(then func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.then = then
}

// Without an answer of the application, or with an impossible one, nobody gets in and
// nothing is done.
func TestWithoutALimitNobodyGetsIn(t *testing.T) {
	p := &plans{said: oneseat.Limits{Total: 1}}
	r := newNode(t, memstore.New(), oneseat.Config{WhenFull: oneseat.PolicyAsk, LimitFor: p.limitFor, AdoptUntil: time.Now().Add(time.Hour)})
	there := signIn(t, r, "ada", oneseat.SignInRequest{})
	ticket := refused(t, r, "ada", oneseat.SignInRequest{}).Ticket
	before := string(encode(t, stored(t, r.Store, "ada").Roster))
	for name, broken := range map[string]func(){
		"an error":           func() { p.fail(errDown) },
		"an impossible one":  func() { p.say(oneseat.Limits{Total: -7}) },
		"classes of nothing": func() { p.say(oneseat.Limits{Classes: map[oneseat.Class]int{"tv": 1}}) },
	} {
		broken()
		_, signIn := r.SignIn(t.Context(), "ada", oneseat.SignInRequest{Override: true})
		_, renew := r.SignIn(t.Context(), "ada", oneseat.SignInRequest{Token: string(there.Token)})
		_, redeem := r.Redeem(t.Context(), ticket, oneseat.SignInRequest{}, there.Session.ID)
		_, stream := r.StartStream(t.Context(), there.Session, oneseat.Player{ID: "p"})
		_, adopt := r.Adopt(t.Context(), "ada", time.Now(), oneseat.SignInRequest{})
		for what, err := range map[string]error{
			"sign-in": signIn, "renewal": renew, "redeem": redeem, "stream": stream, "adoption": adopt,
			"SetLimit": r.SetLimit(t.Context(), "ada", oneseat.Limits{Streams: 3}, ""), "Refresh": r.RefreshLimits(t.Context(), "ada"),
		} {
			_, impossible := errors.AsType[*oneseat.ConfigError](err)
			if err == nil || !errors.Is(err, errDown) && !impossible || !strings.Contains(err.Error(), "nothing was done") {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
		if after := string(encode(t, stored(t, r.Store, "ada").Roster)); after != before {
			t.Errorf("%s: the roster was\n%s\nand is\n%s", name, before, after)
		}
	}
	p.fail(errors.New("nobody was to ask"))
	for _, err := range []error{r.SetLimit(t.Context(), "", oneseat.Limits{}, ""), r.RefreshLimits(t.Context(), "")} {
		if _, ok := errors.AsType[*oneseat.AccountError](err); !ok {
			t.Errorf("an account without a name: %v", err)
		}
	}
	p.say(oneseat.Limits{Total: 2})
	wantLive(t, r, there)
	signIn(t, r, "ada", oneseat.SignInRequest{})
	r.unreadable()
	wantError(t, r.RefreshLimits(t.Context(), "ada"), oneseat.ErrStoreUnavailable)
}

// A limit from outside counts only if it was asked for after the last change. Every
// operation that asked before asks again.
func TestWhoAskedBeforeAChangeAsksAgain(t *testing.T) {
	before, after := oneseat.Limits{Total: 3, Streams: 3}, oneseat.Limits{Total: 1, Streams: 1}
	type act = func(r node, there oneseat.Grant) error
	refreshed := func(other node) error { return other.RefreshLimits(t.Context(), "ada") }
	stores := func(other node) error { return other.SetLimit(t.Context(), "ada", oneseat.Limits{Streams: 1}, "") }
	for _, change := range []struct {
		name string
		do   func(other node) error
	}{{"refreshed", refreshed}, {"stored", stores}} {
		for _, tt := range []struct {
			name string
			do   act
			want int // seats afterwards
		}{
			{"a sign-in", func(r node, _ oneseat.Grant) error {
				_, err := r.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
				return err
			}, 1},
			{"a stream", func(r node, there oneseat.Grant) error {
				_, err := r.StartStream(t.Context(), there.Session, oneseat.Player{ID: "q"})
				return err
			}, 2},
			{"SetLimit", func(r node, _ oneseat.Grant) error {
				return r.SetLimit(t.Context(), "ada", oneseat.Limits{Streams: 2}, "")
			}, 1},
			{"Refresh", func(r node, _ oneseat.Grant) error { return r.RefreshLimits(t.Context(), "ada") }, 1},
		} {
			t.Run(tt.name+", "+change.name, func(t *testing.T) {
				store := memstore.New()
				p := &plans{said: before}
				r, other := newNode(t, store, oneseat.Config{LimitFor: p.limitFor}), newNode(t, store, oneseat.Config{LimitFor: p.limitFor})
				there := signIn(t, r, "ada", oneseat.SignInRequest{})
				if tt.name == "a stream" {
					play(t, r, there.Session, "p")
				} else {
					signIn(t, r, "ada", oneseat.SignInRequest{})
				}
				asked := p.asked.Load()
				p.meanwhile(func() {
					p.say(after)
					if err := change.do(other); err != nil {
						t.Error(err)
					}
				})
				err := tt.do(r, there)
				if _, full := errors.AsType[*oneseat.LimitError](err); err != nil && (!full || tt.name != "a stream") {
					t.Error(err)
				}
				if got := liveIDs(t, store, "ada"); len(got) != tt.want {
					t.Errorf("live are %v, want %d", got, tt.want)
				}
				if n := p.asked.Load() - asked; n != 3 { // twice by the one, once by the other
					t.Errorf("the application was asked %d times", n)
				}
			})
		}
	}
}

// The same holds for an account that has no record yet.
func TestAChangeIsNoticedWhereNothingWasStored(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(other node) error
	}{
		{"refreshed", func(other node) error { return other.RefreshLimits(t.Context(), "ada") }},
		{"stored and taken away", func(other node) error {
			return errors.Join(other.SetLimit(t.Context(), "ada", oneseat.Limits{Total: 1}, ""), other.SetLimit(t.Context(), "ada", oneseat.Limits{}, ""))
		}},
	} {
		store := memstore.New()
		p := &plans{said: oneseat.Limits{Total: oneseat.Unlimited}}
		r, other := newNode(t, store, oneseat.Config{LimitFor: p.limitFor}), newNode(t, store, oneseat.Config{LimitFor: p.limitFor})
		signIn(t, other, "grace", oneseat.SignInRequest{})
		asked := p.asked.Load()
		var during int64
		p.meanwhile(func() {
			p.say(oneseat.Limits{Total: 1})
			if err := tt.do(other); err != nil {
				t.Error(err)
			}
			during = p.asked.Load()
		})
		signIn(t, r, "ada", oneseat.SignInRequest{})
		if n := p.asked.Load() - during; n != 1 || during == asked {
			t.Errorf("%s: it asked %d times more", tt.name, n)
		}
	}
}

// Where the application's answer changes each time, an operation ends with an error, and
// not in an endless loop.
func TestLimitsThatKeepChangingAreNoAnswer(t *testing.T) {
	store := memstore.New()
	p := &plans{said: oneseat.Limits{Total: 2}}
	r, other := newNode(t, store, oneseat.Config{LimitFor: p.limitFor}), newNode(t, store, oneseat.Config{})
	n, streams := 0, 0
	var again func()
	again = func() {
		if n++; n > 20 {
			return
		}
		streams++
		if err := other.SetLimit(t.Context(), "ada", oneseat.Limits{Streams: streams}, ""); err != nil {
			t.Error(err)
		}
		p.meanwhile(again)
	}
	for name, do := range map[string]func() error{
		"sign-in":  func() error { _, err := r.SignIn(t.Context(), "ada", oneseat.SignInRequest{}); return err },
		"Refresh":  func() error { return r.RefreshLimits(t.Context(), "ada") },
		"SetLimit": func() error { return r.SetLimit(t.Context(), "ada", oneseat.Limits{Total: 9}, "") },
	} {
		n = 0
		p.meanwhile(again)
		err := do()
		wantError(t, err, oneseat.ErrStoreUnavailable)
		if !strings.Contains(err.Error(), "keep changing") || n != 3 {
			t.Errorf("%s: %v, after %d", name, err, n)
		}
		if ro := stored(t, store, "ada").Roster; len(ro.Seats) > 0 || ro.Limits.Total != 0 {
			t.Errorf("%s: stored is %+v", name, ro)
		}
	}
}

// P3: a retry knows that it is one, although limits had to be asked for again in
// between: a session that was admitted, ended and forgotten is not admitted anew.
func TestARetryUnderOtherLimitsKnowsThatItIsOne(t *testing.T) {
	store := memstore.New()
	p := &plans{said: oneseat.Limits{Total: oneseat.Unlimited}}
	r, other := newNode(t, store, oneseat.Config{LimitFor: p.limitFor}), newNode(t, store, oneseat.Config{LimitFor: p.limitFor})
	signIn(t, other, "ada", oneseat.SignInRequest{})
	r.loseReplies(oneseat.KeyOf(realm, "ada"), 1, func() {
		if _, err := other.EndAll(t.Context(), "ada", oneseat.EndOptions{}); err != nil {
			t.Error(err)
		}
		for range oneseat.MaxEndings {
			g, err := other.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
			if err == nil {
				err = other.SignOut(t.Context(), string(g.Token))
			}
			if err != nil {
				t.Error(err)
			}
		}
		if err := other.RefreshLimits(t.Context(), "ada"); err != nil {
			t.Error(err)
		}
	})
	_, err := r.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
	wantError(t, err, oneseat.ErrUnknownOutcome)
	wantIDs(t, store, "ada")
}

// After the first lost reply every try is a retry, even if something changed meanwhile
// and was looked up again.
func TestAFirstTryStaysTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		p := &plans{said: oneseat.Limits{Total: 1}}
		r, other := newNode(t, store, oneseat.Config{LimitFor: p.limitFor}), newNode(t, store, oneseat.Config{LimitFor: p.limitFor})
		signIn(t, other, "ada", oneseat.SignInRequest{})
		time.Sleep(time.Second)
		calls := 0
		r.set(func() {
			r.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
				if k != oneseat.KeyOf(realm, "ada") {
					return next(ctx, k, c)
				}
				switch calls++; calls {
				case 1: // it may have been committed, and forgotten
					time.Sleep(time.Second)
					for range oneseat.MaxEndings + 1 {
						signIn(t, other, "ada", oneseat.SignInRequest{})
					}
					if err := other.RefreshLimits(t.Context(), "ada"); err != nil {
						t.Error(err)
					}
					time.Sleep(time.Second)
					return oneseat.View{}, oneseat.ErrUnknownOutcome
				case 3: // that one cannot tell
					return oneseat.View{}, oneseat.ErrUnknownOutcome
				}
				return next(ctx, k, c)
			}
		})
		_, err := r.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
		if wantError(t, err, oneseat.ErrUnknownOutcome); calls != 4 {
			t.Errorf("%d updates", calls)
		}
	})
}

// A store that fails is not asked again, even if the limits had changed as well.
func TestAFailureIsNotTriedAgainForStaleLimits(t *testing.T) {
	store := memstore.New()
	p := &plans{said: oneseat.Limits{Total: 1}}
	r, other := newNode(t, store, oneseat.Config{LimitFor: p.limitFor}), newNode(t, store, oneseat.Config{LimitFor: p.limitFor})
	signIn(t, other, "ada", oneseat.SignInRequest{})
	calls := 0
	r.set(func() {
		r.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
			calls++
			if err := other.RefreshLimits(t.Context(), "ada"); err != nil {
				t.Error(err)
			}
			if _, err := next(ctx, k, c); err != nil {
				t.Error(err)
			}
			return oneseat.View{}, errDown
		}
	})
	_, err := r.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
	if !errors.Is(err, errDown) || calls != 1 {
		t.Errorf("after %d updates: %v", calls, err)
	}
}

// A change that was made before its reply was lost is not made twice.
func TestSetLimitAndRefreshWhoseReplyWasLost(t *testing.T) {
	for _, p := range []*plans{nil, {said: oneseat.Limits{Total: 2}}} {
		store := memstore.New()
		c := oneseat.Config{Limit: 3}
		if p != nil {
			c.LimitFor = p.limitFor
		}
		r := newNode(t, store, c)
		signIn(t, r, "ada", oneseat.SignInRequest{})
		signIn(t, r, "ada", oneseat.SignInRequest{})
		r.loseReplies(oneseat.KeyOf(realm, "ada"), 1, nil)
		setLimit(t, r, oneseat.Limits{Total: 1})
		r.loseReplies(oneseat.KeyOf(realm, "ada"), 1, nil)
		if err := r.RefreshLimits(t.Context(), "ada"); err != nil {
			t.Fatal(err)
		}
		events := logged(t, store, "ada")
		if count(events, oneseat.EventLimitChanged) != 1 || count(events, oneseat.EventSessionEnded) != 1 || len(liveIDs(t, store, "ada")) != 1 {
			t.Errorf("events: %+v", events)
		}
		r.down()
		wantError(t, r.SetLimit(t.Context(), "ada", oneseat.Limits{}, ""), oneseat.ErrStoreUnavailable)
		wantError(t, r.RefreshLimits(t.Context(), "ada"), oneseat.ErrStoreUnavailable)
	}
}
