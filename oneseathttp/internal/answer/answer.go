// Package answer is what the guard and the streams send to programs: JSON, and
// the body of a refusal (RFC 9457). It owns the keys of both and how they are
// written. It decides nothing, and holds no sentence for people.
package answer

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/oneseat/oneseat"
)

// Problem is the body of a refusal. Without Type and Status it is the data of the
// events "ended" and "closing".
type Problem struct {
	Type   string `json:"type,omitzero"`   // set by Refuse
	Status int    `json:"status,omitzero"` // set by Refuse

	Session   oneseat.SessionID `json:"session,omitzero"`
	Reason    string            `json:"reason"`             // for programs: a oneseat.Reason, or one of ours
	At        time.Time         `json:"at,omitzero"`        // when the session, or the stream, ended
	Device    string            `json:"device,omitzero"`    // the device that ended it
	Class     oneseat.Class     `json:"class,omitzero"`     // of that device
	Reference string            `json:"reference,omitzero"` // for support
	Title     string            `json:"title"`              // for people: what happened
	Detail    string            `json:"detail"`             // what it means, and what to do
	Here      bool              `json:"here,omitzero"`      // this browser, or a copy of it, has ended it to get another one
	NotYou    bool              `json:"not_you,omitzero"`   // offer a change of password
	SignIn    string            `json:"sign_in,omitzero"`   // where to sign in

	// Of a sign-in, or a stream, that found the account full.
	Limit    int       `json:"limit,omitzero"`
	Bound    string    `json:"full,omitzero"`     // what the limit is of: "total", or a class of device
	Sessions []Session `json:"sessions,omitzero"` // those that hold the seats
	Streams  []Stream  `json:"streams,omitzero"`  // those that play
	Ticket   string    `json:"ticket,omitzero"`   // to choose which session ends; a browser has it in a cookie
	Redeem   string    `json:"redeem,omitzero"`   // where to post it, as "ticket", with "end", a session's id
}

// Session is a session as the owner of its account sees it.
type Session struct {
	ID       oneseat.SessionID `json:"id"`
	Current  bool              `json:"current"` // the one that asks
	Device   oneseat.Device    `json:"device"`
	Created  time.Time         `json:"created"`
	LastSeen time.Time         `json:"last_seen"`
	Program  bool              `json:"program,omitzero"` // a program has the token
	Seen     oneseat.Device    `json:"seen,omitzero"`    // from where it was used of late, if not from Device
}

// Stream is a stream as the owner of its account sees it.
type Stream struct {
	ID      oneseat.SessionID `json:"id"`
	Device  oneseat.Device    `json:"device"`
	Title   string            `json:"title,omitzero"` // what plays
	Created time.Time         `json:"created"`
	Here    bool              `json:"here"` // the session that asks plays it
}

// Sessions are an account's sessions for their owner. current is the one that
// asks, or "".
func Sessions(live []oneseat.Session, current oneseat.SessionID) []Session {
	all := make([]Session, len(live))
	for i, s := range live {
		all[i] = Session{s.ID, s.ID == current, s.Device, s.Created, s.LastSeen, s.Program, s.Seen}
	}
	return all
}

// Streams are an account's streams for their owner. mine is the session that
// asks.
func Streams(playing []oneseat.Stream, mine oneseat.SessionID) []Stream {
	all := make([]Stream, len(playing))
	for i, s := range playing {
		all[i] = Stream{s.ID, s.Device, s.Title, s.Started, s.Session == mine}
	}
	return all
}

// Refuse answers with a problem.
func Refuse(w http.ResponseWriter, status int, p Problem) {
	p.Type, p.Status = "about:blank", status
	write(w, "application/problem+json", status, p)
}

// Elsewhere refuses a request that another server would answer, because this one is
// shut down. The client makes a new connection for the next try.
func Elsewhere(w http.ResponseWriter, r *http.Request, p Problem) {
	w.Header().Set("Retry-After", "1")
	if r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
	}
	Refuse(w, http.StatusServiceUnavailable, p)
}

// JSON answers with 200 and a value.
func JSON(w http.ResponseWriter, v any) { write(w, "application/json", http.StatusOK, v) }

// write sends a value. No cache may keep the answer, no browser guesses another type, and
// no page of another origin can embed it. To fetch it is not to embed it: CORS decides
// which pages may.
func write(w http.ResponseWriter, contentType string, status int, v any) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", contentType)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // an error is the client's connection
}
