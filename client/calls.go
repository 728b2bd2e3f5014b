package client

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
)

// tries is how often a call is made at most while its answers are lost.
const tries = 3

// admit makes a call that may be repeated, and repeats it if its answer was lost. All its
// tries make one session, and the token comes with the answer that arrives.
//
// Without an attempt of the caller's, admit makes one. Its time is that of the store's
// clock, as the client last heard of it. If the store's clock was set since then, the
// server refuses the attempt and has done nothing. Then admit asks for the clock, and
// tries again.
func (k *Client) admit(ctx context.Context, path string, a oneseat.Attempt, in any) (oneseat.Grant, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return oneseat.Grant{}, err
	}
	if !a.IsZero() {
		return k.repeat(ctx, path, attemptOf(a.ID[:], a.Tried), body)
	}
	id := make([]byte, 32)
	_, _ = rand.Read(id) // it ends the process instead of failing
	g, err := k.repeat(ctx, path, attemptOf(id, k.now()), body)
	if errors.Is(err, oneseat.ErrAttemptExpired) {
		if _, err := k.ping(ctx); err != nil {
			return oneseat.Grant{}, err
		}
		return k.repeat(ctx, path, attemptOf(id, k.now()), body)
	}
	return g, err
}

func attemptOf(id []byte, tried time.Time) string {
	return strconv.FormatInt(tried.UnixMilli(), 10) + "-" + base64.RawURLEncoding.EncodeToString(id)
}

// repeat makes an attempt, up to three times if the answer is lost. Once an answer was
// lost, an ErrStoreUnavailable does not say that nothing was done: then repeat returns
// [oneseat.ErrUnknownOutcome] in the end.
func (k *Client) repeat(ctx context.Context, path, attempt string, body []byte) (oneseat.Grant, error) {
	unsure := false // whether a try may have been done
	for try := 1; ; try++ {
		g, err := k.tryToAdmit(ctx, path, attempt, body)
		if err == nil {
			k.known.heard(g.Session.Account) // its older sessions may be over
			return g, nil
		}
		_, isLost := errors.AsType[lost](err)
		unsure = unsure || isLost || errors.Is(err, oneseat.ErrUnknownOutcome)
		if !unsure || !isLost && !errors.Is(err, oneseat.ErrUnknownOutcome) && !errors.Is(err, oneseat.ErrStoreUnavailable) {
			return g, err
		}
		if try == tries || ctx.Err() != nil {
			return g, errors.Join(oneseat.ErrUnknownOutcome, err)
		}
		select {
		case <-time.After(time.Duration(try*try) * 50 * time.Millisecond):
		case <-ctx.Done():
		case <-k.life.Done():
		}
	}
}

func (k *Client) tryToAdmit(ctx context.Context, path, attempt string, body []byte) (oneseat.Grant, error) {
	ctx, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	var g api.Granted
	if err := k.send(ctx, path, body, attempt, &g); err != nil {
		return oneseat.Grant{}, err
	}
	return grantOf(g), nil
}

type planKey struct{}

// WithLimits returns a context in which a sign-in, a redemption or an explanation uses
// the limits of a plan that the application knows. It stands for [oneseat.Config]
// LimitFor, because a server cannot call the application. The limits hold for that sign-in
// only: when a plan is lowered, call SetLimit.
func WithLimits(ctx context.Context, plan oneseat.Limits) context.Context {
	return context.WithValue(ctx, planKey{}, plan)
}

// planOf returns the limits of a context. It returns a *[oneseat.ConfigError] if they
// are impossible.
func planOf(ctx context.Context) (*api.Limits, error) {
	plan, _ := ctx.Value(planKey{}).(oneseat.Limits) // none: nothing is said
	return sent(plan), plan.Check()
}

func signInOf(ctx context.Context, account string, from oneseat.SignInRequest) (api.SignIn, error) {
	plan, err := planOf(ctx)
	return api.SignIn{
		Account: account, Token: from.Token, Previous: api.Previous{Account: from.Previous.Account, Session: string(from.Previous.Session)},
		Device: device(from), TakeOver: from.Override, Limits: plan, Lifetime: sentLifetime(from.Lifetime), Program: from.Program, Data: from.Data,
		Seen: api.SeenDevice{Label: from.Seen.Label, Class: string(from.Seen.Class), IP: from.Seen.IP},
	}, err
}

func device(from oneseat.SignInRequest) api.Device {
	return api.Device{ID: from.DeviceID, Label: from.Device.Label, Class: string(from.Device.Class), IP: from.Device.IP}
}

