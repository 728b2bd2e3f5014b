package oneseat

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"
)

// The stored form of a roster is JSON, so that a person with a database shell
// can read it. Times are microseconds since 1970. A release reads its own format and
// the next one, and keeps the fields that it does not know. It writes the format that
// it found. So nodes can be upgraded one by one.
const rosterFormat = 1

type rosterJSON struct {
	Format    int           `json:"format"`
	Realm     string        `json:"realm"`
	Account   string        `json:"account"`
	Seats     []seatJSON    `json:"seats,omitempty"`
	Endings   []endingJSON  `json:"endings,omitempty"`
	Forgotten micros        `json:"forgotten,omitzero"`
	Tried     micros        `json:"tried,omitzero"`
	Pending   []pendingJSON `json:"pending,omitempty"`
	Limits    Limits        `json:"limits,omitzero"`
	Revision  uint64        `json:"revision,omitzero"`
	Block     *blockJSON    `json:"block,omitempty"`
	Takeover  micros        `json:"takeover,omitzero"`
	Epoch     uint64        `json:"epoch,omitzero"`
	Due       micros        `json:"due,omitzero"`

	extra map[string]json.RawMessage
}

type pendingJSON struct {
	Secret   digest `json:"secret"`
	DeviceID digest `json:"device_id,omitzero"`
	Epoch    uint64 `json:"epoch,omitzero"`
	Expires  micros `json:"expires"`
	Idle     span   `json:"idle,omitzero"`
	Absolute span   `json:"absolute,omitzero"`
	Closed   bool   `json:"until_closed,omitzero"`
	Data     string `json:"data,omitzero"`

	extra map[string]json.RawMessage
}

type blockJSON struct {
	Since micros `json:"since"`
	Until micros `json:"until,omitzero"`
	Actor string `json:"actor,omitzero"`

	extra map[string]json.RawMessage
}

type seatJSON struct {
	ID       SessionID `json:"id"`
	Parent   SessionID `json:"parent,omitzero"`
	Created  micros    `json:"created"`
	LastSeen micros    `json:"last_seen"`
	Device   Device    `json:"device,omitzero"`
	Secret   digest    `json:"secret,omitzero"`
	Previous digest    `json:"previous,omitzero"`
	Rotated  micros    `json:"rotated,omitzero"`
	DeviceID digest    `json:"device_id,omitzero"`
	Epoch    uint64    `json:"epoch,omitzero"`
	Replayed micros    `json:"replayed,omitzero"`
	Observed bool      `json:"observed,omitzero"`
	Unused   bool      `json:"unused,omitzero"`
	LastUsed micros    `json:"last_used,omitzero"`
	Tried    micros    `json:"tried,omitzero"`
	Title    string    `json:"title,omitzero"`
	Proved   micros    `json:"proved,omitzero"`
	Idle     span      `json:"idle,omitzero"`
	Absolute span      `json:"absolute,omitzero"`
	Closed   bool      `json:"until_closed,omitzero"`
	Data     string    `json:"data,omitzero"`
	Program  bool      `json:"program,omitzero"`
	Seen     Device    `json:"seen,omitzero"`

	extra map[string]json.RawMessage
}

type endingJSON struct {
	Session  SessionID `json:"session"`
	Parent   SessionID `json:"parent,omitzero"`
	Reason   Reason    `json:"reason"`
	At       micros    `json:"at"`
	By       SessionID `json:"by,omitzero"`
	Actor    string    `json:"actor,omitzero"`
	Device   Device    `json:"device,omitzero"`
	ByDevice Device    `json:"by_device,omitzero"`
	Secret   digest    `json:"secret,omitzero"`
	Previous digest    `json:"previous,omitzero"`
	Mark     deviceTag `json:"mark,omitzero"`
	Used     micros    `json:"used,omitzero"`
	Tried    micros    `json:"tried,omitzero"`

	SameDevice bool `json:"same_device,omitzero"`

	extra map[string]json.RawMessage
}

// span is a duration in microseconds.
type span uint64

func toSpan(d time.Duration) span { return span(d.Microseconds()) }

