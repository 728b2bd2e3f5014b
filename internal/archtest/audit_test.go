package archtest

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// logLine is a log line of the code, or a row of docs/audit.md: then message may be the
// beginning only.
type logLine struct {
	where, message string
	begins         bool // message is the beginning
	levels, fields []string
}

func (l logLine) String() string {
	return fmt.Sprintf("%s: %q at %v with %v", l.where, l.message, l.levels, l.fields)
}

// is reports whether a line of the code is that of a row.
func (l logLine) is(row logLine) bool {
	return l.where == row.where && (l.message == row.message || row.begins && strings.HasPrefix(l.message, row.message)) &&
		slices.Equal(l.levels, row.levels) && slices.Equal(l.fields, row.fields)
}

var (
	auditHead    = regexp.MustCompile("^### `([\\w/]+)`")
	auditCode    = regexp.MustCompile("`([^`]+)`")
	auditLevel   = regexp.MustCompile(`\b(debug|info|warn|error)(?:ing)?\b`)
	pythonLog    = regexp.MustCompile(`\blog\.(\w+)\(\s*(f?)"((?:[^"\\]|\\.)*)"`)
	pythonAnyLog = regexp.MustCompile(`\blog\.\w+\(|\bwarnings\.warn\(|\bprint\(`)
)

// logRows are the rows of the part of a page about log lines.
func logRows(page string) (rows []logLine) {
	_, page, _ = strings.Cut(page, "\n## Log lines\n")
	where := ""
	for line := range strings.Lines(page) {
		if m := auditHead.FindStringSubmatch(line); m != nil {
			where = m[1]
		}
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 5 || !strings.HasPrefix(strings.TrimSpace(cells[1]), "`") {
			continue
		}
		m := auditCode.FindStringSubmatch(cells[1])
		row := logLine{where: where, message: m[1], begins: strings.Contains(cells[1], "…")}
		for _, m := range auditLevel.FindAllStringSubmatch(cells[2], -1) {
			row.levels = append(row.levels, m[1])
		}
		for _, m := range auditCode.FindAllStringSubmatch(cells[3], -1) {
			row.fields = append(row.fields, m[1])
		}
		slices.Sort(row.levels)
		slices.Sort(row.fields)
		rows = append(rows, row)
	}
	return rows
}

// logLevels are the methods of slog.Logger, and of the package, that write a line, with
// their levels and the place of the message among the arguments.
var logLevels = map[string]struct {
	level   string // "": it is an argument
	message int
}{
	"Debug": {"debug", 0}, "Info": {"info", 0}, "Warn": {"warn", 0}, "Error": {"error", 0},
	"DebugContext": {"debug", 1}, "InfoContext": {"info", 1}, "WarnContext": {"warn", 1}, "ErrorContext": {"error", 1},
	"Log": {"", 2}, "LogAttrs": {"", 2},
}

// notLogged are calls of these names that log nothing.
var notLogged = regexp.MustCompile(`^(http\.Error|t\.Error|b\.Error|t\.Log|b\.Log|rt\.Error)$`)

// text returns the value of a constant text that is written in one place.
func text(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(e.Value)
		return s, err == nil && e.Kind == token.STRING
	case *ast.BinaryExpr:
		a, ok := text(e.X)
		b, too := text(e.Y)
		return a + b, ok && too && e.Op == token.ADD
	}
	return "", false
}

