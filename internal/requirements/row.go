package requirements

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/oneseat/oneseat/internal/mutants"
)

// Row is a requirement of docs/requirements.md.
type Row struct {
	ID      string
	Breaks  []Break
	Decided string // why nothing can break it, if there are no breaks
}

// Break is one way to break a promise, and the test that has to fail then.
type Break struct {
	How   Mistake
	Test  Test
	Hangs bool // the test shows the mistake by waiting without end for something that never happens
	Reads bool // the test reads the file with the mistake, instead of running what was compiled
}

// Test is a test of the package in a directory, from the root of the tree. Name
// may go on with the names of subtests, after slashes. In clients/django it is what
// Python's unittest calls it.
type Test struct {
	Dir, Name string
}

// Proof is how docs/requirements.md names the test: after its function, or as a
// promise of store/storetest.
func (t Test) Proof() string {
	function, promise, sub := strings.Cut(t.Name, "/")
	if t.python() {
		return t.Name[strings.LastIndexByte(t.Name, '.')+1:]
	}
	if sub && slices.Contains([]string{"TestStoreKeepsTheContract", "TestStoreContract", "TestApplications"}, function) {
		return promise
	}
	return function
}

func (t Test) python() bool { return t.Dir == django }

// django is the directory of the app for Django, which is Python.
const django = "clients/django"

// Mistake is what breaks a promise: one of internal/mutants, or a text that another
// replaces.
type Mistake struct {
	code           *mutants.Mistake
	story          string // of mutants.ByHand
	file, old, new string
}

// story is a mistake that internal/mutants tells of.
func story(name string) Mistake { return Mistake{story: name} }

// code is a mistake in the package in dir. The pattern find is at exactly one place in
// a function. The mistake puts with there instead ("" leaves a statement out).
// internal/mutants says what a pattern is.
func code(dir, find, with string) Mistake { return near(dir, "", find, with) }

// near does what code does, for a pattern that is at one place of a function which has
// context too.
func near(dir, context, find, with string) Mistake {
	return Mistake{code: &mutants.Mistake{Name: find, Dir: dir, Edits: []mutants.Edit{{Near: context, Find: find, With: with}}}}
}

// text is for a mistake that is not Go, or in no function. In the file, instead
// replaces old, which is there exactly once. Such a mistake is compiled by itself,
// which takes longer.
func text(file, old, instead string) Mistake { return Mistake{file: file, old: old, new: instead} }

// in says which test has to fail.
func (m Mistake) in(dir, test string) Break { return Break{How: m, Test: Test{dir, test}} }

// readBy does what in does, for a test that reads the file, such as those of the Django
// app.
func (m Mistake) readBy(dir, test string) Break {
	b := m.in(dir, test)
	b.Reads = true
	return b
}

// hangs does what in does, for a test that waits without end when the mistake is made.
func (m Mistake) hangs(dir, test string) Break {
	b := m.in(dir, test)
	b.Hangs = true
	return b
}

// Rows are those of docs/requirements.md, in its order.
var Rows = slices.Concat(limits, tokens, timeouts, endings, stores, calls, records, web, events, owners, privacy, operation)

// Some returns the rows of these names. A name is that of a row, or of a group of
// rows. Without names it returns all rows. unknown is the first name that no row has;
// then there are no rows.
func Some(names []string) (rows []Row, unknown string) {
	if len(names) == 0 {
		return Rows, ""
	}
	known := func(name string) func(Row) bool {
		return func(r Row) bool { return r.ID == name || strings.HasPrefix(r.ID, name+"-") }
	}
	for _, name := range names {
		if !slices.ContainsFunc(Rows, known(name)) {
			return nil, name
		}
	}
	for _, r := range Rows {
		if slices.ContainsFunc(names, func(name string) bool { return known(name)(r) }) {
			rows = append(rows, r)
		}
	}
	return rows, ""
}

// mutant returns the mistake of internal/mutants, which can be switched on; ok is false
// for a text that another replaces.
func (m Mistake) mutant() (code mutants.Mistake, ok bool, err error) {
	if m.story != "" {
		code, err = mutants.Named(m.story)
		return code, true, err
	}
	if m.code != nil {
		return *m.code, true, nil
	}
	return code, false, nil
}

// check returns an error unless the mistake can still be made in the tree at root.
func (m Mistake) check(root string) error {
	code, ok, err := m.mutant()
	if ok && err == nil {
		err = code.Check(root)
	}
	if ok {
		return err
	}
	text, err := os.ReadFile(filepath.Join(root, m.file)) // ours
	if n := strings.Count(string(text), m.old); err == nil && n != 1 {
		err = fmt.Errorf("%s has changed: what is to be replaced is there %d times", m.file, n)
	}
	return err
}

// String names the story, or shows what becomes of the code.
func (m Mistake) String() string {
	switch {
	case m.story != "":
		return "the story " + strconv.Quote(m.story)
	case m.code != nil:
		e := m.code.Edits[0]
		return fmt.Sprintf("%s in %s, which becomes %s", e.Find, m.code.Dir, cmp.Or(e.With, "nothing"))
	}
	return fmt.Sprintf("%s in %s, which becomes %s", m.old, m.file, cmp.Or(m.new, "nothing"))
}
