package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
	"github.com/oneseat/oneseat/server"
	"github.com/oneseat/oneseat/store/memstore"
)

// example is one of a request, or of an answer if it has a status.
type example struct {
	name         string
	method, path string
	status       int
	contentType  string
	schema       object
	value        any
}

func (e example) String() string {
	if e.status == 0 {
		return fmt.Sprintf("%s %s, example %s", e.method, e.path, e.name)
	}
	return fmt.Sprintf("%s %s %d, example %s", e.method, e.path, e.status, e.name)
}

// examples are all of the file. Those of an answer that calls share are there once.
// Something that has a schema and no example is a mistake of the file.
func (f file) examples(t *testing.T) (all []example) {
	t.Helper()
	shared := map[string]bool{}
	add := func(e example, content any) {
		media, _ := content.(object) // nil: there is no body
		for contentType, m := range media {
			e.contentType, e.schema = contentType, at(t, m.(object), "schema")
			examples, _ := m.(object)["examples"].(object)
			if len(examples) == 0 && e.path != api.PathOpenAPI {
				t.Errorf("%s %s %d has no example", e.method, e.path, e.status)
			}
			for name, one := range examples {
				e.name, e.value = name, f.resolve(t, one.(object))["value"]
				all = append(all, e)
			}
		}
	}
	f.operations(t, func(method, path string, op object) {
		if body, ok := op["requestBody"].(object); ok {
			add(example{method: method, path: path}, body["content"])
		}
		for status, answer := range at(t, op, "responses") {
			ref, _ := answer.(object)["$ref"].(string)
			if ref != "" && shared[ref] {
				continue
			}
			shared[ref] = true
			code, err := strconv.Atoi(status)
			if err != nil {
				t.Fatal(err)
			}
			add(example{method: method, path: path, status: code}, f.resolve(t, answer.(object))["content"])
		}
	})
	slices.SortFunc(all, func(a, b example) int { return strings.Compare(a.String(), b.String()) })
	return all
}

// good are headers that answers have.
var good = http.Header{
	"X-Request-Id": {"5KJ4HNV6YCDPAFLM3TR7WQXZ2B"}, "Cache-Control": {"no-store"}, "X-Content-Type-Options": {"nosniff"},
	"Retry-After": {"1"}, "Www-Authenticate": {"Bearer"}, "Allow": {"POST"},
}

// objection says why a value in the place of an example is refused by the file; "": it
// is not.
func (f file) objection(t *testing.T, e example, value any) string {
	t.Helper()
	r := request(t, e.method, e.path, http.Header{"Authorization": {"Bearer oneseat_key_x"}, "Content-Type": {e.contentType}}, nil)
	if e.status == 0 {
		r = request(t, e.method, e.path, r.Header, e.encode(t, value))
		if ok, errs := f.ValidateHttpRequestSync(r); !ok {
			return why(errs)
		}
		return ""
	}
	headers := good.Clone()
	headers.Set("Content-Type", e.contentType)
	resp := &http.Response{StatusCode: e.status, Header: headers, Body: io.NopCloser(bytes.NewReader(e.encode(t, value))), Request: r}
	if ok, errs := f.ValidateHttpResponse(r, resp); !ok {
		return why(errs)
	}
	return ""
}

func (e example) form() bool { return e.contentType == "application/x-www-form-urlencoded" }