// logLines are the log lines of a file in Go. lists are those of messages which are written
// elsewhere than in the call: elements of composite literals with a level and a text.
func logLines(t *testing.T, where, file string, source any) (lines []logLine) {
	t.Helper()
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, file, source, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range parsed.Decls {
		var tabled [][2]string // messages and their levels in a table of this declaration
		ast.Inspect(d, func(n ast.Node) bool {
			if list, ok := n.(*ast.CompositeLit); ok && len(list.Elts) == 2 {
				if level, ok := list.Elts[0].(*ast.SelectorExpr); ok && strings.HasPrefix(types.ExprString(level), "slog.Level") {
					if s, ok := text(list.Elts[1]); ok {
						tabled = append(tabled, [2]string{s, strings.ToLower(strings.TrimPrefix(level.Sel.Name, "Level"))})
					}
				}
			}
			return true
		})
		for _, m := range tabled {
			lines = append(lines, logLine{where: where, message: m[0], levels: []string{m[1]}, fields: []string{"?"}})
		}
		ast.Inspect(d, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			method, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || notLogged.MatchString(types.ExprString(call.Fun)) {
				return true
			}
			if strings.HasPrefix(types.ExprString(call.Fun), "log.") && strings.HasPrefix(method.Sel.Name, "Print") {
				t.Errorf("%s: it logs without slog", files.Position(call.Pos()))
			}
			how, ok := logLevels[method.Sel.Name]
			if !ok || len(call.Args) <= how.message {
				return true
			}
			l := logLine{where: where}
			message, constant := text(call.Args[how.message])
			l.message = message
			if how.level != "" {
				l.levels = []string{how.level}
				for i, a := range call.Args[how.message+1:] {
					if name, ok := text(a); ok && i%2 == 0 {
						l.fields = append(l.fields, name)
					}
				}
			}
			if how.level == "" || call.Ellipsis.IsValid() { // what the function makes before
				ast.Inspect(d, func(n ast.Node) bool {
					if e, ok := n.(*ast.SelectorExpr); ok && types.ExprString(e.X) == "slog" {
						if level, ok := strings.CutPrefix(e.Sel.Name, "Level"); ok && level != "" {
							l.levels = append(l.levels, strings.ToLower(level))
						}
					}
					if c, ok := n.(*ast.CallExpr); ok && strings.HasPrefix(types.ExprString(c.Fun), "slog.") && len(c.Args) == 2 {
						if name, ok := text(c.Args[0]); ok {
							l.fields = append(l.fields, name)
						}
					}
					return true
				})
			}
			slices.Sort(l.levels)
			slices.Sort(l.fields)
			l.fields = slices.Compact(l.fields)
			if !constant {
				if types.ExprString(call.Args[how.message]) != "line.text" {
					t.Errorf("%s: the message of a log line is no constant text, so docs/audit.md cannot have it", files.Position(call.Pos()))
				}
				l.message = "?" // that of each line of a table
			}
			lines = append(lines, l)
			return true
		})
	}
	return lines
}

// fromTables gives the lines of a table the fields of the call that writes them.
func fromTables(lines []logLine) (all []logLine) {
	call := slices.IndexFunc(lines, func(l logLine) bool { return l.message == "?" })
	for _, l := range lines {
		if slices.Equal(l.fields, []string{"?"}) && call >= 0 {
			l.fields = lines[call].fields
		}
		if l.message != "?" {
			all = append(all, l)
		}
	}
	return all
}

// logged are the log lines of all that a site has in production.
func logged(t *testing.T) (lines []logLine) {
	t.Helper()
	for where, folder := range map[string]string{
		"oneseat": ".", "oneseathttp": "oneseathttp", "server": "server", "client": "client", "cmd/oneseat": "cmd/oneseat",
		"store/memstore": "store/memstore", "store/sqlitestore": "store/sqlitestore", "store/pgstore": "store/pgstore", "store/redisstore": "store/redisstore",
		"oneseathttp/stream": "oneseathttp/stream", "api": "api", "internal/device": "internal/device",
	} {
		names, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(folder), "*.go"))
		if err != nil || len(names) == 0 {
			t.Fatalf("no Go files are found in %s: %v", folder, err)
		}
		var some []logLine
		for _, name := range names {
			if !strings.HasSuffix(name, "_test.go") {
				some = append(some, logLines(t, where, name, nil)...)
			}
		}
		lines = append(lines, fromTables(some)...)
	}
	names, err := filepath.Glob(filepath.Join("..", "..", "clients", "django", "oneseat_django", "*.py"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no files of the Django app are found: %v", err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		found := pythonLog.FindAllStringSubmatch(string(b), -1)
		for _, m := range found {
			if m[2] != "" {
				t.Errorf("%s: the message of a log line is no constant text: %s", name, m[0])
			}
			l := logLine{where: "oneseat_django", message: m[3], levels: []string{m[1]}}
			if m[1] == "warning" {
				l.levels = []string{"warn"}
			}
			lines = append(lines, l)
		}
		if all := len(pythonAnyLog.FindAllString(string(b), -1)); all != len(found) {
			t.Errorf("%s has %d log lines, of which %d can be read", name, all, len(found))
		}
	}
	slices.SortFunc(lines, func(a, b logLine) int { return cmp.Compare(a.String(), b.String()) })
	return lines
}

