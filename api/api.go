// Package api has the words of oneseat's HTTP API: the bodies of its calls and answers,
// as the server and its clients write them. It owns names and nothing else: it decides
// nothing, and knows no HTTP.
package api

import "time"

// The calls. Each is a POST of JSON to a fixed path. What names an account or a token
// stands in the body, never in a path: paths are rewritten on the way, and logged.
const (
	PathAbout    = "/v1/about"
	PathCheck    = "/v1/check"
	PathSignIn   = "/v1/signin"
	PathRedeem   = "/v1/redeem"
	PathRotate   = "/v1/rotate"
	PathSignOut  = "/v1/signout"
	PathSessions = "/v1/sessions"
	PathEnd      = "/v1/end"
	PathConfirm  = "/v1/confirm"
	PathData     = "/v1/data"
)

// IdempotencyKey is the header by which a sign-in, a redemption or a rotation may be
// repeated: the time of the first try in milliseconds since 1970, a dash, and 22 or
// more of [A-Za-z0-9_-]. A repetition has the same bytes, and the same key of the API.
const IdempotencyKey = "Idempotency-Key"

// ProblemPrefix begins the type of a [Problem]; its name follows.
const ProblemPrefix = "urn:oneseat:problem:"

// Check is the body of /v1/check: a token, or an account and the ID of a session.
type Check struct {
	Token   string `json:"token,omitzero"`
	Account string `json:"account,omitzero"`
	Session string `json:"session,omitzero"`
	Use     *bool  `json:"use,omitzero"`    // whether the check is activity; default true
	Fresh   bool   `json:"fresh,omitzero"`  // read the store, whatever is in memory
	Device  Device `json:"device,omitzero"` // from where the session is used. It counts when a use is written, and when Use is false; another place than before is the event session_moved
}

// SignIn is the body of /v1/signin.
type SignIn struct {
	Account  string     `json:"account"`
	Token    string     `json:"token,omitzero"`    // what the browser presented
	Previous Previous   `json:"previous,omitzero"` // or the session that it had, by the caller's word
	Device   Device     `json:"device,omitzero"`
	TakeOver bool       `json:"take_over,omitzero"` // the caller has fresh proof that this is the owner
	Adopt    *Adopt     `json:"adopt,omitzero"`     // a session of the caller's own that is older than oneseat
	Limits   *Limits    `json:"limits,omitzero"`    // of the account's plan, at this sign-in only
	Lifetime Lifetime   `json:"lifetime,omitzero"`  // of the session, where it is shorter than the realm's
	Seen     SeenDevice `json:"seen,omitzero"`      // what a check will say of the device, if device says it in other words
	Program  bool       `json:"program,omitzero"`   // the session is that of a program, such as an API key of the account
	Data     string     `json:"data,omitzero"`      // the caller's own, of at most 256 bytes
}

// Lifetime is how long a session lasts, in seconds. What is left out is as for every
// session of the realm.
type Lifetime struct {
	Idle        float64 `json:"idle,omitzero"`
	Absolute    float64 `json:"absolute,omitzero"`
	UntilClosed bool    `json:"until_closed,omitzero"` // the browser forgets the token when it is closed
}

// Confirm is the body of /v1/confirm: the user of a session has just proved again who
// they are.
type Confirm struct {
	Account  string    `json:"account"`
	Session  string    `json:"session"`
	Lifetime *Lifetime `json:"lifetime,omitzero"` // from now on; absent: as it was
}

// Previous names a session that a browser had.
type Previous struct {
	Account string `json:"account"`
	Session string `json:"session"`
}

// Device describes what signs in. UserAgent and IP are what the caller was sent. What is
// kept of them is a label, a class and a network.
type Device struct {
	UserAgent string `json:"user_agent,omitzero"`
	IP        string `json:"ip,omitzero"`
	ID        string `json:"id,omitzero"`    // random, of 16 to 64 bytes, kept by the device
	Class     string `json:"class,omitzero"` // instead of what is recognised
	Label     string `json:"label,omitzero"` // likewise
}

// Adopt says when a session of the caller's own was issued, if that is known.
type Adopt struct {
	Issued time.Time `json:"issued,omitzero"`
}

// Redeem is the body of /v1/redeem.
type Redeem struct {
	Ticket   string     `json:"ticket"`
	End      []string   `json:"end"`
	Token    string     `json:"token,omitzero"`    // what the browser presented, as in SignIn
	Previous Previous   `json:"previous,omitzero"` // likewise
	Device   Device     `json:"device,omitzero"`
	Limits   *Limits    `json:"limits,omitzero"` // as the sign-in that gave the ticket had them
	Seen     SeenDevice `json:"seen,omitzero"`   // as in SignIn
}

// Token is the body of /v1/rotate.
type Token struct {
	Token string `json:"token"`
}

// Data is the body of /v1/data: the caller's own data on a session, instead of what is
// there.
type Data struct {
	Account string `json:"account"`
	Session string `json:"session"`
	Data    string `json:"data"`
}

// SignOut is the body of /v1/signout: a token, or an account and the ID of a session.
type SignOut struct {
	Token   string `json:"token,omitzero"`
	Account string `json:"account,omitzero"`
	Session string `json:"session,omitzero"`
}

