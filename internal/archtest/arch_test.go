package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/oneseat/oneseat"

// pkg is what "go list" says of a package.
type pkg struct {
	ImportPath, Dir, Doc               string
	Imports, TestImports, XTestImports []string
	GoFiles                            []string
}

// name is the package's path inside the module; the root's is ".".
func (p pkg) name() string {
	if p.ImportPath == module {
		return "."
	}
	return strings.TrimPrefix(p.ImportPath, module+"/")
}

func (p pkg) tests() []string { return slices.Concat(p.TestImports, p.XTestImports) }

func goList(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...)
	cmd.Dir = filepath.Join("..", "..")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	return out
}

func packages(t *testing.T) []pkg {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(goList(t, "-json=ImportPath,Dir,Doc,Imports,TestImports,XTestImports,GoFiles", "./...")))
	var all []pkg
	for {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 5 {
		t.Fatalf("only %d packages were listed", len(all))
	}
	return all
}

// room says what may be imported by the packages that match.
type room struct {
	match   string // a path.Match pattern; the first room that matches counts
	own     []string
	also    []string // packages of other modules
	foreign bool     // all of them
	never   []string
}

// The rooms of the house. own are packages of this module, as patterns. "*" as
// a whole stands for all of them.
var rooms = []room{
	{match: "."},
	{match: "oneseathttp", own: []string{".", "internal/device", "internal/words", "oneseathttp/internal/*"}, also: []string{"github.com/rs/cors", "golang.org/x/net/publicsuffix"}},
	{match: "oneseathttp/internal/*", own: []string{"."}},
	{match: "oneseathttp/stream", own: []string{".", "internal/words", "oneseathttp", "oneseathttp/internal/*"}},
	{match: "oneseattest", own: []string{".", "oneseathttp", "store/memstore"}, never: []string{"flag", "os"}},
	{match: "api"},
	{match: "client", own: []string{".", "api"}, never: []string{"flag", "os"}},
	{match: "server", own: []string{".", "api", "oneseathttp"}, also: []string{"github.com/VictoriaMetrics/metrics", "github.com/go-json-experiment/json", "github.com/go-json-experiment/json/jsontext", "golang.org/x/time/rate"}, never: []string{"flag", "os"}},
	{match: "store/storetest", own: []string{".", "internal/histories", "internal/model", "internal/record"}, foreign: true, never: []string{"database/sql", "net/http", "modernc.org/"}},
	{match: "store/memstore", own: []string{"."}, never: []string{"net/http", "database/sql"}},
	{match: "store/internal/fixture", own: []string{".", "internal/record"}},
	{match: "store/internal/*", own: []string{"."}},
	{match: "store/*", own: []string{".", "store/internal/turns", "store/internal/decoded"}, foreign: true, never: []string{"net/http"}},
	{match: "internal/demo", own: []string{".", "internal/words", "oneseathttp", "oneseathttp/stream"}, foreign: true, never: []string{"modernc.org/", "flag", "os"}},
	{match: "internal/archtest"},
	{match: "internal/record", own: []string{"."}},
	{match: "internal/device", own: []string{"."}},
	{match: "internal/words"},
	{match: "internal/*", own: []string{"*"}, foreign: true},
	{match: "cmd/oneseat", own: []string{"*"}, foreign: true, never: []string{module + "/internal/record"}},
}

func roomOf(p pkg) (room, bool) {
	i := slices.IndexFunc(rooms, func(r room) bool { ok, _ := path.Match(r.match, p.name()); return ok })
	if i < 0 {
		return room{}, false
	}
	return rooms[i], true
}

// objection says why a room may not have an import, or nothing.
func (r room) objection(imported string) string {
	if slices.ContainsFunc(r.never, func(n string) bool {
		return imported == n || strings.HasSuffix(n, "/") && strings.HasPrefix(imported, n)
	}) {
		return "never"
	}
	own := pkg{ImportPath: imported}.name()
	switch {
	case imported == module || strings.HasPrefix(imported, module+"/"):
		if !slices.ContainsFunc(r.own, func(o string) bool { ok, _ := path.Match(o, own); return o == "*" || ok }) {
			return "not that part of the house"
		}
	case !standard(imported) && !r.foreign && !slices.Contains(r.also, imported):
		return "that module is not for this part of the house"
	}
	return ""
}

