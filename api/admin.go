package api

import (
	"bytes"
	"strconv"
	"time"
)

// The calls for those who look after accounts.
const (
	PathAccount  = "/v1/account"
	PathAccounts = "/v1/accounts"
	PathLimit    = "/v1/limit"
	PathBlock    = "/v1/block"
	PathUnblock  = "/v1/unblock"
	PathForget   = "/v1/forget"
	PathExplain  = "/v1/explain"
	PathEndRealm = "/v1/end-realm"
	PathEvents   = "/v1/events"
)

// Max is how many sessions there may be: a number, or [Unlimited], which is spelt
// "unlimited".
type Max int

// Unlimited sets no limit but the ceiling of an account.
const Unlimited Max = -1

// MarshalJSON is the number, or "unlimited".
func (m Max) MarshalJSON() ([]byte, error) {
	if m == Unlimited {
		return []byte(`"unlimited"`), nil
	}
	return strconv.AppendInt(nil, int64(m), 10), nil
}

// UnmarshalJSON reads a number or "unlimited". A number below 0 is read as 0, which no
// limit can be.
func (m *Max) UnmarshalJSON(b []byte) error {
	if bytes.Equal(b, []byte(`"unlimited"`)) {
		*m = Unlimited
		return nil
	}
	n, err := strconv.Atoi(string(b))
	*m = Max(max(n, 0))
	return err
}

// Limits are those of one account. A member that is left out sets nothing.
type Limits struct {
	Total         *Max           `json:"total,omitzero"`
	Classes       map[string]Max `json:"classes,omitempty"` // of these, by class of device
	Streams       *Max           `json:"streams,omitzero"`
	StreamClasses map[string]Max `json:"stream_classes,omitempty"` // of these, by class of device
	Programs      *Max           `json:"programs,omitzero"`
}

// Limit is the body of /v1/limit. Limits are required: null removes those of the
// account.
type Limit struct {
	Account string  `json:"account"`
	Limits  *Limits `json:"limits"`
	Actor   string  `json:"actor,omitzero"`
}

// Block is the body of /v1/block.
type Block struct {
	Account string    `json:"account"`
	Until   time.Time `json:"until,omitzero"` // absent: until it is lifted
	Actor   string    `json:"actor,omitzero"`
}

// Unblock is the body of /v1/unblock.
type Unblock struct {
	Account string `json:"account"`
	Actor   string `json:"actor,omitzero"`
}

// Forget is the body of /v1/forget.
type Forget struct {
	Account string `json:"account"`
}

// EndRealm is the body of /v1/end-realm. Realm has to be the realm of the key: naming it
// guards against a mistake.
type EndRealm struct {
	Realm string `json:"realm"`
	Actor string `json:"actor,omitzero"`
}

// AccountQuery is the body of /v1/accounts.
type AccountQuery struct {
	Prefix string `json:"prefix,omitzero"`
	After  string `json:"after,omitzero"` // Next of the last page
	Limit  int    `json:"limit,omitzero"` // default 100; at most 1000
}

// EventQuery is the body of /v1/events.
type EventQuery struct {
	Account string `json:"account,omitzero"`
	Session string `json:"session,omitzero"`
	Before  string `json:"before,omitzero"` // Next of the last page
	Limit   int    `json:"limit,omitzero"`  // default 100; at most 1000
}

// Done answers a call that has nothing to say.
type Done struct{}

// AccountState is all that is known about an account.
type AccountState struct {
	Account  string    `json:"account"`
	Sessions []Session `json:"sessions"`
	Streams  []Stream  `json:"streams,omitempty"`
	Endings  []Ending  `json:"endings"`
	Limits   *Limits   `json:"limits,omitzero"` // the account's own
	InForce  []InForce `json:"limits_in_force,omitempty"`
	Block    *Blocked  `json:"block,omitzero"`
	Takeover time.Time `json:"takeover,omitzero"` // when devices were last noticed that displace each other in turn
}

// Stream is a stream that is played.
type Stream struct {
	ID      string     `json:"id"`
	Session string     `json:"session"`
	Device  SeenDevice `json:"device"`
	Started time.Time  `json:"started"`
	Title   string     `json:"title,omitzero"` // what plays, as the player said
}

// InForce is a limit in force, and where it was set.
type InForce struct {
	Of   string `json:"of"` // as the name of an oneseat.Bound: "total", "mobile", "streams_tv"
	Max  Max    `json:"max"`
	From string `json:"from"`
}

// Blocked says since when and until when an account is kept out.
type Blocked struct {
	Since time.Time `json:"since"`
	Until time.Time `json:"until,omitzero"`
	Actor string    `json:"actor,omitzero"`
}

// Accounts is a page of accounts.
type Accounts struct {
	Accounts []AccountState `json:"accounts"`
	Next     string         `json:"next,omitzero"` // absent: there are no more
}

// Explained answers /v1/explain: what a sign-in would come to, and why.
type Explained struct {
	Outcome   string   `json:"outcome"`
	Renews    string   `json:"renews,omitzero"`
	Displaces []string `json:"displaces,omitempty"`
	Full      string   `json:"full,omitzero"`
	Limit     int      `json:"limit,omitzero"`
	From      string   `json:"from,omitzero"`
	Observed  bool     `json:"observed,omitzero"`
}

// Event is something that happened to an account, or to the realm.
type Event struct {
	Type       string     `json:"type"`
	Account    string     `json:"account,omitzero"`
	Session    string     `json:"session,omitzero"`
	Parent     string     `json:"parent,omitzero"`
	At         time.Time  `json:"at"`
	Reason     string     `json:"reason,omitzero"`
	By         string     `json:"by,omitzero"`
	Actor      string     `json:"actor,omitzero"`
	Device     SeenDevice `json:"device,omitzero"`
	ByDevice   SeenDevice `json:"by_device,omitzero"`
	SameDevice bool       `json:"same_device,omitzero"`
	Bound      *InForce   `json:"bound,omitzero"`
	Limits     *Limits    `json:"limits,omitzero"`
	Until      time.Time  `json:"until,omitzero"`
}

// Events is a page of events, the newest first.
type Events struct {
	Events []Event `json:"events"`
	Next   string  `json:"next,omitzero"` // absent: there are no more
}