// Account is the body of /v1/sessions.
type Account struct {
	Account string `json:"account"`
}

// End is the body of /v1/end. Exactly one of Sessions, Except, Class and All says which
// sessions end.
type End struct {
	Account  string   `json:"account"`
	Sessions []string `json:"sessions,omitzero"`
	Except   string   `json:"except,omitzero"`
	Class    string   `json:"class,omitzero"`
	All      bool     `json:"all,omitzero"`
	Reason   string   `json:"reason,omitzero"` // revoked (the default), credentials_changed or signed_out
	Actor    string   `json:"actor,omitzero"`
	By       string   `json:"by,omitzero"`
	As       string   `json:"as,omitzero"` // the session on whose authority they end: if it is not live, nothing ends
}

// Granted answers a sign-in, a redemption and, without the last two, a rotation.
type Granted struct {
	Token     string      `json:"token"`
	Session   Session     `json:"session"`
	Displaced []Displaced `json:"displaced,omitzero"`
	NewDevice bool        `json:"new_device,omitzero"` // of a sign-in: nothing that is kept of the account has this device
	SetCookie string      `json:"set_cookie,omitzero"` // for a site on https that gives out the cookie by itself
}

// Session is a live session.
type Session struct {
	ID       string     `json:"id"`
	Account  string     `json:"account"`
	Device   SeenDevice `json:"device"`
	Created  time.Time  `json:"created"`
	LastSeen time.Time  `json:"last_seen"`
	Proved   time.Time  `json:"proved,omitzero"`   // when its user last proved who they are; absent: not known
	Lifetime Lifetime   `json:"lifetime,omitzero"` // where it is shorter than the realm's
	Program  bool       `json:"program,omitzero"`  // a program has the token, and no person
	Seen     SeenDevice `json:"seen,omitzero"`     // from where it was used of late, if not from device
	Data     string     `json:"data,omitzero"`     // the caller's own
	Expires  time.Time  `json:"expires,omitzero"`  // moves with use; absent: it does not time out
}

// Checked answers /v1/check.
type Checked struct {
	Session
	Left    *int64 `json:"left_ms,omitzero"` // how long the session lasts at least if it is not used any more; absent: it does not time out
	Rotated bool   `json:"rotated,omitzero"` // the token was replaced a moment ago: it checks and signs out, and is good for nothing else
}

// SeenDevice is what is kept of a device.
type SeenDevice struct {
	Label string `json:"label,omitzero"`
	Class string `json:"class,omitzero"`
	IP    string `json:"ip,omitzero"` // its network
}

// Displaced is a session that gave way.
type Displaced struct {
	ID     string     `json:"id"`
	Device SeenDevice `json:"device"`
	At     time.Time  `json:"at"`
}

// Sessions answers /v1/sessions, the newest first.
type Sessions struct {
	Sessions []Session `json:"sessions"`
}

// Ended answers /v1/end and /v1/signout: how many sessions were live.
type Ended struct {
	Ended int `json:"ended"`
}

// Ending is how a session ended, with words for its owner.
type Ending struct {
	Session   string     `json:"session"`
	Reason    string     `json:"reason"`
	At        time.Time  `json:"at"`
	By        string     `json:"by,omitzero"`
	Actor     string     `json:"actor,omitzero"`
	Device    SeenDevice `json:"device"`
	ByDevice  SeenDevice `json:"by_device,omitzero"`
	Reference string     `json:"reference"`
	Title     string     `json:"title"`
	Detail    string     `json:"detail"`
	NotYou    bool       `json:"not_you"`

	SameDevice bool `json:"same_device,omitzero"` // the same browser, or a copy of it, signed in again
}

// About answers /v1/about. Durations are in seconds; absent: there is none.
type About struct {
	Version     string    `json:"version"`
	Realm       string    `json:"realm"`
	Scopes      []string  `json:"scopes"`
	Limit       Max       `json:"limit"`
	WhenFull    string    `json:"when_full"`
	Idle        float64   `json:"idle,omitzero"`
	Absolute    float64   `json:"absolute,omitzero"`
	MaxStale    float64   `json:"max_stale"`
	KeepEndings float64   `json:"keep_endings"`
	AdoptUntil  time.Time `json:"adopt_until,omitzero"`
	TouchEvery  float64   `json:"touch_every"` // how exactly it is known when a session was last used
	Now         time.Time `json:"now"`         // by the store's clock, which decides

	// A switch of the realm that should be off: checks say yes from memory, of any age,
	// while the store does not answer.
	DangerouslyAllowWhenStoreIsDown bool `json:"dangerously_allow_when_store_is_down,omitzero"`
}

// Problem is the body of every refusal (RFC 9457).
type Problem struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail"`
	Instance string `json:"instance"` // the id of the request, for the log

	Ending *Ending   `json:"ending,omitzero"` // of session-ended
	Limit  int       `json:"limit,omitzero"`  // of account-full
	Full   string    `json:"full,omitzero"`   // what the limit is of: "total", or a class of device
	Live   []Session `json:"live,omitzero"`   // the sessions that hold the seats
	Ticket string    `json:"ticket,omitzero"` // to choose which session ends, by /v1/redeem
	Until  time.Time `json:"until,omitzero"`  // of account-blocked
}