// AUD-09: every log line of the code is in docs/audit.md, with its level and its fields, and
// every one of the page is in the code.
func TestEveryLogLineIsInTheInventory(t *testing.T) {
	rows, lines := logRows(readTop(t, "docs/audit.md")), logged(t)
	if len(rows) < 50 || len(lines) < 50 {
		t.Fatalf("the page has %d rows, the code %d log lines", len(rows), len(lines))
	}
	for _, l := range lines {
		if !slices.ContainsFunc(rows, l.is) {
			t.Errorf("docs/audit.md lacks %v", l)
		}
	}
	for _, row := range rows {
		if !slices.ContainsFunc(lines, func(l logLine) bool { return l.is(row) }) {
			t.Errorf("no code logs %v", row)
		}
	}
}

// What the test above reads is what slog would write: each way to write a line is found.
func TestLogLinesAreFoundHoweverTheyAreWritten(t *testing.T) {
	lines := fromTables(logLines(t, "p", "p.go", `package p
var table = []struct{}{{slog.LevelWarn, "in a table"}}
func f() {
	log.Warn("one", "a", x, "b", 1)
	s.config.Logger.ErrorContext(ctx, "two "+"parts", "c", err)
	slog.Default().With("x", 1).Info("three")
	attrs := []slog.Attr{slog.String("d", ""), slog.Int("e", 1)}
	http.Error(w, "not logged", 500)
}
func g() { r.log.LogAttrs(ctx, line.level, line.text, slog.String("h", "")) }
func h() { slog.Log(ctx, slog.LevelDebug, "four", slog.Bool("i", true)) }
`))
	var got []string
	for _, l := range lines {
		got = append(got, l.String())
	}
	slices.Sort(got)
	want := []string{
		`p: "four" at [debug] with [i]`, `p: "in a table" at [warn] with [h]`, `p: "one" at [warn] with [a b]`,
		`p: "three" at [info] with []`, `p: "two parts" at [error] with [c]`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("found %q\nwant %q", got, want)
	}
}

// constantsOf are the values of the constants of a type in a file at the top.
func constantsOf(t *testing.T, name, of string) (all []string) {
	t.Helper()
	for _, m := range regexp.MustCompile(`(?m)^\s+\w+\s+`+of+`\s+= "(\w+)"`).FindAllStringSubmatch(readTop(t, name), -1) {
		all = append(all, m[1])
	}
	if len(all) < 5 {
		t.Fatalf("%s has %d constants of type %s", name, len(all), of)
	}
	slices.Sort(all)
	return all
}

// firstCells are what is in code in the first cells of the tables in a part of a page.
func firstCells(page, from, to string) (all []string) {
	_, page, _ = strings.Cut(page, "\n"+from+"\n")
	page, _, _ = strings.Cut(page, "\n"+to+"\n")
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\|").FindAllStringSubmatch(page, -1) {
		all = append(all, m[1])
	}
	slices.Sort(all)
	return all
}

// AUD-09: every reason of the code is in docs/audit.md, and none that is not.
func TestEveryReasonIsInTheInventory(t *testing.T) {
	if got, want := firstCells(readTop(t, "docs/audit.md"), "### Reasons", "### What is no event"), constantsOf(t, "session.go", "Reason"); !slices.Equal(got, want) {
		t.Errorf("docs/audit.md has the reasons %q, the code %q", got, want)
	}
}

// AUD-09: how long events are kept is what the stores do.
func TestHowLongEventsAreKeptIsAsThePageSays(t *testing.T) {
	page := readTop(t, "docs/audit.md")
	_, page, _ = strings.Cut(page, "\n### How long\n")
	page, _, _ = strings.Cut(page, "\n## ")
	for _, kept := range []struct{ file, code, says string }{
		{"store/pgstore/trim.go", "keepEvents = 30 * 24 * time.Hour", "SQLite, PostgreSQL | 30 days"},
		{"store/sqlitestore/trim.go", "keepEvents = 30 * 24 * time.Hour", "SQLite, PostgreSQL | 30 days"},
		{"store/redisstore/trim.go", "keepEvents = 30 * 24 * time.Hour", "Redis | 30 days"},
		{"store/redisstore/update.go", `keepEntries = "16384"`, "more than some 16,384 updates"},
		{"store/memstore/memstore.go", "keepLog = 1 << 16", "the last 65,536 to 81,920 updates"},
	} {
		if !strings.Contains(readTop(t, kept.file), kept.code) {
			t.Errorf("%s no longer has %q: say in docs/audit.md how long events are kept, and here", kept.file, kept.code)
		}
		if !strings.Contains(page, kept.says) {
			t.Errorf("docs/audit.md does not say %q", kept.says)
		}
	}
}
