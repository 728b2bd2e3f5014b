package server

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
	"github.com/oneseat/oneseat/oneseathttp"
)

const (
	checkWithin = time.Second
	callWithin  = 2 * time.Second
)

// calls are the calls for sites, by their paths.
func calls() map[string]call {
	return map[string]call{
		api.PathAbout:    {within: callWithin, serve: about},
		api.PathCheck:    {scope: ScopeCheck, within: checkWithin, serve: check},
		api.PathSignIn:   {scope: ScopeSessions, within: callWithin, required: []string{"account", "previous/account", "previous/session"}, serve: signIn},
		api.PathRedeem:   {scope: ScopeSessions, within: callWithin, required: []string{"ticket", "end", "previous/account", "previous/session"}, serve: redeem},
		api.PathRotate:   {scope: ScopeSessions, within: callWithin, required: []string{"token"}, serve: rotate},
		api.PathSignOut:  {scope: ScopeSessions, within: callWithin, serve: signOut},
		api.PathSessions: {scope: ScopeSessions, within: callWithin, required: []string{"account"}, serve: sessions},
		api.PathEnd:      {scope: ScopeSessions, within: callWithin, required: []string{"account"}, serve: end},
		api.PathConfirm:  {scope: ScopeSessions, within: callWithin, required: []string{"account", "session"}, serve: confirm},
		api.PathData:     {scope: ScopeSessions, within: callWithin, required: []string{"account", "session", "data"}, serve: data},
		api.PathChanges:  {scope: ScopeCheck, within: longestWait + callWithin, serve: changes},
	}
}

func about(ctx context.Context, q *request) (int, any, error) {
	if err := q.into(&struct{}{}); err != nil {
		return 0, nil, err
	}
	now, err := q.seats.Now(ctx)
	if err != nil {
		return 0, nil, err
	}
	c := q.seats.Config()
	a := api.About{
		Version: q.server.config.Version, Realm: c.Realm, Limit: api.Max(c.Limit), WhenFull: string(c.WhenFull),
		Idle: seconds(c.Idle), Absolute: seconds(c.Absolute), MaxStale: seconds(c.MaxStale), KeepEndings: seconds(c.KeepEndings), AdoptUntil: c.AdoptUntil,
		TouchEvery: seconds(c.TouchEvery), Now: millis(now),
		DangerouslyAllowWhenStoreIsDown: c.DangerouslyAllowWhenStoreIsDown,
	}
	for _, s := range q.key.Scopes {
		a.Scopes = append(a.Scopes, string(s))
	}
	return http.StatusOK, a, nil
}

// seconds is a duration for a program; 0, which is left out, for none.
func seconds(d time.Duration) float64 {
	if d < 0 {
		return 0
	}
	return d.Seconds()
}

// byID reports whether a body names a session by its account and its ID, and not by its
// token. It has to do exactly one of the two.
func (q *request) byID() (bool, error) {
	token, account, session := slices.Contains(q.has, "token"), slices.Contains(q.has, "account"), slices.Contains(q.has, "session")
	if account != session || account == token {
		return false, &errBody{"it needs a token, or an account and a session"}
	}
	return account, nil
}

func check(ctx context.Context, q *request) (int, any, error) {
	var in api.Check
	if err := q.into(&in); err != nil {
		return 0, nil, err
	}
	byID, err := q.byID()
	if err != nil {
		return 0, nil, err
	}
	if byID && !q.key.allows(ScopeSessions) { // an ID is public: it is no proof of a session
		return 0, nil, notAllowed(ScopeSessions)
	}
	f, err := q.seats.CheckWith(ctx, oneseat.CheckRequest{
		Token: in.Token, Account: in.Account, Session: oneseat.SessionID(in.Session),
		Background: in.Use != nil && !*in.Use, Fresh: in.Fresh,
	})
	if err != nil {
		return 0, nil, err
	}
	if in.Device != (api.Device{}) && (f.Touched || in.Use != nil && !*in.Use) {
		from := oneseathttp.Recognise(http.Header{"User-Agent": {in.Device.UserAgent}}, in.Device.IP)
		if err := q.seats.SeenFrom(ctx, f.Session, named(from, in.Device)); err != nil {
			return 0, nil, err
		}
	}
	a := api.Checked{Session: q.session(f.Session), Rotated: f.Rotated}
	idle, absolute := q.seats.TimeLeft(f.Session)
	if left := sooner(idle, absolute); left != oneseat.NoTimeout {
		a.Left = new(left.Milliseconds())
	}
	return http.StatusOK, a, nil
}

