package contract

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	liberrors "github.com/pb33f/libopenapi-validator/errors"

	"github.com/oneseat/oneseat/api"
)

// object is a JSON object.
type object = map[string]any

// file is the description of the API, as JSON and as the validator has it.
type file struct {
	object
	validator.Validator
}

// Two paths that the validator gets besides, for answers that no operation has: to a
// path that is not in the file, and to a method that a path has not.
const (
	noSuchCall       = "/no-such-call"
	methodNotAllowed = "/method-not-allowed"
)

// load reads a description: api.OpenAPI(), or one into which a test planted a mistake.
func load(t *testing.T, text string) file {
	t.Helper()
	f := file{object: decode(t, text)}
	more := decode(t, text)
	paths := at(t, more, "paths")
	for path, answer := range map[string][2]string{noSuchCall: {"404", "NoSuchCall"}, methodNotAllowed: {"405", "MethodNotAllowed"}} {
		paths[path] = object{"get": object{"security": []any{}, "responses": object{answer[0]: object{"$ref": "#/components/responses/" + answer[1]}}}}
	}
	b, err := json.Marshal(more)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := libopenapi.NewDocument(b)
	if err != nil {
		t.Fatal(err)
	}
	v, errs := validator.NewValidator(doc, config.WithFormatAssertions(), config.WithStandardBodyDecoders(), config.WithRejectUnsupportedBodyContent(), config.WithRejectUndeclaredRequestBody())
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	f.Validator = v
	return f
}

func decode(t *testing.T, text string) (o object) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	if err := d.Decode(&o); err != nil {
		t.Fatal(err)
	}
	return o
}

// at returns the object at the end of a way of names.
func at(t *testing.T, o object, way ...string) object {
	t.Helper()
	for _, name := range way {
		next, ok := o[name].(object)
		if !ok {
			t.Fatalf("the file has no %s", strings.Join(way, " "))
		}
		o = next
	}
	return o
}

// resolve follows the reference that an object is, if it is one.
func (f file) resolve(t *testing.T, o object) object {
	t.Helper()
	for {
		ref, ok := o["$ref"].(string)
		if !ok {
			return o
		}
		o = at(t, f.object, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
	}
}

// operation returns what the file says of a method of a path; nil: nothing.
func (f file) operation(t *testing.T, method, path string) object {
	t.Helper()
	item, _ := at(t, f.object, "paths")[path].(object) // nil for a path that is not there
	op, _ := item[strings.ToLower(method)].(object)
	return op
}

// operations calls do for each operation of the file.
func (f file) operations(t *testing.T, do func(method, path string, op object)) {
	t.Helper()
	for path, item := range at(t, f.object, "paths") {
		for method, op := range item.(object) {
			do(strings.ToUpper(method), path, op.(object))
		}
	}
}

// request makes a request as it was sent.
func request(t *testing.T, method, path string, headers http.Header, body []byte) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://127.0.0.1"+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = headers.Clone()
	return r
}

// why joins what the validator says.
func why(errs []*liberrors.ValidationError) string {
	var all []string
	for _, e := range errs {
		var said strings.Builder
		said.WriteString(e.Message + ": " + e.Reason)
		for _, s := range e.SchemaValidationErrors {
			said.WriteString("; " + s.KeywordLocation + " " + s.Reason)
		}
		all = append(all, said.String())
	}
	return strings.Join(all, "\n\t")
}

func TestTheFileIsAnOpenAPIDocument(t *testing.T) {
	f := load(t, api.OpenAPI())
	if ok, errs := f.ValidateDocument(); !ok {
		t.Errorf("it is none: %s", why(errs))
	}
	bad := load(t, strings.Replace(api.OpenAPI(), `"in": "header"`, `"in": "footer"`, 1))
	if ok, _ := bad.ValidateDocument(); ok {
		t.Error("a mistake in the file is not seen")
	}
}
