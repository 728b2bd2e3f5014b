package oneseat

import (
	"crypto/rand"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
)

// SessionID names a session in public: lists, logs, events. It is no secret and
// proves nothing.
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
	Created  time.Time `json:"created"`   // when it signed in, by the store's clock
	LastSeen time.Time `json:"last_seen"` // when it was last used, to within a touch interval
}

// Stream is what one player of a session plays: see [Registry.StartStream].
type Stream struct {
	ID            SessionID `json:"id"`
	Session       SessionID `json:"session"` // that plays it
	Account       string    `json:"account"`
	Device        Device    `json:"device,omitzero"` // the session's
	Started       time.Time `json:"started"`         // by the store's clock
	LastHeartbeat time.Time `json:"last_heartbeat"`  // to within a tenth of [Config.StreamIdle]
}

// SignInRequest is the browser, or program, that signs in.
type SignInRequest struct {
	// Token is what it presented, or "". The live token of the same account is
	// renewed: its session is replaced silently. That of another account ends
	// that account's session here.
	Token string

	// DeviceID is the random id of the device, or "": 16 to 64 bytes, made once for
	// each installation and kept like a token. With a verified password it frees the
	// seat of that very device, under every policy. So an id that two devices share
	// (a constant in an app, an image of a machine) makes them displace each other.
	// Only a digest over account and id is stored.
	DeviceID string

	// Device is what is known of the device.
	Device Device

	// Override lets the newcomer in under [PolicyRefuse] too: the application has proof,
	// fresher than a password that may be shared, that this is the owner.
	Override bool
}

// Grant is a session and the token that proves it. The token cannot be had a
// second time.
type Grant struct {
	Session Session
	Token   Token
}

// Player is what plays a stream: one of a session's, of which there may be
// several.
type Player struct {
	// ID is random and the player's own. It keeps it over reconnects, seeks and
	// changes of quality, which take no second stream. Only its hash is stored.
	ID string

	// Instead names streams to end, to make room for this one.
	Instead []SessionID
}

// Device is the little that is kept about a device: enough for its owner to
// know it again, too little to follow anybody.
type Device struct {
	Label string `json:"label,omitzero"` // "Firefox on Windows", at most 40 bytes of inert text
	Class Class  `json:"class,omitzero"` // what kind of device it is
	IP    string `json:"ip,omitzero"`    // network only: the last 8 bits of IPv4 and the last 80 of IPv6 are zero
}

// Class is a kind of device.
type Class string

// The classes. A device that is of none of the others is ClassOther.
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
)

// The length of a device's id, in bytes.
const (
	minDeviceID = 16
	maxDeviceID = 64
)

// check returns a *[ConfigError] if the request cannot be one.
func (q SignInRequest) check() error {
	if n := len(q.DeviceID); n > 0 && (n < minDeviceID || n > maxDeviceID) {
		return &ConfigError{"SignInRequest", "DeviceID", fmt.Sprintf("%d bytes are not %d to %d: make a random id once for each device, or leave it out", n, minDeviceID, maxDeviceID)}
	}
	return nil
}

// clean returns d as it may be stored: inert text, a known class, no full
// address. It is called at the one door, so nothing finer is ever kept.
func (d Device) clean() Device {
	d.Label = sanitize(d.Label, maxLabel)
	if !slices.Contains(Classes(), d.Class) {
		d.Class = ClassOther
	}
	d.IP = network(d.IP)
	return d
}

// sanitize drops what could act rather than be read (controls, bidirectional and
// other format marks, invalid UTF-8, and what HTML and JSON have to escape, so
// that its stored form is no longer than itself) and cuts at limit bytes on a
// character's edge.
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

// network reduces an address to its network, and anything else to "".
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
	ReasonDisplaced          Reason = "displaced"           // a newer session took its seat
	ReasonRenewed            Reason = "renewed"             // the same browser signed in again: nobody is told off
	ReasonRevoked            Reason = "revoked"             // its owner, or an administrator, ended it from elsewhere
	ReasonIdleTimeout        Reason = "idle_timeout"        // nothing was done with it for too long
	ReasonAbsoluteTimeout    Reason = "absolute_timeout"    // it had lasted as long as one may
	ReasonCredentialsChanged Reason = "credentials_changed" // the password, or another proof, was changed
	ReasonAccountBlocked     Reason = "account_blocked"     // the account was blocked
	ReasonRealmEnded         Reason = "realm_ended"         // every session of the realm was ended at once
)

// EndOptions say why sessions are ended from outside, for the record and for their
// owner.
type EndOptions struct {
	Reason Reason    // ReasonRevoked (the default), ReasonCredentialsChanged or ReasonSignedOut
	By     SessionID // the session from which it was done, if one: for the record
	As     SessionID // the session on whose authority it is done; "": on the application's own
	Actor  string    // who did it, for example a member of staff; at most 48 bytes are kept
}

// Ending is how a session ended. It is kept for [Config.KeepEndings] so that
// the old browser can be told.
type Ending struct {
	Session  SessionID `json:"session"`
	Parent   SessionID `json:"parent,omitzero"` // of a stream: the session that played it
	Reason   Reason    `json:"reason"`
	At       time.Time `json:"at"`                 // by the store's clock, when it was recorded
	By       SessionID `json:"by,omitzero"`        // the session that took its place or ended it, if one did
	Actor    string    `json:"actor,omitzero"`     // who ended it, as the application put it
	Device   Device    `json:"device,omitzero"`    // the device that was signed out
	ByDevice Device    `json:"by_device,omitzero"` // the device that took its place, if one did

	// SameDevice says that ByDevice gave the id of Device: the same browser signed in
	// again without its token, or a copy of it did.
	SameDevice bool `json:"same_device,omitzero"`
}

// Reference returns a short code for the user to quote and for support to search:
// the first eight characters of the session's id.
func (e Ending) Reference() string { return e.Session.Reference() }