// sooner returns the shorter of two times that are left.
func sooner(a, b time.Duration) time.Duration {
	if a == oneseat.NoTimeout || b != oneseat.NoTimeout && b < a {
		return b
	}
	return a
}

func signIn(ctx context.Context, q *request) (int, any, error) {
	var in api.SignIn
	if err := q.into(&in); err != nil {
		return 0, nil, err
	}
	from, err := q.signsIn(in)
	if err != nil {
		return 0, nil, err
	}
	if ctx, err = q.limited(ctx, in.Limits); err != nil {
		return 0, nil, err
	}
	if err := q.server.byAccount.take(oneseat.KeyOf(q.key.Realm, in.Account), time.Now()); err != nil {
		return 0, nil, err
	}
	var g oneseat.Grant
	if in.Adopt != nil {
		if err := q.past(ctx, in.Adopt.Issued); err != nil {
			return 0, nil, err
		}
		g, err = q.seats.Adopt(ctx, in.Account, in.Adopt.Issued, from)
		if errors.Is(err, oneseat.ErrNoSession) {
			err = &refusal{status: http.StatusNotFound, name: "no-seat", detail: "The user has to sign in."}
		}
	} else {
		g, err = q.seats.SignIn(ctx, in.Account, from)
	}
	return q.granted(http.StatusCreated, g, err)
}

// past returns an error for a time that is in the future by the store's clock. Adopt
// would take it for one that is not known.
func (q *request) past(ctx context.Context, t time.Time) error {
	if t.IsZero() {
		return nil
	}
	now, err := q.seats.Now(ctx)
	if err == nil && t.After(now) {
		err = &refusal{status: http.StatusUnprocessableEntity, name: "bad-time", detail: "By the store's clock, issued is in the future. See that the clocks agree, or leave issued out."}
	}
	return err
}

func redeem(ctx context.Context, q *request) (int, any, error) {
	var in api.Redeem
	if err := q.into(&in); err != nil {
		return 0, nil, err
	}
	from, err := q.signsIn(api.SignIn{Token: in.Token, Previous: in.Previous, Device: in.Device, Seen: in.Seen})
	if err != nil {
		return 0, nil, err
	}
	if ctx, err = q.limited(ctx, in.Limits); err != nil {
		return 0, nil, err
	}
	var ids []oneseat.SessionID
	for _, id := range in.End {
		ids = append(ids, oneseat.SessionID(id))
	}
	g, err := q.seats.Redeem(ctx, oneseat.Ticket(in.Ticket), from, ids...)
	return q.granted(http.StatusCreated, g, err)
}

func rotate(ctx context.Context, q *request) (int, any, error) {
	var in api.Token
	if err := q.into(&in); err != nil {
		return 0, nil, err
	}
	attempt, err := q.repeats()
	if err != nil {
		return 0, nil, err
	}
	g, err := q.seats.RotateOnce(ctx, in.Token, attempt)
	return q.granted(http.StatusOK, g, err)
}

func signOut(ctx context.Context, q *request) (int, any, error) {
	var in api.SignOut
	if err := q.into(&in); err != nil {
		return 0, nil, err
	}
	byID, err := q.byID()
	if err != nil {
		return 0, nil, err
	}
	if byID {
		id := oneseat.SessionID(in.Session)
		_, err = q.seats.End(ctx, in.Account, oneseat.EndOptions{Reason: oneseat.ReasonSignedOut, As: id}, id)
	} else {
		err = q.seats.SignOut(ctx, in.Token)
	}
	switch {
	case over(err):
		return http.StatusOK, api.Ended{}, nil
	case err != nil:
		return 0, nil, err
	}
	return http.StatusOK, api.Ended{Ended: 1}, nil
}

func confirm(ctx context.Context, q *request) (int, any, error) {
	var in api.Confirm
	if err := q.into(&in); err != nil {
		return 0, nil, err
	}
	s := oneseat.Session{ID: oneseat.SessionID(in.Session), Account: in.Account}
	var lifetime oneseat.Lifetime
	var err error
	if in.Lifetime != nil {
		lifetime = lifetimeOf(*in.Lifetime)
	} else if s, err = q.seats.CheckID(ctx, s.Account, s.ID); err == nil {
		lifetime = s.Lifetime
	}
	if err == nil {
		s, err = q.seats.Confirm(ctx, s, lifetime)
	}
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, q.session(s), nil
}

func data(ctx context.Context, q *request) (int, any, error) {
	var in api.Data
	if err := q.into(&in); err != nil {
		return 0, nil, err
	}
	return done(q.seats.SetData(ctx, oneseat.Session{ID: oneseat.SessionID(in.Session), Account: in.Account}, in.Data))
}

