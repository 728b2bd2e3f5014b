package oneseat

import (
	"crypto/rand"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// SessionID names a session in public: in lists, logs and events. It is no secret
// and proves nothing.
type SessionID string

func newSessionID() SessionID { return SessionID(rand.Text()) }

// Reference returns a short code for a user to quote and for support to search:
// the first eight characters of the id.
func (id SessionID) Reference() string {
	if len(id) < 8 {
		return string(id)
	}
	return string(id[:4] + "-" + id[4:8])
}

// Session is one sign-in of one account on one device.
type Session struct {
	ID       SessionID `json:"id"`
	Account  string    `json:"account"`
	Device   Device    `json:"device,omitzero"`
	Created  time.Time `json:"created"`           // when the account signed in, by the store's clock
	LastSeen time.Time `json:"last_seen"`         // when it was last used, exact to [Config.TouchEvery]
	Proved   time.Time `json:"proved,omitzero"`   // when its user last proved who they are, see [Registry.Confirm]; zero: not known, as of an adopted session or a program's
	Lifetime Lifetime  `json:"lifetime,omitzero"` // where it is shorter than the Config's

	// Program says that a program has the token, and no person: an API key, see
	// [SignInRequest.Program].
	Program bool `json:"program,omitzero"`

	// Seen is the network and browser from which the session was last used, if these are
	// not those of Device: see [Registry.SeenFrom].
	Seen Device `json:"seen,omitzero"`

	// Data is the application's own, such as a tenant, the "sid" of an SSO, or who acts
	// as whom: see [Registry.SetData]. It is in no event and in no log. A page that shows
	// Data has to escape it, because any text may stand there.
	Data string `json:"data,omitzero"`
}

// from returns the network and browser from which the session was last used.
func (s *Session) from() Device {
	if s.Seen != (Device{}) {
		return s.Seen
	}
	return s.Device
}

// elsewhere reports whether from is another network, or another browser, than the one
// from which the session was last used. A network or browser that is not known counts
// as the same.
func (s *Session) elsewhere(from Device) bool {
	other := func(was, is string) bool { return was != "" && is != "" && was != is }
	was := s.from()
	return other(was.IP, from.IP) || other(was.Label, from.Label)
}

// MaxData is how many bytes of data a session may have, and MaxAccountData how many all
// sessions of an account may have together.
const (
	MaxData        = 256
	MaxAccountData = 16 << 10
)

// Lifetime is how long a session lasts, where that is shorter than [Config] says: for a
// session that is not to be remembered, or a class of devices that is trusted less. A
// zero field leaves that time to the Config.
type Lifetime struct {
	// Idle and Absolute are as those of Config: at least a second, and no longer than
	// the Config's.
	Idle     time.Duration `json:"idle,omitzero"`
	Absolute time.Duration `json:"absolute,omitzero"`

	// UntilClosed asks the client to forget the token when the client is closed;
	// oneseathttp asks browsers that way. The session itself does not end then, but by
	// its timeouts.
	UntilClosed bool `json:"until_closed,omitzero"`
}

// Stream is what one player of a session plays: see [Registry.StartStream].
type Stream struct {
	ID            SessionID `json:"id"`
	Session       SessionID `json:"session"` // the session that plays it
	Account       string    `json:"account"`
	Device        Device    `json:"device,omitzero"` // the session's
	Started       time.Time `json:"started"`         // by the store's clock
	LastHeartbeat time.Time `json:"last_heartbeat"`  // exact to a tenth of [Config.StreamIdle]
	Title         string    `json:"title,omitzero"`  // what plays, as the player said
}

// SignInRequest describes the browser, or program, that signs in.
type SignInRequest struct {
	// Token is the token that the browser presented, or "". A live session of the
	// same account is renewed: the new session replaces it silently. A session of
	// another account ends. A program's session does neither: it goes on.
	Token string

	// Previous is the session that this browser had, as the application knows from a
	// proof of its own, or the zero value. It is renewed, or ends, as that of Token
	// would be. SignIn believes its caller, as [Registry.CheckID] does.
	Previous Previous

	// DeviceID is the random id of the device, or "": 16 to 64 bytes, made once for
	// each installation and kept like a token. After a verified password, a sign-in
	// frees the seat of that very device, under every policy. So devices that share
	// an id (a constant in an app, an image of a machine) displace each other. Only
	// a digest over account and id is stored.
	DeviceID string

	// Device describes the device to the account's owner.
	Device Device

	// Program asks for the session of a program, which keeps its token as an API key or a
	// personal access token of the account: see [Programs]. It comes without Token and
	// Previous, because it is no browser's. Its user proves nothing by using it, so
	// [Session.Proved] is zero.
	Program bool

	// Seen is the device as later calls of [Registry.SeenFrom] describe it, if Device
	// describes it in other words. Default: Device.
	Seen Device

	// Override admits the newcomer under every policy, as [PolicyDisplace] does. It
	// says that the application has proof that this is the owner: proof that is
	// fresher than a password, which may be shared.
	Override bool

	// Lifetime is shorter than the Config's for a session that is not to last as long.
	// Redeem takes the lifetime of the sign-in that got the ticket instead.
	Lifetime Lifetime

	// Data is the application's own, kept on the session: valid UTF-8 of at most
	// [MaxData] bytes. Redeem takes the data of the sign-in that got the ticket instead.
	Data string

	// Attempt makes the sign-in one that may be repeated when its answer was lost.
	// Default: each call is a sign-in of its own.
	Attempt Attempt
}

// Previous names a session by its account and its ID.
type Previous struct {
	Account string
	Session SessionID
}

// Grant is a session and the token that proves it. The token is returned only here.
type Grant struct {
	Session Session
	Token   Token

	// Displaced are the sessions that gave way to this one. For a sign-in that is
	// repeated, these are the ones whose endings are still kept.
	Displaced []Ending

	// NewDevice says that nothing that is kept of the account has this device: neither
	// a live session nor the ending of one has its DeviceID, and the new session renews
	// none. So NewDevice is true for the account's first sign-in too, and for every
	// sign-in without a DeviceID that renews nothing.
	NewDevice bool
}

// Player is what plays a stream. A session may have several.
type Player struct {
	// ID is random and the player's own. The player keeps it over reconnects, seeks
	// and changes of quality, so that these take no second stream. Only a hash of it
	// is stored.
	ID string

	// Instead names streams that end to make room for this one.
	Instead []SessionID

	// Title says what plays, to the account's other devices when there is no room. At
	// most 64 bytes of inert text are kept, as long as the stream. It is in no event.
	Title string
}

// Device is the little that is kept about a device: enough for its owner to
// recognise it, too little to follow a person.
type Device struct {
	Label string `json:"label,omitzero"` // such as "Firefox on Windows"; at most 40 bytes of inert text
	Class Class  `json:"class,omitzero"` // what kind of device it is
	IP    string `json:"ip,omitzero"`    // the network only: the last 8 bits of IPv4 and the last 80 of IPv6 are zero
}

// Class is a kind of device.
type Class string

// The classes. A device of no other class is ClassOther.
const (
	ClassDesktop Class = "desktop"
	ClassMobile  Class = "mobile"
	ClassTablet  Class = "tablet"
	ClassTV      Class = "tv"
	ClassAPI     Class = "api"
	ClassOther   Class = "other"
)

// Classes returns all classes.
func Classes() []Class {
	return []Class{ClassDesktop, ClassMobile, ClassTablet, ClassTV, ClassAPI, ClassOther}
}

// Bounds of text that is kept, in bytes: with them 32 endings stay under 16 KiB.
const (
	maxLabel = 40
	maxActor = 48
	maxTitle = 64
)

// The length of a device's ID, in bytes: see [SignInRequest].
const (
	MinDeviceID = 16
	MaxDeviceID = 64
)

// check returns a *[ConfigError] if the DeviceID, the Data, the Attempt or what a program
// brings is impossible, and an *[AccountError] for the account of Previous.
func (q SignInRequest) check() error {
	if n := len(q.DeviceID); n > 0 && (n < MinDeviceID || n > MaxDeviceID) {
		return &ConfigError{"SignInRequest", "DeviceID", fmt.Sprintf("%d bytes are not %d to %d: make a random id once for each device, or leave it out", n, MinDeviceID, MaxDeviceID)}
	}
	if err := checkData("SignInRequest", q.Data); err != nil {
		return err
	}
	if q.Program && (q.Token != "" || q.Previous != Previous{}) {
		return &ConfigError{"SignInRequest", "Program", "a program has no browser's session to renew: leave Token and Previous out"}
	}
	if q.Previous.Session != "" {
		if err := checkAccount(q.Previous.Account); err != nil {
			return err
		}
	}
	return q.Attempt.check()
}

// checkData returns a *[ConfigError] for data that a session cannot have.
func checkData(of, data string) error {
	switch n := len(data); {
	case n > MaxData:
		return &ConfigError{of, "Data", fmt.Sprintf("%d bytes are more than %d: keep what is larger in a table of yours, by the session's ID", n, MaxData)}
	case !utf8.ValidString(data):
		return &ConfigError{of, "Data", "it is not UTF-8: encode it, as base64 for example"}
	}
	return nil
}

// clean returns d as it may be stored: inert text, a known class, no full address.
// Every newcomer's device comes through here, so nothing finer is ever kept.
func (d Device) clean() Device {
	d.Label = sanitize(d.Label, maxLabel)
	if !slices.Contains(Classes(), d.Class) {
		d.Class = ClassOther
	}
	d.IP = network(d.IP)
	return d
}

// sanitize returns s as inert text of at most limit bytes, cut at the edge of a
// character. It drops control, bidirectional and other format characters, and
// invalid UTF-8. It also drops what HTML and JSON have to escape, so that the stored
// form is no longer than the text.
func sanitize(s string, limit int) string {
	var b strings.Builder
	for _, r := range s {
		if r == unicode.ReplacementChar || !unicode.IsGraphic(r) || strings.ContainsRune(`<>&"\`, r) {
			continue
		}
		if b.Len()+len(string(r)) > limit {
			break
		}
		b.WriteRune(r)
	}
	return strings.TrimSpace(b.String())
}

// network returns the network of an address, and "" for anything else.
func network(ip string) string {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return ""
	}
	a = a.Unmap().WithZone("")
	bits := 48
	if a.Is4() {
		bits = 24
	}
	return netip.PrefixFrom(a, bits).Masked().Addr().String()
}

// Reason says why a session ended.
type Reason string

// The reasons.
const (
	ReasonSignedOut          Reason = "signed_out"          // its owner signed out
	ReasonDisplaced          Reason = "displaced"           // a newer session, or stream, took its seat
	ReasonRenewed            Reason = "renewed"             // the same browser signed in again: no reason to warn anybody
	ReasonRevoked            Reason = "revoked"             // its owner, or an administrator, ended it from elsewhere
	ReasonIdleTimeout        Reason = "idle_timeout"        // it was not used for too long
	ReasonAbsoluteTimeout    Reason = "absolute_timeout"    // it reached the greatest age, see [Config.Absolute]
	ReasonCredentialsChanged Reason = "credentials_changed" // the password, or another proof, was changed
	ReasonLimitLowered       Reason = "limit_lowered"       // the account has more sessions, or streams, than its limit now allows
	ReasonAccountBlocked     Reason = "account_blocked"     // the account was blocked; of a refused sign-in: the account is blocked
	ReasonRealmEnded         Reason = "realm_ended"         // every session of the realm was ended at once
)

// EndOptions say why sessions are ended from outside, for the record and for the
// account's owner.
type EndOptions struct {
	Reason Reason    // ReasonRevoked (the default), ReasonCredentialsChanged or ReasonSignedOut
	By     SessionID // the session from which they are ended, for the record. Default: As
	As     SessionID // the session on whose authority they are ended; "": on the application's own
	Actor  string    // the person who ends them, such as a member of staff; at most 48 bytes are kept
}

// Ending is how a session ended. It is kept for [Config.KeepEndings] so that
// the old browser can be told.
type Ending struct {
	Session  SessionID `json:"session"`
	Parent   SessionID `json:"parent,omitzero"` // of a stream: the session that played it
	Reason   Reason    `json:"reason"`
	At       time.Time `json:"at"`                 // by the store's clock, when it was recorded
	By       SessionID `json:"by,omitzero"`        // the session that took its place or ended it, if any
	Actor    string    `json:"actor,omitzero"`     // the person who ended it, in the application's words
	Device   Device    `json:"device,omitzero"`    // the device that was signed out
	ByDevice Device    `json:"by_device,omitzero"` // the device that took its place, if any

	// SameDevice says that ByDevice gave the same id as Device: the same browser, or a
	// copy of that browser, signed in again without its token.
	SameDevice bool `json:"same_device,omitzero"`
}

// Reference returns what [SessionID.Reference] returns for the session.
func (e Ending) Reference() string { return e.Session.Reference() }
