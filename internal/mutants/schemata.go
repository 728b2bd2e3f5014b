package mutants

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// kind is what stands at a place.
type kind int

const (
	conditions kind = iota // something true or false
	values                 // another expression
	lists                  // one statement or several
	marks                  // a statement as it is; who runs it is noted
	planted                // anything; the mutant is always on
)

// wrap is a place, and what may stand there instead.
type wrap struct {
	file         *file
	from, to     int
	depth        int // of two places with the same text, the one with the lower depth is around the other
	kind         kind
	typeName     string // of values
	simple       bool   // of values: the expression may be evaluated although another one takes its place
	alternatives []alternative
}

// alternative is what a mutant has at a place: nothing stands for no statement,
// and for the zero value of a value.
type alternative struct {
	number int
	text   string
}

// switches is the file that is added to a package whose mutants are switched on
// by number. With a file to write to, it notes there which ones would have done
// something.
const switches = `package %s

%simport (
	"os"
	"strconv"
	"sync/atomic"
)

var mutantOfAll, _ = strconv.Atoi(os.Getenv("` + activeVariable + `"))

var (
	mutantsSeen [%d]atomic.Bool
	mutantsLog  = mutantsLogOpened()
)

func mutantsLogOpened() *os.File {
	name := os.Getenv("` + seenVariable + `")
	if name == "" {
		return nil
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	return f
}

func mutantOn(n int) bool { return n == mutantOfAll || mutantsLog != nil && mutantSeen(n) }

func mutantSeen(n int) bool {
	if mutantsSeen[n].CompareAndSwap(false, true) {
		mutantsLog.WriteString(strconv.Itoa(n) + "\n")
	}
	return false
}

func mutantZero[T any](n int, v T) T {
	if mutantOn(n) {
		var zero T
		return zero
	}
	return v
}

func mutantPick[T any](n int, v, other T) T {
	if mutantOn(n) {
		return other
	}
	return v
}

%s`

const (
	activeVariable = "ONESEAT_MUTANT"
	seenVariable   = "ONESEAT_MUTANTS_SEEN"
)

// schemata are the texts of a package in which each mutant can be switched on by
// its number, by file. A mutant that would not compile is left out of them: gone
// has its number.
func (s *source) schemata(wraps []*wrap) (texts map[string][]byte, gone map[int]string, err error) {
	gone = map[int]string{}
	last := 0
	for _, w := range wraps {
		for _, a := range w.alternatives {
			last = max(last, a.number)
		}
	}
	imports, declared := s.names.declared()
	for range 20 {
		texts = map[string][]byte{"mutants_switches.go": fmt.Appendf(nil, switches, s.pkg.Name(), imports, last+1, declared)}
		for _, f := range s.files {
			texts[f.name] = s.render(f, wraps, gone)
		}

		wrong, err := s.wrong(texts)
		if err != nil {
			return nil, nil, err
		}
		if len(wrong) == 0 {
			return texts, gone, nil
		}
		maps.Copy(gone, wrong)
	}
	return nil, nil, errors.New("mutants are left out, and still it does not compile")
}

// render writes a file with its alternatives.
func (s *source) render(f *file, wraps []*wrap, gone map[int]string) []byte {
	var here []*wrap
	for _, w := range wraps {
		if w.file == f {
			here = append(here, w)
		}
	}
	slices.SortStableFunc(here, func(a, b *wrap) int {
		return cmp.Or(a.from-b.from, b.to-a.to, a.depth-b.depth)
	})
	r := renderer{f.text, here, gone, &bytes.Buffer{}}
	r.text(0, len(f.text))
	return r.out.Bytes()
}

type renderer struct {
	source []byte
	left   []*wrap // in order
	gone   map[int]string
	out    *bytes.Buffer
}

// text writes what is from one place to another, and the places in it.
func (r *renderer) text(from, to int) {
	for len(r.left) > 0 && r.left[0].from < to {
		w := r.left[0]
		r.left = r.left[1:]
		r.out.Write(r.source[from:w.from])
		r.wrap(w)
		from = w.to
	}
	r.out.Write(r.source[from:to])
}