// lifetimeOf is a lifetime in the words of the library. A number that no duration can
// hold becomes one that no realm allows.
func lifetimeOf(l api.Lifetime) oneseat.Lifetime {
	span := func(seconds float64) time.Duration {
		return time.Duration(min(max(seconds, -1), math.MaxInt32) * float64(time.Second))
	}
	return oneseat.Lifetime{Idle: span(l.Idle), Absolute: span(l.Absolute), UntilClosed: l.UntilClosed}
}

func sessions(ctx context.Context, q *request) (int, any, error) {
	var in api.Account
	if err := q.into(&in); err != nil {
		return 0, nil, err
	}
	live, err := q.seats.Sessions(ctx, in.Account)
	if err != nil {
		return 0, nil, err
	}
	a := api.Sessions{Sessions: []api.Session{}}
	for _, s := range live {
		a.Sessions = append(a.Sessions, q.session(s))
	}
	return http.StatusOK, a, nil
}

func end(ctx context.Context, q *request) (int, any, error) {
	var in api.End
	if err := q.into(&in); err != nil {
		return 0, nil, err
	}
	selectors := 0
	for _, given := range []bool{in.Sessions != nil, in.Except != "", in.Class != "", in.All} {
		if given {
			selectors++
		}
	}
	reason := oneseat.Reason(cmp.Or(in.Reason, string(oneseat.ReasonRevoked)))
	switch {
	case selectors != 1:
		return 0, nil, &refusal{status: http.StatusUnprocessableEntity, name: "bad-selector", detail: "Exactly one of sessions, except, class and all says what ends."}
	case reason != oneseat.ReasonRevoked && reason != oneseat.ReasonCredentialsChanged && reason != oneseat.ReasonSignedOut:
		return 0, nil, &refusal{status: http.StatusUnprocessableEntity, name: "bad-selector", detail: "The reason is revoked, credentials_changed or signed_out."}
	}
	how := oneseat.EndOptions{Reason: reason, Actor: in.Actor, By: oneseat.SessionID(in.By), As: oneseat.SessionID(in.As)}
	var n int
	var err error
	switch {
	case in.Except != "":
		n, err = q.seats.EndOthers(ctx, in.Account, oneseat.SessionID(in.Except), how)
	case in.Class != "":
		n, err = q.seats.EndWhere(ctx, in.Account, how, func(s oneseat.Session) bool { return string(s.Device.Class) == in.Class })
	case in.All:
		n, err = q.seats.EndAll(ctx, in.Account, how)
	default:
		ids := make([]oneseat.SessionID, len(in.Sessions))
		for i, id := range in.Sessions {
			ids[i] = oneseat.SessionID(id)
		}
		n, err = q.seats.End(ctx, in.Account, how, ids...)
	}
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, api.Ended{Ended: n}, nil
}

// signsIn is what a sign-in says of the browser or program that signs in.
func (q *request) signsIn(in api.SignIn) (oneseat.SignInRequest, error) {
	from, err := q.from(in.Device, in.Token)
	from.Override, from.Lifetime, from.Program, from.Data = in.TakeOver, lifetimeOf(in.Lifetime), in.Program, in.Data
	if in.Seen != (api.SeenDevice{}) {
		from.Seen = oneseat.Device{Label: in.Seen.Label, Class: oneseat.Class(in.Seen.Class), IP: in.Seen.IP}
	}
	from.Previous = oneseat.Previous{Account: in.Previous.Account, Session: oneseat.SessionID(in.Previous.Session)}
	return from, err
}

// from is what a call says of the browser or program that signs in.
func (q *request) from(d api.Device, token string) (oneseat.SignInRequest, error) {
	attempt, err := q.repeats()
	if err != nil {
		return oneseat.SignInRequest{}, err
	}
	seen := oneseathttp.Recognise(http.Header{"User-Agent": {d.UserAgent}}, d.IP)
	return oneseat.SignInRequest{Token: token, DeviceID: d.ID, Device: named(seen, d), Seen: seen, Attempt: attempt}, nil
}

// named returns a device as its caller names it.
func named(d oneseat.Device, by api.Device) oneseat.Device {
	d.Label, d.Class = cmp.Or(by.Label, d.Label), cmp.Or(oneseat.Class(by.Class), d.Class)
	return d
}

var attempts = regexp.MustCompile(`^([0-9]{1,15})-[A-Za-z0-9_-]{22,128}$`)

