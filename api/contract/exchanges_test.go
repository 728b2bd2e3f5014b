package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/oneseat/oneseat/api"
)

// exchange is a request and its answer, as the tests of the server write them.
type exchange struct {
	Test, Method, Path string
	Headers            http.Header
	Body               []byte
	Status             int
	AnswerHeaders      http.Header
	Answer             []byte
}

// suite runs the tests of the server, and returns their exchanges.
func suite(t *testing.T) (all []exchange) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "exchanges")
	cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-timeout=30m", "./server", "-args", "-exchanges", name)
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("the tests of the server: %v\n%s", err, out)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(b) {
		var e exchange
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		e.Path, _, _ = strings.Cut(e.Path, "?") // no call looks at a query, and some tests send one
		all = append(all, e)
	}
	return all
}

// problem is the name of the problem in an answer; "": it is none.
func (e exchange) problem() string {
	var p api.Problem
	if json.Unmarshal(e.Answer, &p) != nil {
		return ""
	}
	return strings.TrimPrefix(p.Type, api.ProblemPrefix)
}

// reading says what an answer tells of the body of its request.
type reading int

const (
	unread  reading = iota // the server did not look at it, or took it and refused what it says
	refused                // it is not what the call expects
	taken                  // it is
)

func (e exchange) read() reading {
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusUnauthorized, http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity, http.StatusTooManyRequests:
		return unread
	case http.StatusBadRequest:
		return refused
	}
	return taken
}

// strict reports whether a text is one JSON value that nobody can read otherwise: in
// UTF-8, and with each member once. A schema does not say so, and the server asks for it.
func strict(body []byte) bool {
	d := jsontext.NewDecoder(bytes.NewReader(body))
	if err := d.SkipValue(); err != nil {
		return false
	}
	_, err := d.ReadToken()
	return err == io.EOF //nolint:errorlint // the decoder returns it as it is
}

// ordinary are the headers that an answer may have without the file's saying so: those
// of HTTP itself.
var ordinary = []string{"Content-Type", "Content-Length", "Date", "Connection"}

// objections are what the file has against an exchange.
func (f file) objections(t *testing.T, e exchange) (list []string) {
	t.Helper()
	r := request(t, e.Method, e.Path, e.Headers, e.Body)
	asked, op := r, f.operation(t, e.Method, e.Path)
	if op == nil {
		path := noSuchCall
		if e.Status == http.StatusMethodNotAllowed && at(t, f.object, "paths")[e.Path] != nil {
			path = methodNotAllowed
		}
		asked = request(t, http.MethodGet, path, nil, nil)
		op = object{"responses": object{strconv.Itoa(e.Status): at(t, f.object, "components", "responses")[map[string]string{noSuchCall: "NoSuchCall", methodNotAllowed: "MethodNotAllowed"}[path]]}}
	}
	resp := &http.Response{StatusCode: e.Status, Header: e.AnswerHeaders.Clone(), Body: io.NopCloser(bytes.NewReader(e.Answer)), Request: asked}
	if ok, errs := f.ValidateHttpResponse(asked, resp); !ok {
		list = append(list, "the answer: "+why(errs))
	}
	if said, ok := at(t, op, "responses")[strconv.Itoa(e.Status)].(object); ok {
		said = f.resolve(t, said)
		known := slices.Clone(ordinary)
		for name := range at(t, said, "headers") {
			known = append(known, http.CanonicalHeaderKey(name))
		}
		for name := range e.AnswerHeaders {
			if !slices.Contains(known, name) {
				list = append(list, "the answer has the header "+name)
			}
		}
		if said["content"] == nil && len(e.Answer) > 0 {
			list = append(list, "the answer has a body")
		}
	}
	if asked != r {
		return list
	}
	ok, errs := f.ValidateHttpRequestSync(r)
	switch e.read() {
	case taken:
		if !ok {
			list = append(list, "a request that the server took: "+why(errs))
		}
	case refused:
		if ok && (e.problem() == "bad-form" || strict(e.Body)) {
			list = append(list, "a request that the server refused")
		}
	case unread:
	}
	return list
}

// said are the answers that the file has: each path, status and problem.
func (f file) said(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	f.operations(t, func(method, path string, op object) {
		for status, answer := range at(t, op, "responses") {
			names := f.problems(t, answer)
			if len(names) == 0 {
				all[method+" "+path+" "+status] = true
			}
			for _, name := range names {
				all[method+" "+path+" "+status+" "+name] = true
			}
		}
	})
	for name, status := range map[string]string{"NoSuchCall": "404", "MethodNotAllowed": "405"} {
		all[name+" "+status+" "+f.problems(t, at(t, f.object, "components", "responses", name))[0]] = true
	}
	return all
}

// problems are the names of problems that an answer may have.
func (f file) problems(t *testing.T, answer any) (names []string) {
	t.Helper()
	switch v := answer.(type) {
	case string:
		if name, ok := strings.CutPrefix(v, api.ProblemPrefix); ok {
			names = append(names, name)
		}
	case []any:
		for _, one := range v {
			names = append(names, f.problems(t, one)...)
		}
	case object:
		if ref, ok := v["$ref"].(string); ok {
			if strings.HasSuffix(ref, "/Problem") || strings.Contains(ref, "/examples/") { // all of them; of others
				return nil
			}
			return f.problems(t, f.resolve(t, v))
		}
		for _, one := range v {
			names = append(names, f.problems(t, one)...)
		}
	}
	return names
}

// unprovoked are the answers of the file that no test provokes, and why.
var unprovoked = map[string]string{
	"POST /v1/redeem 409 account-blocked": "a block takes the tickets back, so it has to come between two steps of the call",
}

// once are problems of which one answer is enough: a fault of the server, too many calls
// with a key, and a body that does not end are answered in one place, whatever the call.
var once = []string{"500 internal", "429 too-many", "408 too-slow"}

// API-13: the file says what the server does, and the server does what the file says.
func TestEveryExchangeOfTheServersTestsIsWhatTheFileSays(t *testing.T) {
	f := load(t, api.OpenAPI())
	said, seen := f.said(t), map[string]bool{}
	all := suite(t)
	for _, e := range all {
		for _, objection := range f.objections(t, e) {
			t.Errorf("%s: %s %s: %d %s\n\tbody %.200s\n\t%s", e.Test, e.Method, e.Path, e.Status, e.Answer, e.Body, objection)
		}
		what := fmt.Sprintf("%s %s %d %s", e.Method, e.Path, e.Status, e.problem())
		switch {
		case e.Status == http.StatusMethodNotAllowed:
			what = "MethodNotAllowed 405 method"
		case e.problem() == "no-such-call":
			what = "NoSuchCall 404 no-such-call"
		}
		seen[strings.TrimSpace(what)] = true
		for _, suffix := range once {
			if strings.HasSuffix(what, suffix) {
				seen[suffix] = true
			}
		}
	}
	for _, what := range slices.Sorted(maps.Keys(said)) {
		if slices.ContainsFunc(once, func(suffix string) bool { return strings.HasSuffix(what, suffix) && seen[suffix] }) {
			continue
		}
		if reason, listed := unprovoked[what]; listed == seen[what] {
			t.Errorf("%s: provoked by a test: %v; on the list of what is not: %v %s", what, seen[what], listed, reason)
		}
	}
	for what := range unprovoked {
		if !said[what] {
			t.Errorf("the file has no %s", what)
		}
	}
	if len(all) < 500 {
		t.Errorf("only %d exchanges", len(all))
	}
}
