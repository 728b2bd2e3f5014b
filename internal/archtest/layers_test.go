package archtest

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The layers of the root package. A file refers to its own layer and to those
// before it, never to a later one.
var layers = []struct {
	name  string
	files []string
}{
	{"words", []string{"doc", "account", "session", "event", "policy", "token", "attempt", "errors", "context"}},
	{"contract", []string{"store"}},
	{"rules", []string{"roster", "codec", "codecplain", "draft", "admit", "limit", "ticket", "block", "takeover", "stream", "use", "end", "judge"}},
	{"runtime", []string{"registry", "config", "signin", "check", "admin", "list", "play", "cache", "load", "feed", "subscribe", "hold", "watch", "background", "faults", "stats", "clock"}},
}

const (
	contract = 1
	rules    = 2
	runtime  = 3
)

// record are the types that only rules look into, and what of them a store reads.
var record = map[string][]string{"Roster": {"Realm", "Account", "Due"}, "seat": nil, "ended": nil, "pending": nil, "block": nil, "draft": nil}

// mostParameters is how many parameters a rule takes: with more it decides on
// things that belong together in a value.
const mostParameters = 4

// layered is a type-checked package whose files lie in layers.
type layered struct {
	files *token.FileSet
	asts  []*ast.File
	pkg   *types.Package
	info  *types.Info
}

