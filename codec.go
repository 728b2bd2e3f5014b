package oneseat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// The stored form of a roster is JSON, so that a person with a database shell
// can read it. Times are microseconds since 1970. A release reads its own
// format and the next one and keeps the fields that it does not know, so that
// nodes can be upgraded one by one; it writes the format that it found.
const rosterFormat = 1

type rosterJSON struct {
	Format    int          `json:"format"`
	Realm     string       `json:"realm"`
	Account   string       `json:"account"`
	Seats     []seatJSON   `json:"seats,omitempty"`
	Endings   []endingJSON `json:"endings,omitempty"`
	Forgotten micros       `json:"forgotten,omitzero"`
	Epoch     uint64       `json:"epoch,omitzero"`
	Due       micros       `json:"due,omitzero"`

	extra map[string]json.RawMessage
}

type seatJSON struct {
	ID       SessionID `json:"id"`
	Created  micros    `json:"created"`
	LastSeen micros    `json:"last_seen"`
	Device   Device    `json:"device,omitzero"`
	Secret   Digest    `json:"secret"`
	Previous Digest    `json:"previous,omitzero"`
	Rotated  micros    `json:"rotated,omitzero"`
	DeviceID Digest    `json:"device_id,omitzero"`
	Epoch    uint64    `json:"epoch,omitzero"`
	Replayed micros    `json:"replayed,omitzero"`

	extra map[string]json.RawMessage
}

type endingJSON struct {
	Session  SessionID `json:"session"`
	Reason   Reason    `json:"reason"`
	At       micros    `json:"at"`
	By       SessionID `json:"by,omitzero"`
	Actor    string    `json:"actor,omitzero"`
	Device   Device    `json:"device,omitzero"`
	ByDevice Device    `json:"by_device,omitzero"`
	Secret   Digest    `json:"secret"`
	Used     micros    `json:"used,omitzero"`

	extra map[string]json.RawMessage
}

// micros is a time as microseconds since 1970; 0 is the zero time.
type micros int64

func toMicros(t time.Time) micros {
	if t.IsZero() {
		return 0
	}
	return micros(t.UnixMicro())
}

func (m micros) time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(m)).UTC()
}

// MarshalJSON gives the form in which stores keep a roster.
func (ro *Roster) MarshalJSON() ([]byte, error) {
	j := rosterJSON{
		Format: max(ro.format, rosterFormat), Realm: ro.Realm, Account: ro.Account,
		Forgotten: toMicros(ro.Forgotten), Epoch: ro.Epoch, Due: toMicros(ro.Due), extra: ro.extra,
		Seats: make([]seatJSON, len(ro.Seats)), Endings: make([]endingJSON, len(ro.Endings)),
	}
	for i, s := range ro.Seats {
		j.Seats[i] = seatJSON{
			ID: s.ID, Created: toMicros(s.Created), LastSeen: toMicros(s.LastSeen), Device: s.Device,
			Secret: s.Secret, Previous: s.Previous, Rotated: toMicros(s.Rotated), DeviceID: s.DeviceID,
			Epoch: s.Epoch, Replayed: toMicros(s.Replayed), extra: s.extra,
		}
	}
	for i, e := range ro.Endings {
		j.Endings[i] = endingJSON{
			Session: e.Session, Reason: e.Reason, At: toMicros(e.At), By: e.By, Actor: e.Actor,
			Device: e.Device, ByDevice: e.ByDevice, Secret: e.Secret, Used: toMicros(e.Used), extra: e.extra,
		}
	}
	return j.marshal()
}

// UnmarshalJSON reads what MarshalJSON wrote. A roster of a format that this
// release cannot read, or one that is damaged, is a *[FormatError].
func (ro *Roster) UnmarshalJSON(b []byte) error {
	var j rosterJSON
	if err := j.unmarshal(b); err != nil {
		return &FormatError{fmt.Sprintf("it cannot be read (%v): restore it from a backup, or delete it, which signs the account out", err)}
	}
	if j.Format < 1 || j.Format > rosterFormat+1 {
		return &FormatError{fmt.Sprintf("format %d was written by another release (this one reads %d and %d): upgrade this node", j.Format, rosterFormat, rosterFormat+1)}
	}
	*ro = Roster{
		Realm: j.Realm, Account: j.Account, Forgotten: j.Forgotten.time(), Epoch: j.Epoch,
		Due: j.Due.time(), format: j.Format, extra: j.extra,
		Seats: make([]Seat, len(j.Seats)), Endings: make([]Ended, len(j.Endings)),
	}
	for i, s := range j.Seats {
		ro.Seats[i] = Seat{
			Session: Session{ID: s.ID, Account: j.Account, Device: s.Device, Created: s.Created.time(), LastSeen: s.LastSeen.time()},
			Secret:  s.Secret, Previous: s.Previous, Rotated: s.Rotated.time(), DeviceID: s.DeviceID,
			Epoch: s.Epoch, Replayed: s.Replayed.time(), extra: s.extra,
		}
	}
	for i, e := range j.Endings {
		ro.Endings[i] = Ended{
			Ending: Ending{Session: e.Session, Reason: e.Reason, At: e.At.time(), By: e.By, Actor: e.Actor, Device: e.Device, ByDevice: e.ByDevice},
			Secret: e.Secret, Used: e.Used.time(), extra: e.extra,
		}
	}
	return nil
}