// duration returns s as a Duration. A span that no Duration can hold becomes the longest
// one.
func (s span) duration() time.Duration {
	return time.Duration(min(s, span(math.MaxInt64/time.Microsecond))) * time.Microsecond
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

// MarshalJSON returns the form in which stores keep a roster.
func (ro *Roster) MarshalJSON() ([]byte, error) {
	return ro.AppendJSON(nil)
}

// AppendJSON appends to b what MarshalJSON returns. For stores.
func (ro *Roster) AppendJSON(b []byte) ([]byte, error) {
	if ro.plain() {
		return ro.appendPlain(slices.Grow(b, 192+360*len(ro.seats)+420*len(ro.endings))), nil
	}
	text, err := ro.marshalAny()
	return append(b, text...), err
}

// marshalAny is MarshalJSON of any roster, for those that are not plain.
func (ro *Roster) marshalAny() ([]byte, error) {
	j := rosterJSON{
		Format: max(ro.format, rosterFormat), Realm: ro.Realm, Account: ro.Account,
		Forgotten: toMicros(ro.forgotten), Tried: toMicros(ro.tried), Limits: ro.limits, Revision: ro.limitsRev, Takeover: toMicros(ro.takeoverAt),
		Epoch: ro.realmEpoch, Due: toMicros(ro.Due), extra: ro.extra,
		Seats: make([]seatJSON, len(ro.seats)), Endings: make([]endingJSON, len(ro.endings)),
	}
	for _, p := range ro.tickets {
		j.Pending = append(j.Pending, pendingJSON{
			p.secret, p.deviceID, p.epoch, toMicros(p.expires), toSpan(p.lifetime.Idle), toSpan(p.lifetime.Absolute), p.lifetime.UntilClosed, p.data, p.extra,
		})
	}
	if b := ro.blocked; b != nil {
		j.Block = &blockJSON{toMicros(b.since), toMicros(b.until), b.actor, b.extra}
	}
	for i, s := range ro.seats {
		j.Seats[i] = seatJSON{
			ID: s.ID, Parent: s.parent, Created: toMicros(s.Created), LastSeen: toMicros(s.LastSeen), Device: s.Device,
			Secret: s.secret, Previous: s.previous, Rotated: toMicros(s.rotated), DeviceID: s.deviceID,
			Epoch: s.epoch, Replayed: toMicros(s.replayed), Observed: s.observed, Unused: s.unused, LastUsed: toMicros(s.lastUsed), Tried: toMicros(s.tried), Title: s.title, Proved: toMicros(s.Proved),
			Idle: toSpan(s.Lifetime.Idle), Absolute: toSpan(s.Lifetime.Absolute), Closed: s.Lifetime.UntilClosed, Data: s.Data, Program: s.Program, Seen: s.Seen, extra: s.extra,
		}
	}
	for i, e := range ro.endings {
		j.Endings[i] = endingJSON{
			Session: e.Session, Parent: e.Parent, Reason: e.Reason, At: toMicros(e.At), By: e.By, Actor: e.Actor,
			Device: e.Device, ByDevice: e.ByDevice, Secret: e.secret, Previous: e.previous, Mark: e.tag, Used: toMicros(e.used), Tried: toMicros(e.tried), SameDevice: e.SameDevice, extra: e.extra,
		}
	}
	return j.marshal()
}

// UnmarshalJSON reads what MarshalJSON wrote. It returns a *[FormatError] for a
// roster that is damaged, or is of a format that this release cannot read.
func (ro *Roster) UnmarshalJSON(b []byte) error {
	if plain, ok := parsePlain(b); ok {
		*ro = plain
		return nil
	}
	return ro.unmarshalAny(b)
}

// unmarshalAny is UnmarshalJSON of any roster, for those that are not plain.
func (ro *Roster) unmarshalAny(b []byte) error {
	var j rosterJSON
	if err := j.unmarshal(b); err != nil {
		return &FormatError{fmt.Sprintf("it cannot be read (%v): restore it from a backup, or delete it, which signs the account out", err)}
	}
	if j.Format < 1 || j.Format > rosterFormat+1 {
		return &FormatError{fmt.Sprintf("format %d was written by another release (this one reads %d and %d): upgrade this node", j.Format, rosterFormat, rosterFormat+1)}
	}
	*ro = j.roster()
	return nil
}

// roster returns the roster that was stored as j.
func (j *rosterJSON) roster() Roster {
	ro := Roster{
		Realm: j.Realm, Account: j.Account, forgotten: j.Forgotten.time(), tried: j.Tried.time(), limits: j.Limits, limitsRev: j.Revision, takeoverAt: j.Takeover.time(),
		realmEpoch: j.Epoch, Due: j.Due.time(), format: j.Format, extra: j.extra,
		seats: make([]seat, len(j.Seats)), endings: make([]ended, len(j.Endings)),
	}
	for _, p := range j.Pending {
		ro.tickets = append(ro.tickets, pending{
			p.Secret, p.DeviceID, p.Epoch, p.Expires.time(), Lifetime{p.Idle.duration(), p.Absolute.duration(), p.Closed}, p.Data, p.extra,
		})
	}
	if b := j.Block; b != nil {
		ro.blocked = &block{b.Since.time(), b.Until.time(), b.Actor, b.extra}
	}
	for i, s := range j.Seats {
		ro.seats[i] = seat{
			Session: Session{
				ID: s.ID, Account: j.Account, Device: s.Device, Created: s.Created.time(), LastSeen: s.LastSeen.time(), Proved: s.Proved.time(),
				Lifetime: Lifetime{s.Idle.duration(), s.Absolute.duration(), s.Closed}, Program: s.Program, Seen: s.Seen, Data: s.Data,
			},
			parent: s.Parent, secret: s.Secret, previous: s.Previous, rotated: s.Rotated.time(), deviceID: s.DeviceID,
			epoch: s.Epoch, replayed: s.Replayed.time(), observed: s.Observed, unused: s.Unused, lastUsed: s.LastUsed.time(), tried: s.Tried.time(), title: s.Title, extra: s.extra,
		}
	}
	for i, e := range j.Endings {
		ro.endings[i] = ended{
			Ending: Ending{Session: e.Session, Parent: e.Parent, Reason: e.Reason, At: e.At.time(), By: e.By, Actor: e.Actor, Device: e.Device, ByDevice: e.ByDevice, SameDevice: e.SameDevice},
			secret: e.Secret, previous: e.Previous, tag: e.Mark, used: e.Used.time(), tried: e.Tried.time(), extra: e.extra,
		}
	}
	return ro
}

// pieces are the records below the top that keep unknown fields of their own.
type pieces struct {
	Seats   []json.RawMessage `json:"seats,omitempty"`
	Endings []json.RawMessage `json:"endings,omitempty"`
	Pending []json.RawMessage `json:"pending,omitempty"`
	Block   json.RawMessage   `json:"block,omitempty"`
}

// marshal encodes all levels at once. A MarshalJSON of each level would have its
// output read again by the level above. Only a record with unknown fields is put
// together piece by piece.
func (j *rosterJSON) marshal() ([]byte, error) {
	unknown := len(j.extra) > 0 || j.Block != nil && len(j.Block.extra) > 0 ||
		slices.ContainsFunc(j.Seats, func(s seatJSON) bool { return len(s.extra) > 0 }) ||
		slices.ContainsFunc(j.Endings, func(e endingJSON) bool { return len(e.extra) > 0 }) ||
		slices.ContainsFunc(j.Pending, func(p pendingJSON) bool { return len(p.extra) > 0 })
	if !unknown {
		return json.Marshal(j)
	}
	var p pieces
	var errs [4]error
	p.Seats, errs[0] = withExtras(j.Seats, func(s seatJSON) map[string]json.RawMessage { return s.extra })
	p.Endings, errs[1] = withExtras(j.Endings, func(e endingJSON) map[string]json.RawMessage { return e.extra })
	p.Pending, errs[2] = withExtras(j.Pending, func(p pendingJSON) map[string]json.RawMessage { return p.extra })
	if j.Block != nil {
		p.Block, errs[3] = withExtra(j.Block, j.Block.extra)
	}
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	b, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	all := make(map[string]json.RawMessage)
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, err
	}
	top := *j
	top.Seats, top.Endings, top.Pending, top.Block = nil, nil, nil, nil
	if b, err = withExtra(top, j.extra); err != nil {
		return nil, err
	}
	return merge(all, b)
}