// wrap writes a place. An open mark names the mutants that are to blame for a
// mistake between it and its closing mark: one mutant, or all of a place.
func (r *renderer) wrap(w *wrap) {
	some := slices.DeleteFunc(slices.Clone(w.alternatives), func(a alternative) bool { return r.gone[a.number] != "" })
	if len(some) == 0 {
		r.text(w.from, w.to)
		return
	}
	var all []string
	for _, a := range some {
		all = append(all, strconv.Itoa(a.number))
	}
	switch w.kind {
	case planted:
		r.out.WriteString(w.alternatives[0].text)
		return
	case marks:
		fmt.Fprintf(r.out, "mutantOn(%d); ", w.alternatives[0].number)
		r.text(w.from, w.to)
		return
	}
	r.out.WriteString(" /*<" + strings.Join(all, ",") + "*/")
	defer r.out.WriteString("/*>*/")
	switch w.kind {
	case conditions:
		for _, a := range some {
			switch a.text {
			case "true":
				fmt.Fprintf(r.out, "(mutantOn(%d) || ", a.number)
			case "false":
				fmt.Fprintf(r.out, "(!mutantOn(%d) && ", a.number)
			default:
				fmt.Fprintf(r.out, "(mutantOn(%[1]d) && (/*<%[1]d*/%[2]s/*>*/) || !mutantOn(%[1]d) && ", a.number, a.text)
			}
		}
		r.out.WriteString("(")
		r.text(w.from, w.to)
		r.out.WriteString(strings.Repeat(")", len(some)+1))
	case values:
		var after []string
		for _, a := range some {
			switch {
			case a.text == "":
				fmt.Fprintf(r.out, "mutantZero[%s](%d, ", w.typeName, a.number)
				after = append(after, ")")
			case w.simple:
				fmt.Fprintf(r.out, "mutantPick[%s](%d, ", w.typeName, a.number)
				after = append(after, fmt.Sprintf(", /*<%d*/%s/*>*/)", a.number, a.text))
			default:
				fmt.Fprintf(r.out, "func() %[2]s { if mutantOn(%[1]d) { return /*<%[1]d*/%[3]s/*>*/ }; return ", a.number, w.typeName, a.text)
				after = append(after, " }()")
			}
		}
		r.text(w.from, w.to)
		slices.Reverse(after)
		r.out.WriteString(strings.Join(after, ""))
	case lists:
		for _, a := range some {
			if a.text == "" {
				fmt.Fprintf(r.out, "if !mutantOn(%d) { ", a.number)
			} else {
				fmt.Fprintf(r.out, "if mutantOn(%[1]d) { /*<%[1]d*/%[2]s/*>*/ } else { ", a.number, a.text)
			}
		}
		r.text(w.from, w.to)
		r.out.WriteString(strings.Repeat(" }", len(some)))
	}
}

// wrong returns the mutants that are to blame for what does not compile in these
// texts, and why.
func (s *source) wrong(texts map[string][]byte) (map[int]string, error) {
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range sortedKeys(texts) {
		f, err := parser.ParseFile(fset, name, texts[name], parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("a mutant is no Go: %w", err)
		}
		files = append(files, f)
	}
	wrong := map[int]string{}
	var unknown error
	config := types.Config{Importer: s.imports, Error: func(err error) {
		e, ok := errors.AsType[types.Error](err)
		if !ok {
			unknown = cmp.Or(unknown, err)
			return
		}
		at := fset.Position(e.Pos)
		blamed := blame(texts[at.Filename], at.Offset)
		if len(blamed) == 0 && strings.HasPrefix(e.Msg, "\t") { // more about the one before
			return
		}
		if len(blamed) == 0 {
			unknown = cmp.Or[error](unknown, fmt.Errorf("no mutant is to blame for %w in\n%s", err, around(texts[at.Filename], at.Offset)))
		}
		for _, n := range blamed {
			wrong[n] = e.Msg
		}
	}}
	_, _ = config.Check(s.pkg.Path(), fset, files, nil) // every error has been seen
	if len(wrong) > 0 {
		return wrong, nil
	}
	return nil, unknown
}

// blame finds the innermost mark around a place.
func blame(text []byte, at int) []int {
	closed := 0
	for at > 0 {
		i := bytes.LastIndex(text[:at], []byte("/*"))
		if i < 0 {
			return nil
		}
		at = i
		switch mark := text[i+2:]; {
		case bytes.HasPrefix(mark, []byte(">")):
			closed++
		case bytes.HasPrefix(mark, []byte("<")) && closed > 0:
			closed--
		case bytes.HasPrefix(mark, []byte("<")):
			end := bytes.Index(mark, []byte("*/"))
			var some []int
			for n := range strings.SplitSeq(string(mark[1:end]), ",") {
				if n, err := strconv.Atoi(n); err == nil {
					some = append(some, n)
				}
			}
			return some
		}
	}
	return nil
}

func around(text []byte, at int) []byte {
	from := bytes.LastIndexByte(text[:at], '\n') + 1
	if end := bytes.IndexByte(text[at:], '\n'); end >= 0 {
		return text[from : at+end]
	}
	return text[from:]
}