// encode is a value as it is sent.
func (e example) encode(t *testing.T, value any) []byte {
	t.Helper()
	if o, ok := value.(object); ok && e.form() {
		fields := url.Values{}
		for name, v := range o {
			fields.Set(name, fmt.Sprint(v))
		}
		return []byte(fields.Encode())
	}
	b, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// mutation is an example with one change.
type mutation struct {
	what  string // what was done
	value any
	wrong bool // the file has to refuse it
}

// mutations are all that the test makes of a value that schemas describe. The rule: the
// file refuses each of them. There are three exceptions. A member that is not required
// may be removed. The limits of /v1/limit may be null, as the file says. And a member by
// which alternatives differ, such as token or account, may be removed if what is left is
// another alternative.
func (f file) mutations(t *testing.T, schemas []object, value any) (all []mutation) {
	t.Helper()
	inside := func(name string, inner []mutation, put func(any) any) {
		for _, m := range inner {
			all = append(all, mutation{"/" + name + m.what, put(m.value), m.wrong})
		}
	}
	schemas = f.conjuncts(t, schemas, value)
	switch v := value.(type) {
	case object:
		change := func(do func(object)) object { c := maps.Clone(v); do(c); return c }
		all = append(all, mutation{": added", change(func(o object) { o["surplus"] = 1 }), true})
		for _, name := range slices.Sorted(maps.Keys(v)) {
			var below []object
			required, nullable := false, false
			for _, s := range schemas {
				required = required || slices.Contains(texts(s["required"]), name)
				properties, _ := s["properties"].(object)
				for _, one := range []any{properties[name], s["additionalProperties"]} {
					if o, ok := one.(object); ok {
						below = append(below, o)
						alternatives, _ := o["oneOf"].([]any)
						nullable = nullable || slices.ContainsFunc(alternatives, func(a any) bool { return a.(object)["type"] == "null" })
					}
				}
			}
			all = append(all,
				mutation{"/" + name + ": removed", change(func(o object) { delete(o, name) }), required},
				mutation{"/" + name + ": renamed", change(func(o object) { delete(o, name); o[strings.ToUpper(name[:1])+name[1:]+"_"] = v[name] }), true},
				mutation{"/" + name + ": null", change(func(o object) { o[name] = nil }), !nullable},
				mutation{"/" + name + ": of another type", change(func(o object) { o[name] = otherType(v[name]) }), true},
			)
			if text, ok := v[name].(string); ok {
				if _, err := time.Parse(time.RFC3339, text); err == nil {
					all = append(all, mutation{"/" + name + ": no time", change(func(o object) { o[name] = "yesterday" }), true})
				}
			}
			inside(name, f.mutations(t, below, v[name]), func(x any) any { return change(func(o object) { o[name] = x }) })
		}
	case []any:
		for i := range v {
			change := func(x any) []any { c := slices.Clone(v); c[i] = x; return c }
			var below []object
			for _, s := range schemas {
				if o, ok := s["items"].(object); ok {
					below = append(below, o)
				}
			}
			all = append(all,
				mutation{fmt.Sprintf("/%d: null", i), change(nil), true},
				mutation{fmt.Sprintf("/%d: of another type", i), change(otherType(v[i])), true},
			)
			inside(strconv.Itoa(i), f.mutations(t, below, v[i]), func(x any) any { return change(x) })
		}
	}
	return all
}

// conjuncts are the schemas that all hold for a value: what they refer to, what they are
// made of, and of alternatives the one that is meant.
func (f file) conjuncts(t *testing.T, schemas []object, value any) (all []object) {
	t.Helper()
	for _, s := range schemas {
		s = f.resolve(t, s)
		all = append(all, s)
		parts, _ := s["allOf"].([]any)
		for _, alternative := range alternatives(s) {
			if f.meant(t, f.resolve(t, alternative), value) {
				parts = append(parts, alternative)
			}
		}
		for _, part := range parts {
			all = append(all, f.conjuncts(t, []object{part.(object)}, value)...)
		}
	}
	return all
}

func alternatives(schema object) (all []object) {
	list, _ := schema["oneOf"].([]any) // nil: there are none
	for _, one := range list {
		all = append(all, one.(object))
	}
	return all
}

// meant reports whether an alternative is the one for a value: a problem has its type
// there, and everything else its kind. Alternatives by members only are not looked at.
func (f file) meant(t *testing.T, alternative object, value any) bool {
	t.Helper()
	v, isObject := value.(object)
	properties, _ := alternative["properties"].(object)
	if properties == nil || !isObject {
		return false
	}
	of, isProblem := properties["type"].(object)
	return !isProblem || of["const"] == v["type"] || slices.Contains(texts(of["enum"]), fmt.Sprint(v["type"]))
}

// otherType is a value of another type.
func otherType(v any) any {
	if _, ok := v.(string); ok {
		return true
	}
	return "another"
}

// API-13: closed schemas, and examples that are right.
func TestEveryExampleIsValidAndNoneThatIsMutatedOnce(t *testing.T) {
	f := load(t, api.OpenAPI())
	tried := 0
	for _, e := range f.examples(t) {
		if said := f.objection(t, e, e.value); said != "" {
			t.Errorf("%s: %s", e, said)
		}
		if e.form() {
			continue // open, and all text
		}
		for _, m := range f.mutations(t, []object{e.schema}, e.value) {
			if tried++; m.wrong && f.objection(t, e, m.value) == "" {
				t.Errorf("%s%s: the file does not refuse it", e, m.what)
			}
		}
	}
	if tried < 1000 {
		t.Errorf("only %d mutations", tried)
	}
}

// What the file refuses the server refuses, and the other way round.
func TestTheServerRefusesTheMutatedRequestsThatTheFileRefuses(t *testing.T) {
	f := load(t, api.OpenAPI())
	store := memstore.New()
	r, err := oneseat.New(store, oneseat.Config{Realm: "members", LimitFor: server.LimitFor, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	secret, key := server.NewKey("members", server.ScopeCheck, server.ScopeSessions, server.ScopeAdmin)
	s, err := server.New(server.Config{Realms: map[string]*oneseat.Registry{"members": r}, Keys: []server.Key{key}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(e example, value any) (int, string) {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, request(t, e.method, e.path, http.Header{"Authorization": {"Bearer " + secret}, "Content-Type": {e.contentType}}, e.encode(t, value)))
		return w.Code, w.Body.String()
	}
	for _, e := range f.examples(t) {
		if e.status != 0 {
			continue
		}
		if status, answer := ask(e, e.value); status == http.StatusBadRequest || status == http.StatusUnprocessableEntity || status == http.StatusInternalServerError {
			t.Errorf("%s: %d %s", e, status, answer)
		}
		if e.form() {
			continue
		}
		for _, m := range f.mutations(t, []object{e.schema}, e.value) {
			objection := f.objection(t, e, m.value)
			status, answer := ask(e, m.value)
			switch {
			case objection == "" && status == http.StatusBadRequest:
				t.Errorf("%s%s: the server refuses what the file does not: %s", e, m.what, answer)
			case objection != "" && status != http.StatusBadRequest && status != http.StatusUnprocessableEntity:
				t.Errorf("%s%s: %d %s, and the file refuses it: %s", e, m.what, status, answer, objection)
			}
		}
	}
}