// check parses and type-checks files: contents by name.
func check(t *testing.T, sources map[string]string) layered {
	t.Helper()
	l := layered{files: token.NewFileSet(), info: &types.Info{Uses: map[*ast.Ident]types.Object{}, Selections: map[*ast.SelectorExpr]*types.Selection{}, Defs: map[*ast.Ident]types.Object{}}}
	for name, text := range sources {
		var src any
		if text != "" {
			src = text
		}
		f, err := parser.ParseFile(l.files, name, src, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		l.asts = append(l.asts, f)
	}
	var err error
	conf := types.Config{Importer: importer.ForCompiler(l.files, "source", nil)}
	if l.pkg, err = conf.Check(module, l.files, l.asts, l.info); err != nil {
		t.Fatal(err)
	}
	return l
}

// at is the layer of a position; -1: of none.
func (l layered) at(p token.Pos) int {
	base := strings.TrimSuffix(filepath.Base(l.files.Position(p).Filename), ".go")
	for i, layer := range layers {
		if slices.Contains(layer.files, base) {
			return i
		}
	}
	return -1
}

// objections says what is wrong with a package's layers, each with its place.
func (l layered) objections() (list []string) {
	object := func(p token.Pos, format string, args ...any) {
		at := l.files.Position(p)
		list = append(list, fmt.Sprintf("%s:%d: ", filepath.Base(at.Filename), at.Line)+fmt.Sprintf(format, args...))
	}
	for _, f := range l.asts {
		if l.at(f.Package) < 0 {
			object(f.Package, "a file of no layer")
		}
		if l.at(f.Package) == rules {
			for _, i := range f.Imports {
				if path := strings.Trim(i.Path.Value, `"`); slices.Contains([]string{"sync", "sync/atomic", "context", "math/rand", "math/rand/v2", "net/http", "log/slog"}, path) {
					object(i.Pos(), "a rule imports %s", path)
				}
			}
		}
		for _, d := range f.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && l.at(f.Pos()) == rules && f.Type.Params.NumFields() > mostParameters {
				object(f.Pos(), "%s takes %d parameters", f.Name.Name, f.Type.Params.NumFields())
			}
		}
	}
	for id, used := range l.info.Uses {
		from := l.at(id.Pos())
		if from == rules && used.Pkg() != nil && used.Pkg().Path() == "time" && slices.Contains([]string{"Now", "Since", "Until", "After", "NewTimer", "NewTicker", "Sleep"}, used.Name()) {
			if f, ok := used.(*types.Func); ok && f.Signature().Recv() == nil {
				object(id.Pos(), "a rule reads a clock: time.%s", used.Name())
			}
		}
		if used.Pkg() != l.pkg || !used.Pos().IsValid() {
			continue
		}
		if to := l.at(used.Pos()); to > from && (from != contract || used.Name() != "Roster") { // which the contract stores, and does not look into
			object(id.Pos(), "%s refers to %s of %s", layers[from].name, used.Name(), layers[to].name)
		}
		if v, ok := used.(*types.Var); ok && v.IsField() && from == runtime {
			if of := l.owner(v); of != "" && !slices.Contains(record[of], v.Name()) {
				object(id.Pos(), "the registry reads %s.%s: ask the view, or the draft", of, v.Name())
			}
		}
	}
	if ro, ok := l.pkg.Scope().Lookup("Roster").(*types.TypeName); ok {
		of := ro.Type().Underlying().(*types.Struct)
		for v := range of.Fields() {
			if v.Exported() && !slices.Contains(record["Roster"], v.Name()) {
				object(v.Pos(), "Roster.%s is public", v.Name())
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// owner is the type of the record that a field is declared in, if it is of one.
func (l layered) owner(field *types.Var) string {
	for name := range record {
		of, ok := l.pkg.Scope().Lookup(name).(*types.TypeName)
		if !ok {
			continue
		}
		for f := range of.Type().Underlying().(*types.Struct).Fields() {
			if f == field {
				return name
			}
		}
	}
	return ""
}

func rootSources(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("..", "..", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	sources := map[string]string{}
	for _, name := range names {
		if !strings.HasSuffix(name, "_test.go") {
			sources[name] = ""
		}
	}
	return sources
}

func TestTheRootPackageLiesInLayers(t *testing.T) {
	for _, o := range check(t, rootSources(t)).objections() {
		t.Error(o)
	}
}

// The test above passes on a package that is in order. This one shows that it fails
// on a package that is not.
func TestLayersObjectToWhatTheyForbid(t *testing.T) {
	for want, sources := range map[string]map[string]string{
		"words refers to later of rules":           {"session.go": "package oneseat\nfunc a() { later() }", "draft.go": "package oneseat\nfunc later() {}"},
		"rules refers to Registry of runtime":      {"admit.go": "package oneseat\nfunc a(*Registry) {}", "registry.go": "package oneseat\ntype Registry struct{}"},
		"rules refers to clock of runtime":         {"admit.go": "package oneseat\nfunc a(r T) { r.clock() }\ntype T struct{}", "registry.go": "package oneseat\nfunc (T) clock() {}"},
		"a rule imports sync":                      {"roster.go": "package oneseat\nimport \"sync\"\nvar mu sync.Mutex"},
		"a rule imports context":                   {"use.go": "package oneseat\nimport \"context\"\nfunc a(context.Context) {}"},
		"a rule reads a clock: time.Now":           {"end.go": "package oneseat\nimport \"time\"\nfunc a() time.Time { return time.Now() }"},
		"Roster.Seats is public":                   {"roster.go": "package oneseat\ntype Roster struct { Realm string; Seats []int }"},
		"many takes 5 parameters":                  {"limit.go": "package oneseat\nfunc many(a, b, c, d, e int) {}"},
		"the registry reads Roster.seats: ask the": {"roster.go": "package oneseat\ntype Roster struct { seats []int }", "check.go": "package oneseat\nfunc a(ro Roster) int { return ro.seats[0] }"},
		"the registry reads seat.secret: ask the":  {"roster.go": "package oneseat\ntype seat struct { secret int }", "signin.go": "package oneseat\nvar s = seat{secret: 1}"},
		"the registry reads draft.events: ask the": {"draft.go": "package oneseat\ntype draft struct { events int }", "admin.go": "package oneseat\nfunc a(d *draft) { d.events = 0 }"},
		"a file of no layer":                       {"util.go": "package oneseat"},
	} {
		list := check(t, sources).objections()
		if len(list) != 1 || !strings.Contains(list[0], want) {
			t.Errorf("objections are %q; want one: %s", list, want)
		}
	}
	fine := map[string]string{
		"store.go":    "package oneseat\ntype View struct { Roster *Roster }\ntype Roster struct { Realm string; seats []int }",
		"judge.go":    "package oneseat\nimport \"time\"\nfunc (v View) live(now time.Time) bool { return now.After(time.Time{}) && v.Roster.seats != nil }",
		"registry.go": "package oneseat\nimport \"time\"\nfunc a(v View) bool { return v.live(time.Now()) && v.Roster.Realm != \"\" }",
	}
	if list := check(t, fine).objections(); len(list) != 0 {
		t.Errorf("objections to what is in order: %q", list)
	}
}