// standard reports whether a path is of the standard library: no other begins
// with a word without a dot.
func standard(imported string) bool {
	host, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(host, ".")
}

func TestEachPackageImportsWhatItsRoomAllows(t *testing.T) {
	for _, p := range packages(t) {
		r, ok := roomOf(p)
		if !ok {
			t.Errorf("%s belongs to no room: say in archtest what it may import", p.name())
			continue
		}
		for _, imported := range p.Imports {
			if why := r.objection(imported); why != "" {
				t.Errorf("%s imports %s: %s", p.name(), imported, why)
			}
		}
	}
}

func TestTheRootNeedsNothingButTheStandardLibrary(t *testing.T) {
	for imported := range strings.FieldsSeq(string(goList(t, "-deps", "."))) {
		if imported != module && !standard(imported) {
			t.Errorf("the root depends on %s", imported)
		}
	}
}

func TestTheRootsTestsNeedNoDriver(t *testing.T) {
	for _, p := range packages(t) {
		if p.name() != "." {
			continue
		}
		for _, imported := range p.tests() {
			store := strings.HasPrefix(imported, module+"/store/")
			if imported == "database/sql" || strings.HasPrefix(imported, "modernc.org/") || strings.HasPrefix(imported, "github.com/redis/") || store && path.Base(imported) != "memstore" && path.Base(imported) != "storetest" {
				t.Errorf("a test of the root imports %s", imported)
			}
		}
	}
}

func TestStoresAndSitesMeetInTheCommandOnly(t *testing.T) {
	for _, p := range packages(t) {
		stores := slices.ContainsFunc(p.Imports, func(i string) bool { return strings.HasPrefix(i, module+"/store/") })
		if stores && slices.Contains(p.Imports, module+"/oneseathttp") && p.name() != "cmd/oneseat" && p.name() != "oneseattest" {
			t.Errorf("%s wires a store to the web", p.name())
		}
		if slices.Contains(p.Imports, module+"/oneseattest") {
			t.Errorf("%s imports what is for tests", p.name())
		}
		for _, i := range []string{"flag", "os/signal"} {
			if slices.Contains(p.Imports, i) && p.name() != "cmd/oneseat" {
				t.Errorf("%s imports %s", p.name(), i)
			}
		}
	}
}

// chance are the packages, and in the root package the files, that may use the
// generator which is not for secrets.
var chance = []string{"background.go", "store/storetest", "internal/simulate", "internal/faults", "internal/histories", "internal/demo"}

func TestNoSecretComesFromAGeneratorThatIsNotForSecrets(t *testing.T) {
	found := 0
	for _, p := range packages(t) {
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(f.Imports, func(i *ast.ImportSpec) bool { return strings.HasPrefix(i.Path.Value, `"math/rand`) }) {
				continue
			}
			found++
			if !slices.Contains(chance, p.name()) && (p.name() != "." || !slices.Contains(chance, name)) {
				t.Errorf("%s/%s imports math/rand: secrets and ids are from crypto/rand", p.name(), name)
			}
		}
	}
	if found == 0 {
		t.Error("nothing imports math/rand, so nothing was looked at")
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	for _, p := range packages(t) {
		word := "Package "
		if strings.HasPrefix(p.name(), "cmd/") {
			word = "Command "
		}
		if !strings.HasPrefix(p.Doc, word+path.Base(p.ImportPath)+" ") {
			t.Errorf("%s: its comment begins %q, not %q", p.name(), p.Doc, word+path.Base(p.ImportPath))
		}
		if base := path.Base(p.ImportPath); base == "util" || base == "common" || base == "helpers" {
			t.Errorf("%s: a name that says nothing", p.name())
		}
	}
}