// SignIn is [oneseat.Registry.SignIn]. If its answer is lost it is repeated, and gives
// the same session and token. Of from.Attempt, ID and Tried are used: the server makes
// the secret.
func (k *Client) SignIn(ctx context.Context, account string, from oneseat.SignInRequest) (oneseat.Grant, error) {
	in, err := signInOf(ctx, account, from)
	if err != nil {
		return oneseat.Grant{}, err
	}
	return k.admit(ctx, api.PathSignIn, from.Attempt, in)
}

// Adopt is [oneseat.Registry.Adopt].
func (k *Client) Adopt(ctx context.Context, account string, issued time.Time, from oneseat.SignInRequest) (oneseat.Grant, error) {
	in, err := signInOf(ctx, account, from)
	if err != nil {
		return oneseat.Grant{}, err
	}
	in.Adopt = &api.Adopt{Issued: issued}
	return k.admit(ctx, api.PathSignIn, from.Attempt, in)
}

// Redeem is [oneseat.Registry.Redeem]. If its answer is lost it is repeated. Of
// from it sends what describes the browser: not Override, Lifetime, Data and Program.
func (k *Client) Redeem(ctx context.Context, ticket oneseat.Ticket, from oneseat.SignInRequest, ids ...oneseat.SessionID) (oneseat.Grant, error) {
	as, err := signInOf(ctx, "", from)
	if err != nil {
		return oneseat.Grant{}, err
	}
	in := api.Redeem{Ticket: string(ticket), End: texts(ids), Token: as.Token, Previous: as.Previous, Device: as.Device, Limits: as.Limits, Seen: as.Seen}
	return k.admit(ctx, api.PathRedeem, from.Attempt, in)
}

// Rotate is [oneseat.Registry.Rotate]. If its answer is lost it is repeated.
func (k *Client) Rotate(ctx context.Context, token string) (oneseat.Grant, error) {
	return k.RotateOnce(ctx, token, oneseat.Attempt{})
}

// RotateOnce is [oneseat.Registry.RotateOnce]. Of the attempt, ID and Tried are used.
func (k *Client) RotateOnce(ctx context.Context, token string, attempt oneseat.Attempt) (oneseat.Grant, error) {
	return k.admit(ctx, api.PathRotate, attempt, api.Token{Token: token})
}

func texts(ids []oneseat.SessionID) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = string(id)
	}
	return out
}

// SignOut ends the session of a token. It returns [oneseat.ErrNoSession] if none was
// live.
func (k *Client) SignOut(ctx context.Context, token string) error {
	if token == "" || len(token) > longestToken {
		return oneseat.ErrNoSession
	}
	var n api.Ended
	err := k.call(ctx, api.PathSignOut, api.SignOut{Token: token}, &n)
	k.known.forget(token)
	if err != nil {
		return err
	}
	if n.Ended == 0 {
		return oneseat.ErrNoSession
	}
	return nil
}

// Sessions is [oneseat.Registry.Sessions].
func (k *Client) Sessions(ctx context.Context, account string) ([]oneseat.Session, error) {
	var a api.Sessions
	err := k.call(ctx, api.PathSessions, api.Account{Account: account}, &a)
	return sessionsOf(a.Sessions), err
}

// End is [oneseat.Registry.End].
func (k *Client) End(ctx context.Context, account string, how oneseat.EndOptions, ids ...oneseat.SessionID) (int, error) {
	if len(ids) == 0 {
		return 0, nil
	}
	return k.endBy(ctx, account, how, api.End{Sessions: texts(ids)})
}

// EndOthers is [oneseat.Registry.EndOthers].
func (k *Client) EndOthers(ctx context.Context, account string, keep oneseat.SessionID, how oneseat.EndOptions) (int, error) {
	return k.endBy(ctx, account, how, api.End{Except: string(keep)})
}

// EndClass ends an account's sessions on one class of device, as
// [oneseat.Registry.EndWhere] does.
func (k *Client) EndClass(ctx context.Context, account string, class oneseat.Class, how oneseat.EndOptions) (int, error) {
	return k.endBy(ctx, account, how, api.End{Class: string(class)})
}

// EndAll is [oneseat.Registry.EndAll].
func (k *Client) EndAll(ctx context.Context, account string, how oneseat.EndOptions) (int, error) {
	return k.endBy(ctx, account, how, api.End{All: true})
}

func (k *Client) endBy(ctx context.Context, account string, how oneseat.EndOptions, in api.End) (int, error) {
	in.Account, in.Reason, in.Actor, in.By, in.As = account, string(how.Reason), how.Actor, string(how.By), string(how.As)
	var n api.Ended
	err := k.call(ctx, api.PathEnd, in, &n)
	k.known.heard(account)
	return n.Ended, err
}