// repeats returns the attempt that the header Idempotency-Key names; the zero Attempt
// without that header. The attempt is derived by keyed hashes from the caller's key, a
// secret of 256 bits. So nothing is kept, and nobody else can make the same (TOK-01).
func (q *request) repeats() (oneseat.Attempt, error) {
	switch len(q.attempts) {
	case 0:
		return oneseat.Attempt{}, nil
	case 1:
	default:
		return oneseat.Attempt{}, badAttempt("There is more than one header Idempotency-Key.")
	}
	given := q.attempts[0]
	parts := attempts.FindStringSubmatch(given)
	if parts == nil {
		return oneseat.Attempt{}, badAttempt("It has to be milliseconds since 1970, a dash, and 22 to 128 of A-Z, a-z, 0-9, _ and -.")
	}
	ms, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return oneseat.Attempt{}, badAttempt("Its time cannot be read.")
	}
	body := sha256.Sum256(q.body)
	return oneseat.Attempt{
		ID:     derive(q.secret, "id", q.path, given),
		Secret: derive(q.secret, "secret", q.path, given, string(body[:])),
		Tried:  time.UnixMilli(ms),
	}, nil
}

// derive is an HMAC under a key, over parts with their lengths, so that no two lists of
// parts are spelt alike.
func derive(key string, parts ...string) (sum [32]byte) {
	mac := hmac.New(sha256.New, []byte(key))
	for _, p := range parts {
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(p))))
		mac.Write([]byte(p))
	}
	mac.Sum(sum[:0])
	return sum
}

// granted answers what came of a sign-in, a redemption or a rotation.
func (q *request) granted(status int, g oneseat.Grant, err error) (int, any, error) {
	if err != nil {
		return 0, nil, err
	}
	a := api.Granted{Token: string(g.Token), Session: q.session(g.Session), NewDevice: g.NewDevice} // converted: a Token hides itself in JSON
	for _, e := range g.Displaced {
		a.Displaced = append(a.Displaced, api.Displaced{ID: string(e.Session), Device: deviceOf(e.Device), At: millis(e.At)})
	}
	k := http.Cookie{Name: "__Host-" + q.server.config.CookieName, Value: a.Token, Path: "/", HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode}
	if q.server.config.PlainCookie {
		k.Name, k.Secure = q.server.config.CookieName, false
	}
	if c := q.seats.Config(); c.Absolute > 0 && !g.Session.Lifetime.UntilClosed {
		k.MaxAge = int((c.Absolute + c.KeepEndings) / time.Second) // so that its browser can be told how the session ended
	}
	a.SetCookie = k.String()
	return status, a, nil
}

func (q *request) session(s oneseat.Session) api.Session {
	c := q.seats.Config()
	return sessionOf(s, times{c.Idle, c.Absolute})
}

// times are the timeouts of a realm, which are never both zero.
type times struct{ idle, absolute time.Duration }

// sessionOf is a session for a program. c says when it times out; the zero value says
// nothing of that.
func sessionOf(s oneseat.Session, c times) api.Session {
	a := api.Session{ID: string(s.ID), Account: s.Account, Device: deviceOf(s.Device), Created: millis(s.Created), LastSeen: millis(s.LastSeen)}
	if !s.Proved.IsZero() {
		a.Proved = millis(s.Proved)
	}
	a.Lifetime = api.Lifetime{Idle: s.Lifetime.Idle.Seconds(), Absolute: s.Lifetime.Absolute.Seconds(), UntilClosed: s.Lifetime.UntilClosed}
	a.Program, a.Data = s.Program, s.Data
	a.Seen = deviceOf(s.Seen)
	if c == (times{}) {
		return a
	}
	if idle := cmp.Or(s.Lifetime.Idle, c.idle); idle > 0 { // its own is the shorter one
		a.Expires = millis(s.LastSeen.Add(idle))
	}
	absolute := cmp.Or(s.Lifetime.Absolute, c.absolute)
	if at := millis(s.Created.Add(absolute)); absolute > 0 && (a.Expires.IsZero() || at.Before(a.Expires)) {
		a.Expires = at
	}
	return a
}

func deviceOf(d oneseat.Device) api.SeenDevice {
	return api.SeenDevice{Label: d.Label, Class: string(d.Class), IP: d.IP}
}

// millis is a time in UTC, to the millisecond.
func millis(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

func endingOf(e oneseat.Ending) api.Ending {
	n := oneseathttp.NoticeOf(e)
	return api.Ending{
		Session: string(e.Session), Reason: string(e.Reason), At: millis(e.At), By: string(e.By), Actor: strings.TrimSpace(e.Actor),
		Device: deviceOf(e.Device), ByDevice: deviceOf(e.ByDevice), Reference: e.Reference(), Title: n.Title, Detail: n.Detail, NotYou: n.NotYou, SameDevice: e.SameDevice,
	}
}