func TestNothingRunsBeforeMainAndNoGlobalWaitsToBeSet(t *testing.T) {
	for _, p := range packages(t) {
		for _, name := range p.GoFiles {
			files := token.NewFileSet()
			f, err := parser.ParseFile(files, filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range f.Decls {
				switch d := d.(type) {
				case *ast.FuncDecl:
					if d.Name.Name == "init" && d.Recv == nil {
						t.Errorf("%s: an init function", files.Position(d.Pos()))
					}
				case *ast.GenDecl:
					for _, v := range unset(d) {
						t.Errorf("%s: %s has no value: what is meant to change belongs in a struct", files.Position(v.Pos()), v.Name)
					}
				}
			}
		}
	}
}

// unset returns the package variables of a declaration that have no value, but
// for embedded files.
func unset(d *ast.GenDecl) []*ast.Ident {
	if d.Tok != token.VAR {
		return nil
	}
	var names []*ast.Ident
	for _, s := range d.Specs {
		v := s.(*ast.ValueSpec)
		if len(v.Values) == 0 && !embeds(d.Doc) && !embeds(v.Doc) {
			names = append(names, v.Names...)
		}
	}
	return names
}

func embeds(c *ast.CommentGroup) bool {
	return c != nil && slices.ContainsFunc(c.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed ") })
}

// The tests above pass on a tree that is in order. This one shows that they fail
// on a tree that is not.
func TestARoomObjectsToWhatItForbids(t *testing.T) {
	for _, c := range []struct {
		name, imported string
		fine           bool
	}{
		{".", "net/netip", true}, {".", "golang.org/x/crypto/argon2", false}, {".", module + "/store/memstore", false},
		{"store/memstore", module, true}, {"store/memstore", module + "/store/sqlitestore", false}, {"store/memstore", "modernc.org/sqlite", false},
		{"store/sqlitestore", "modernc.org/sqlite", true}, {"store/sqlitestore", "net/http", false}, {"store/sqlitestore", module + "/store/memstore", false},
		{"store/redisstore", "github.com/redis/rueidis", true}, {"store/redisstore", "net/http", false}, {"store/redisstore", module + "/store/sqlitestore", false},
		{"store/storetest", module + "/internal/record", true}, {"store/sqlitestore", module + "/internal/record", false}, {"oneseathttp", module + "/internal/record", false}, {"internal/demo", module + "/internal/record", false},
		{"internal/record", module, true}, {"internal/record", module + "/internal/model", false}, {"internal/record", "pgregory.net/rapid", false},
		{"store/storetest", "pgregory.net/rapid", true}, {"store/storetest", module + "/store/memstore", false}, {"store/storetest", "modernc.org/sqlite", false},
		{"oneseathttp", "net/http", true}, {"oneseathttp", module, true}, {"oneseathttp", module + "/store/memstore", false}, {"oneseathttp", "golang.org/x/net/http2", false}, {"oneseathttp", "golang.org/x/net/publicsuffix", true}, {"oneseathttp/stream", "github.com/rs/cors", false},
		{"oneseathttp/stream", module + "/oneseathttp", true}, {"oneseathttp", module + "/oneseathttp/stream", false},
		{"oneseattest", module + "/store/memstore", true}, {"oneseattest", module + "/store/sqlitestore", false}, {"oneseattest", "github.com/rs/cors", false},
		{"internal/demo", module + "/oneseathttp", true}, {"internal/demo", module + "/store/memstore", false}, {"internal/demo", "modernc.org/sqlite", false}, {"internal/demo", "os", false},
		{"cmd/oneseat", module + "/store/sqlitestore", true}, {"cmd/oneseat", module + "/internal/record", false},
	} {
		r, ok := roomOf(pkg{ImportPath: path.Join(module, c.name)})
		if why := r.objection(c.imported); !ok || (why == "") != c.fine {
			t.Errorf("%s importing %s: %q", c.name, c.imported, why)
		}
	}
	if _, ok := roomOf(pkg{ImportPath: module + "/server/admin"}); ok {
		t.Error("an unknown package has a room")
	}
}
