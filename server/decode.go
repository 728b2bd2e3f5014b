package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	maxBody  = 64 << 10
	maxDepth = 32
)

// errBody says why a body is not what its call expects.
type errBody struct{ problem string }

func (e *errBody) Error() string { return e.problem }

// into reads the body strictly (API-07): one object and nothing after it, members that
// the call knows, each once and spelt as they are, no null, and those that are required.
func (q *request) into(to any) (err error) {
	if q.has, err = members(q.body, q.call.nullable); err != nil {
		return err
	}
	for _, name := range q.call.required {
		outer, _, inside := strings.Cut(name, "/")
		if !slices.Contains(q.has, name) && (!inside || slices.Contains(q.has, outer)) {
			return &errBody{fmt.Sprintf("the member %q is missing", name)}
		}
	}
	if err := json.Unmarshal(q.body, to, json.RejectUnknownMembers(true)); err != nil {
		return &errBody{"a member is not known, or not of the kind that it has to be, or there is more after the object"}
	}
	return q.server.byKey.take(q.key.ID, time.Now())
}

// members returns the names of the members of a body, if it is one object without null:
// only the member nullable may be that. The members of an object in it are named by
// both names, such as "device/ip".
func members(body []byte, nullable string) (names []string, _ error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(body)) // of a Buffer it makes no copy, and changes nothing
	if d.PeekKind() != jsontext.KindBeginObject {
		return nil, &errBody{"it is not one JSON object"}
	}
	for {
		kind, length := d.StackIndex(d.StackDepth())
		name := (d.StackDepth() == 1 || d.StackDepth() == 2) && kind == jsontext.KindBeginObject && length%2 == 0
		t, err := d.ReadToken()
		switch {
		case errors.Is(err, io.EOF):
			return names, nil
		case err != nil:
			return nil, &errBody{"it is not JSON in UTF-8, with each member once"}
		case t.Kind() == jsontext.KindNull && (d.StackDepth() != 1 || names[len(names)-1] != nullable):
			return nil, &errBody{"null is no value: leave the member out"}
		case d.StackDepth() > maxDepth:
			return nil, &errBody{"it is nested too deeply"}
		case name && t.Kind() == jsontext.KindString:
			names = append(names, strings.TrimPrefix(string(d.StackPointer()), "/"))
		}
	}
}

// readBody reads the whole body of a request. It returns an *http.MaxBytesError if the
// body is too large, and a refusal if the body does not come to its end in time.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength > maxBody {
		return nil, &http.MaxBytesError{Limit: maxBody}
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, large := errors.AsType[*http.MaxBytesError](err); err != nil && !large {
		err = &refusal{status: http.StatusRequestTimeout, name: "too-slow", detail: "The body did not come to its end in time."}
	}
	return b, err
}