// unmarshal decodes all levels at once. Only if there are unknown fields it decodes
// a second time, piece by piece.
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
	var p pieces
	if err := json.Unmarshal(b, &p); err != nil {
		return err
	}
	var errs []error
	for i, piece := range p.Seats {
		j.Seats[i].extra, err = unmarshalExtra(piece, &j.Seats[i])
		errs = append(errs, err)
	}
	for i, piece := range p.Endings {
		j.Endings[i].extra, err = unmarshalExtra(piece, &j.Endings[i])
		errs = append(errs, err)
	}
	for i, piece := range p.Pending {
		j.Pending[i].extra, err = unmarshalExtra(piece, &j.Pending[i])
		errs = append(errs, err)
	}
	if j.Block != nil {
		j.Block.extra, err = unmarshalExtra(p.Block, j.Block)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func withExtras[T any](records []T, extra func(T) map[string]json.RawMessage) ([]json.RawMessage, error) {
	out := make([]json.RawMessage, len(records))
	for i, record := range records {
		var err error
		if out[i], err = withExtra(record, extra(record)); err != nil {
			return nil, err
		}
	}
	return out, nil
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

// unmarshalExtra decodes b into known and returns the fields that known does not
// have. It reads b a second time only if there are such fields.
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

// unknownTo returns the fields of an object that a struct type does not have. Of a
// field that is a plain struct itself, it returns the part which that struct does
// not have.
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
		if field.Type != reflect.TypeFor[Device]() && field.Type != reflect.TypeFor[Limits]() {
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
