package oneseat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// testdata/e18747a/roster.json and event.json are the stored forms of a roster
// and an event of which every field is set, as e18747a wrote them. Databases keep
// them for years, and nodes of two releases work on one database, so what Go
// names a field may change, and what it is stored under may not.
func TestStoredNamesAreThoseOfE18747a(t *testing.T) {
	ro, err := os.ReadFile("testdata/e18747a/roster.json")
	if err != nil {
		t.Fatal(err)
	}
	knows(t, ro, new(rosterJSON))
	writes(t, ro, new(Roster))
	event, err := os.ReadFile("testdata/e18747a/event.json")
	if err != nil {
		t.Fatal(err)
	}
	knows(t, event, new(Event))
	writes(t, event, new(Event))
}

// knows fails the test if a type does not have a field: the roster would keep that as a
// field of a newer release, and make no use of it.
func knows(t *testing.T, stored []byte, v any) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(stored))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		t.Errorf("%T: %v", v, err)
	}
}

// writes fails the test unless what is read into v is written as it was stored. A field
// that was added later is left out, because it is empty.
func writes(t *testing.T, stored []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(stored, v); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var now bytes.Buffer
	if err := json.Indent(&now, b, "", "\t"); err != nil {
		t.Fatal(err)
	}
	if got, want := now.String(), strings.TrimSpace(string(stored)); got != want {
		t.Errorf("%T is now written as\n%s\nand was\n%s", v, got, want)
	}
}

// testdata/e18747a/values.txt has the values of e18747a that stand for something
// in a stored form: its types of events, reasons and classes.
func TestStoredValuesAreThoseOfE18747a(t *testing.T) {
	text, err := os.ReadFile("testdata/e18747a/values.txt")
	if err != nil {
		t.Fatal(err)
	}
	now := constants(t, reflect.TypeFor[EventType]().Name(), reflect.TypeFor[Reason]().Name())
	now = append(now, fmt.Sprint("limit ", Unlimited))
	for _, class := range Classes() {
		now = append(now, fmt.Sprint("class ", class))
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); !slices.Contains(now, line) {
			t.Errorf("%s is no value any more; databases have it", line)
		}
	}
}

// constants are the values of all constants of some types of this package, after
// "event" or "reason".
func constants(t *testing.T, event, reason string) (values []string) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]string{event: "event", reason: "reason"}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			name, ok := spec.Type.(*ast.Ident)
			literal, ok2 := spec.Values[0].(*ast.BasicLit)
			if !ok || !ok2 || kinds[name.Name] == "" {
				return true
			}
			value, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, kinds[name.Name]+" "+value)
			return true
		})
	}
	return values
}