// marshal encodes all levels in one go: a MarshalJSON of each level would have
// its output read again by the level above. Only a record with unknown fields
// is put together piece by piece.
func (j *rosterJSON) marshal() ([]byte, error) {
	unknown := len(j.extra) > 0 ||
		slices.ContainsFunc(j.Seats, func(s seatJSON) bool { return len(s.extra) > 0 }) ||
		slices.ContainsFunc(j.Endings, func(e endingJSON) bool { return len(e.extra) > 0 })
	if !unknown {
		return json.Marshal(j)
	}
	pieces := struct {
		Seats   []json.RawMessage `json:"seats,omitempty"`
		Endings []json.RawMessage `json:"endings,omitempty"`
	}{make([]json.RawMessage, len(j.Seats)), make([]json.RawMessage, len(j.Endings))}
	var err error
	for i, s := range j.Seats {
		if pieces.Seats[i], err = withExtra(s, s.extra); err != nil {
			return nil, err
		}
	}
	for i, e := range j.Endings {
		if pieces.Endings[i], err = withExtra(e, e.extra); err != nil {
			return nil, err
		}
	}
	b, err := json.Marshal(pieces)
	if err != nil {
		return nil, err
	}
	all := make(map[string]json.RawMessage)
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, err
	}
	top := *j
	top.Seats, top.Endings = nil, nil
	if b, err = withExtra(top, j.extra); err != nil {
		return nil, err
	}
	return merge(all, b)
}

// unmarshal decodes all levels in one go, and a second time, piece by piece,
// only if there are unknown fields.
func (j *rosterJSON) unmarshal(b []byte) (err error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if dec.Decode(j) == nil {
		return nil
	}
	*j = rosterJSON{}
	if j.extra, err = unmarshalExtra(b, j); err != nil {
		return err
	}
	var pieces struct {
		Seats   []json.RawMessage `json:"seats"`
		Endings []json.RawMessage `json:"endings"`
	}
	if err := json.Unmarshal(b, &pieces); err != nil {
		return err
	}
	for i, p := range pieces.Seats {
		if j.Seats[i].extra, err = unmarshalExtra(p, &j.Seats[i]); err != nil {
			return err
		}
	}
	for i, p := range pieces.Endings {
		if j.Endings[i].extra, err = unmarshalExtra(p, &j.Endings[i]); err != nil {
			return err
		}
	}
	return nil
}

func withExtra(known any, extra map[string]json.RawMessage) ([]byte, error) {
	b, err := json.Marshal(known)
	if err != nil || len(extra) == 0 {
		return b, err
	}
	return merge(extra, b)
}

// merge adds the fields of b to those of extra, at every level.
func merge(extra map[string]json.RawMessage, b []byte) ([]byte, error) {
	var known map[string]json.RawMessage
	if err := json.Unmarshal(b, &known); err != nil {
		return nil, err
	}
	all := maps.Clone(extra)
	for name, value := range known {
		var below map[string]json.RawMessage
		if json.Unmarshal(extra[name], &below) == nil {
			var err error
			if value, err = merge(below, value); err != nil {
				return nil, err
			}
		}
		all[name] = value
	}
	return json.Marshal(all)
}

// unmarshalExtra decodes b into known and returns the fields that known does
// not have. The second reading happens only when there are such fields.
func unmarshalExtra(b []byte, known any) (map[string]json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(known); err == nil {
		return nil, nil
	}
	if err := json.Unmarshal(b, known); err != nil {
		return nil, err
	}
	return unknownTo(reflect.TypeOf(known).Elem(), b)
}

// unknownTo returns the fields of an object that a struct type does not have; of
// a field that is a plain struct itself, what that does not have.
func unknownTo(t reflect.Type, b []byte) (map[string]json.RawMessage, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, err
	}
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		value, ok := all[name]
		if !ok {
			continue
		}
		delete(all, name)
		if field.Type != reflect.TypeFor[Device]() {
			continue
		}
		below, err := unknownTo(field.Type, value)
		if err != nil {
			return nil, err
		}
		if len(below) > 0 {
			if all[name], err = json.Marshal(below); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}