// Account is [oneseat.Registry.Account]. It needs the scope "admin". So do Accounts,
// SetLimit, Block, Unblock, Forget, Explain, EndRealm and Events.
func (k *Client) Account(ctx context.Context, account string) (oneseat.Account, error) {
	var a api.AccountState
	if err := k.call(ctx, api.PathAccount, api.Account{Account: account}, &a); err != nil {
		return oneseat.Account{}, err
	}
	return accountOf(a), nil
}

// Accounts is [oneseat.Registry.Accounts].
func (k *Client) Accounts(ctx context.Context, q oneseat.AccountQuery) ([]oneseat.Account, error) {
	var page api.Accounts
	err := k.call(ctx, api.PathAccounts, api.AccountQuery{Prefix: q.Prefix, After: q.After, Limit: q.Limit}, &page)
	var out []oneseat.Account
	for _, a := range page.Accounts {
		out = append(out, accountOf(a))
	}
	return out, err
}

// SetLimit is [oneseat.Registry.SetLimit].
func (k *Client) SetLimit(ctx context.Context, account string, limits oneseat.Limits, actor string) error {
	if err := limits.Check(); err != nil {
		return err
	}
	defer k.known.heard(account)
	return k.call(ctx, api.PathLimit, api.Limit{Account: account, Limits: sent(limits), Actor: actor}, &api.Done{})
}

// Block is [oneseat.Registry.Block].
func (k *Client) Block(ctx context.Context, account string, until time.Time, actor string) error {
	defer k.known.heard(account)
	return k.call(ctx, api.PathBlock, api.Block{Account: account, Until: until, Actor: actor}, &api.Done{})
}

// Unblock is [oneseat.Registry.Unblock].
func (k *Client) Unblock(ctx context.Context, account, actor string) error {
	return k.call(ctx, api.PathUnblock, api.Unblock{Account: account, Actor: actor}, &api.Done{})
}

// Confirm is [oneseat.Registry.Confirm].
func (k *Client) Confirm(ctx context.Context, s oneseat.Session, lifetime oneseat.Lifetime) (oneseat.Session, error) {
	defer k.known.heard(s.Account)
	var now api.Session
	in := api.Confirm{Account: s.Account, Session: string(s.ID), Lifetime: new(sentLifetime(lifetime))}
	if err := k.call(ctx, api.PathConfirm, in, &now); err != nil {
		return oneseat.Session{}, err
	}
	return sessionOf(now), nil
}

// SeenFrom is [oneseat.Registry.SeenFrom]. The server compares, so each SeenFrom is a call
// to it.
func (k *Client) SeenFrom(ctx context.Context, s oneseat.Session, from oneseat.Device) error {
	in := api.Check{Account: s.Account, Session: string(s.ID), Use: new(false), Device: api.Device{Label: from.Label, Class: string(from.Class), IP: from.IP}}
	return k.call(ctx, api.PathCheck, in, &api.Checked{})
}

// SetData is [oneseat.Registry.SetData].
func (k *Client) SetData(ctx context.Context, s oneseat.Session, data string) error {
	defer k.known.heard(s.Account)
	return k.call(ctx, api.PathData, api.Data{Account: s.Account, Session: string(s.ID), Data: data}, &api.Done{})
}

// Forget is [oneseat.Registry.Forget].
func (k *Client) Forget(ctx context.Context, account string) error {
	defer k.known.heard(account)
	return k.call(ctx, api.PathForget, api.Forget{Account: account}, &api.Done{})
}

// Explain is [oneseat.Registry.Explain].
func (k *Client) Explain(ctx context.Context, account string, from oneseat.SignInRequest) (oneseat.Decision, error) {
	in, err := signInOf(ctx, account, from)
	if err != nil {
		return oneseat.Decision{}, err
	}
	var e api.Explained
	if err := k.call(ctx, api.PathExplain, in, &e); err != nil {
		return oneseat.Decision{}, err
	}
	d := oneseat.Decision{Outcome: oneseat.Outcome(e.Outcome), Renews: oneseat.SessionID(e.Renews), Bound: e.Full, Limit: e.Limit, Source: oneseat.Source(e.From), Observed: e.Observed}
	for _, id := range e.Displaces {
		d.Displaces = append(d.Displaces, oneseat.SessionID(id))
	}
	return d, nil
}

// EndRealm is [oneseat.Registry.EndRealm], for the realm of the client's key.
func (k *Client) EndRealm(ctx context.Context, actor string) error {
	defer k.known.gap()
	return k.call(ctx, api.PathEndRealm, api.EndRealm{Realm: k.about.Realm, Actor: actor}, &api.Done{})
}

// Events returns events, the newest first, as [oneseat.Registry.Events] does. Next in the
// answer is Before in the query for the events before these; "" if there are none.
func (k *Client) Events(ctx context.Context, q api.EventQuery) (api.Events, error) {
	var page api.Events
	err := k.call(ctx, api.PathEvents, q, &page)
	return page, err
}
