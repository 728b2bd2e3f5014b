package server

import (
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/oneseat/oneseat/api"
)

// marshal returns an answer as JSON. That of a check, which every page of a site asks
// for, is written by hand, in the same bytes.
func marshal(answer any) ([]byte, error) {
	if a, ok := answer.(api.Checked); ok {
		w := writer{b: make([]byte, 0, 384)}
		w.checked(a)
		return w.b, w.err
	}
	return json.Marshal(answer)
}

// writer appends JSON. Its first error stays.
type writer struct {
	b   []byte
	err error
}

// text appends what comes before a text, and the text as a JSON string.
func (w *writer) text(before, s string) {
	if w.err == nil {
		w.b, w.err = jsontext.AppendQuote(append(w.b, before...), s)
	}
}

// optional is text for a member that is left out if it is empty. It returns what comes
// before the next member.
func (w *writer) optional(before, name, s string) string {
	if s == "" {
		return before
	}
	w.text(before+name, s)
	return ","
}

func (w *writer) time(before string, t time.Time) {
	w.b = append(t.AppendFormat(append(append(w.b, before...), '"'), time.RFC3339Nano), '"')
}

func (w *writer) checked(a api.Checked) {
	w.text(`{"id":`, a.ID)
	w.text(`,"account":`, a.Account)
	w.b = append(w.b, `,"device":{`...)
	next := w.optional("", `"label":`, a.Device.Label)
	next = w.optional(next, `"class":`, a.Device.Class)
	w.optional(next, `"ip":`, a.Device.IP)
	w.time(`},"created":`, a.Created)
	w.time(`,"last_seen":`, a.LastSeen)
	if !a.Proved.IsZero() {
		w.time(`,"proved":`, a.Proved)
	}
	if a.Lifetime != (api.Lifetime{}) && w.err == nil {
		var b []byte
		b, w.err = json.Marshal(a.Lifetime)
		w.b = append(append(w.b, `,"lifetime":`...), b...)
	}
	if a.Program {
		w.b = append(w.b, `,"program":true`...)
	}
	if a.Seen != (api.SeenDevice{}) && w.err == nil {
		var b []byte
		b, w.err = json.Marshal(a.Seen)
		w.b = append(append(w.b, `,"seen":`...), b...)
	}
	w.optional(",", `"data":`, a.Data)
	if !a.Expires.IsZero() {
		w.time(`,"expires":`, a.Expires)
	}
	if a.Left != nil {
		w.b = strconv.AppendInt(append(w.b, `,"left_ms":`...), *a.Left, 10)
	}
	if a.Rotated {
		w.b = append(w.b, `,"rotated":true`...)
	}
	w.b = append(w.b, '}')
}
