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

const maxBody = 64 << 10

// errBody says why a body is not what its call expects.
type errBody struct{ problem string }

func (e *errBody) Error() string { return e.problem }

// into reads the body strictly (API-07): one object and nothing after it, members that
// the call knows, each once and spelt as they are, no null, and those that are required.
func (q *request) into(to any) error {
	if err := json.Unmarshal(q.body, to, json.RejectUnknownMembers(true)); err != nil {
		if _, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
			return &errBody{"it is not one JSON object in UTF-8, with each member once and nothing after it"}
		}
		return &errBody{"it is not an object, or it has a member that is not known or of another kind"}
	}
	var null bool
	if q.has, null = members(q.body, q.call.nullable); null {
		return &errBody{"null is no value: leave the member out"}
	}
	for _, name := range q.call.required {
		outer, _, inside := strings.Cut(name, "/")
		if !slices.Contains(q.has, name) && (!inside || slices.Contains(q.has, outer)) {
			return &errBody{fmt.Sprintf("the member %q is missing", name)}
		}
	}
	return q.server.byKey.take(q.key.ID, time.Now())
}

// members returns the names of the members of a body, which is known to be JSON. The
// members of an object in it are named by both names, such as "device/ip". null: there is
// a null that is not the member nullable. It looks at the bytes, because every check
// comes here: in JSON a string before a colon is a name, and an n out of strings is null.
func members(body []byte, nullable string) (names []string, null bool) {
	depth, outer := 0, ""
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case 'n':
			null = null || depth != 1 || outer != nullable
			i += len("ull")
		case '"':
			begin := i
			for i++; body[i] != '"'; i++ {
				if body[i] == '\\' {
					i++
				}
			}
			if depth > 2 || !bytes.HasPrefix(bytes.TrimLeft(body[i+1:], " \t\r\n"), []byte(":")) {
				continue
			}
			name, _ := jsontext.AppendUnquote(nil, body[begin:i+1]) // it is a string
			if depth == 1 {
				outer = string(name)
				names = append(names, outer)
			} else {
				names = append(names, outer+"/"+string(name))
			}
		}
	}
	return names, null
}

// readBody reads the whole body of a request. It returns an *http.MaxBytesError if the
// body is too large, and a refusal if the body does not come to its end in time.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength > maxBody {
		return nil, &http.MaxBytesError{Limit: maxBody}
	}
	var b []byte
	var err error
	if r.ContentLength >= 0 {
		b = make([]byte, r.ContentLength)
		_, err = io.ReadFull(r.Body, b)
	} else {
		b, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	}
	if _, large := errors.AsType[*http.MaxBytesError](err); err != nil && !large {
		err = &refusal{status: http.StatusRequestTimeout, name: "too-slow", detail: "The body did not come to its end in time."}
	}
	return b, err
}
