package mutants

import (
	"cmp"
	"flag"
	"fmt"
	"hash/fnv"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var which = flag.String("mutants", "sample", `"sample", "all", "untried" (functions that changed since all their mutants were tried), or names of mutants, of functions or of files, or "by hand", with semicolons between`)

var record = flag.Bool("record", false, "write down the functions whose mutants were all tried, and caught or listed, for the sample")

// The ordinary go test tries this many mutants. It tries other ones whenever the
// root package or its tests change. It tries generated mutants only of functions
// that have not changed since all their mutants were tried.
const (
	sampleByHand    = 10
	sampleGenerated = 50
)

// triedFile has a line for each function whose mutants were all tried, and caught or
// listed: the sum of its text then, and its name.
var triedFile = filepath.Join("testdata", "tried.txt")

// covered are the files of the root package of which its tests run every
// statement, of all others nearly every one.
var covered = []string{
	"admit.go", "block.go", "cache.go", "draft.go", "end.go", "judge.go", "limit.go", "roster.go", "stream.go", "takeover.go", "ticket.go", "use.go",
}

// whole are the files that no operator breaks: they are neither rules nor what
// carries them out. Golden files, a fuzzer and the round trip of every field hold
// the stored forms; errors are words for people; tables hold the configuration.
var whole = []string{"codec.go", "codecplain.go", "config.go", "context.go", "doc.go", "errors.go", "event.go"}

var root = filepath.Join("..", "..")

// bred is the root package with all its mutants.
type bred struct {
	*source
	mutants []*Mutant // that compile
	marks   []mark
	texts   map[string][]byte
}

// breed makes the mutants of a package.
func breed(t *testing.T, s *source, byHand []Mistake) bred {
	t.Helper()
	if err := s.check(); err != nil {
		t.Fatal(err)
	}
	mutants, wraps, marks, err := s.generate(byHand)
	if err != nil {
		t.Fatal(err)
	}
	texts, gone, err := s.schemata(wraps)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutants {
		if why := gone[m.number]; why != "" && m.Function == "" {
			t.Errorf("%q does not compile: %s", m.Name, why)
		}
	}
	mutants = slices.DeleteFunc(mutants, func(m *Mutant) bool { return gone[m.number] != "" })
	return bred{s, mutants, marks, texts}
}

func breedRoot(t *testing.T) bred {
	t.Helper()
	s, err := read(root)
	if err != nil {
		t.Fatal(err)
	}
	s.whole = whole
	return breed(t, s, ByHand)
}

func TestEveryMutantIsCaught(t *testing.T) {
	began := time.Now()
	b := breedRoot(t)
	for _, name := range doubles(b.mutants) {
		t.Errorf("%q: there are two of that name", name)
	}
	s := compile(t, b.texts)
	s.record(t)
	if t.Failed() {
		return
	}
	for _, m := range b.marks {
		if slices.Contains(covered, m.where.Filename) && !slices.ContainsFunc(s.tests, func(r ran) bool { return r.runs[m.number] }) {
			t.Errorf("no test runs %v", m.where)
		}
	}
	t.Logf("%d mutants, %d tests, seed %x (%v)", len(b.mutants), len(s.tests), b.sum[:4], time.Since(began).Round(time.Second))
	tried := readTried(t)
	some, all := choose(t, b, tried)
	var (
		mu   sync.Mutex // guards what follows
		seen results
	)
	atOnce(len(some), func(i int) {
		m := some[i]
		listed := survivors.reason(m) != ""
		v, err := s.judge(t.Context(), m, listed)
		for again := 0; again < 2 && err == nil && !v.caught && !listed; again++ { // tests that choose at random may miss a mistake
			v, err = s.judge(t.Context(), m, listed)
		}
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			t.Errorf("%q: %v", m.Name, err)
			return
		}
		switch took := v.took.Round(10 * time.Millisecond); {
		case !v.caught:
			t.Logf("%s: %s:%d: survives (%v)", m.Name, m.Where.Filename, m.Where.Line, took)
		case !all:
			t.Logf("%s: caught in %v by %s", m.Name, took, v.by)
		}
		seen.add(m, v)
		if n := len(seen.caught) + len(seen.survived); n%500 == 0 {
			t.Logf("%d of %d (%v)", n, len(some), time.Since(began).Round(time.Second))
		}
	})
	for _, problem := range seen.problems(survivors, b.mutants, all) {
		t.Error(problem)
	}
	if *record {
		seen.record(tried, b)
		writeTried(t, tried)
	}
	t.Logf("%d caught, %d survived (%v)", len(seen.caught), len(seen.survived), time.Since(began).Round(time.Second))
}

// doubles are the names that two mutants have.
func doubles(mutants []*Mutant) (names []string) {
	seen := map[string]bool{}
	for _, m := range mutants {
		if seen[m.Name] || strings.Contains(m.Name, ";") {
			names = append(names, m.Name)
		}
		seen[m.Name] = true
	}
	return names
}

// choose returns the mutants to try, and whether they are all.
func choose(t *testing.T, b bred, tried map[string]string) (some []*Mutant, all bool) {
	t.Helper()
	switch *which {
	case "all":
		return b.mutants, true
	case "sample":
		return sample(b, tried), false
	case "untried":
		return slices.DeleteFunc(slices.Clone(b.mutants), func(m *Mutant) bool {
			return m.Function == "" || tried[m.Function] == b.sums[m.Function]
		}), false
	}
	for name := range strings.SplitSeq(*which, ";") {
		name, before := strings.TrimSpace(name), len(some)
		for _, m := range b.mutants {
			if m.Name == name || m.Function == name || m.Where.Filename == name || name == "by hand" && m.Function == "" {
				some = append(some, m)
			}
		}
		if len(some) == before {
			t.Fatalf("there is no mutant, function or file %q", name)
		}
	}
	return some, false
}

// sample is some of the mutants that are to be caught, of both kinds: other ones
// when anything in the package changes, and otherwise the same. A generated mutant
// is of a function whose mutants were all tried as it is now. So a survivor among
// them is new.
func sample(b bred, tried map[string]string) (some []*Mutant) {
	order := map[*Mutant]uint64{}
	for _, m := range b.mutants {
		h := fnv.New64a()
		_, _ = h.Write(b.sum)
		_, _ = h.Write([]byte(m.Name))
		order[m] = h.Sum64()
	}
	left := map[bool]int{true: sampleByHand, false: sampleGenerated}
	for _, m := range slices.SortedFunc(maps.Keys(order), func(a, b *Mutant) int { return cmp.Compare(order[a], order[b]) }) {
		byHand := m.Function == ""
		if survivors.reason(m) == "" && left[byHand] > 0 && (byHand || tried[m.Function] == b.sums[m.Function]) {
			left[byHand]--
			some = append(some, m)
		}
	}
	return some
}

// results are what became of the mutants that were tried.
type results struct {
	survived []*Mutant
	caught   map[*Mutant]string // and by what
}

func (r *results) add(m *Mutant, v verdict) {
	if !v.caught {
		r.survived = append(r.survived, m)
		return
	}
	if r.caught == nil {
		r.caught = map[*Mutant]string{}
	}
	r.caught[m] = v.by
}

// record notes the functions whose mutants were all tried, and are caught or listed.
func (r *results) record(tried map[string]string, b bred) {
	done := map[string]bool{} // whether all were, by function
	for _, m := range b.mutants {
		_, caught := r.caught[m]
		fine := caught && survivors.reason(m) == "" || slices.Contains(r.survived, m) && survivors.reason(m) != ""
		before, again := done[m.Function]
		done[m.Function] = fine && (before || !again)
	}
	for function, all := range done {
		if all && function != "" {
			tried[function] = b.sums[function]
		}
	}
	for function := range tried {
		if b.sums[function] == "" {
			delete(tried, function)
		}
	}
}

// readTried returns the sums of the functions that were tried, by name.
func readTried(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(triedFile)
	if err != nil {
		t.Fatal(err)
	}
	tried := map[string]string{}
	for line := range strings.Lines(string(text)) {
		sum, function, _ := strings.Cut(strings.TrimSpace(line), " ")
		tried[function] = sum
	}
	return tried
}

func writeTried(t *testing.T, tried map[string]string) {
	t.Helper()
	var text strings.Builder
	for _, function := range sortedKeys(tried) {
		fmt.Fprintln(&text, tried[function], function)
	}
	if err := os.WriteFile(triedFile, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// list is why mutants may survive, by their function, and then by the rest of
// their name.
type list map[string]map[string]string

// reason is why a mutant may survive; "" if it may not.
func (l list) reason(m *Mutant) string { return l[m.Function][m.kind()] }

// kind is a mutant's name without its function.
func (m *Mutant) kind() string { return strings.TrimPrefix(m.Name, m.Function+": ") }

// problems compares what became of the mutants with the list of survivors: every
// survivor is in it, and nothing else is. mutants are those of the package; all
// says that each was tried. Then a function with just the survivors that are
// listed for one that is gone counts as that one by another name.
func (r *results) problems(listed list, mutants []*Mutant, all bool) (problems []string) {
	for m, by := range r.caught {
		if why := listed.reason(m); why != "" {
			problems = append(problems, fmt.Sprintf("%s is caught by %s: take it from the list of survivors (%s)", m.Name, by, why))
		}
	}
	slices.Sort(problems)
	unlisted := map[string][]*Mutant{}
	for _, m := range r.survived {
		if listed.reason(m) == "" {
			unlisted[m.Function] = append(unlisted[m.Function], m)
		}
	}
	kinds := map[string][]string{}
	for _, m := range mutants {
		kinds[m.Function] = append(kinds[m.Function], m.kind())
	}
	for _, function := range sortedKeys(listed) {
		if kinds[function] == nil {
			if !all {
				continue // whether it has another name takes all of them to find out
			}
			renamed := sameSurvivors(unlisted, sortedKeys(listed[function]))
			if renamed == "" {
				problems = append(problems, function+" is in the list of survivors, and not in the package")
			}
			delete(unlisted, renamed)
			continue
		}
		for _, kind := range sortedKeys(listed[function]) {
			if !slices.Contains(kinds[function], kind) {
				problems = append(problems, fmt.Sprintf("%s: %s is in the list of survivors, and is no mutant", function, kind))
			}
		}
	}
	for _, function := range sortedKeys(unlisted) {
		for _, m := range unlisted[function] {
			problems = append(problems, fmt.Sprintf("SURVIVED: %s, in %v:\n%s\nbecomes\n%s", m.Name, m.Where, m.Was, cmp.Or(m.Is, "nothing, or zero")))
		}
	}
	return problems
}

// sameSurvivors returns the one function whose survivors are just of these kinds;
// "" if there is none, or more than one.
func sameSurvivors(unlisted map[string][]*Mutant, kinds []string) (function string) {
	for f, some := range unlisted {
		var have []string
		for _, m := range some {
			have = append(have, m.kind())
		}
		slices.Sort(have)
		if slices.Equal(have, kinds) {
			if function != "" {
				return ""
			}
			function = f
		}
	}
	return function
}

func TestSurvivorsAreHeldAgainstTheirList(t *testing.T) {
	f1, f2, g1 := &Mutant{Name: "f: drop 1", Function: "f"}, &Mutant{Name: "f: drop 2", Function: "f"}, &Mutant{Name: "g: drop 1", Function: "g"}
	package1 := []*Mutant{f1, f2, g1}
	for _, c := range []struct {
		name     string
		listed   list
		survived []*Mutant
		caught   map[*Mutant]string
		all      bool
		problems []string // how they begin
	}{
		{"nothing survives", nil, nil, map[*Mutant]string{f1: "T"}, true, nil},
		{"what survives is listed", list{"f": {"drop 1": "because"}}, []*Mutant{f1}, nil, true, nil},
		{"what survives is not listed", list{"f": {"drop 1": "because"}}, []*Mutant{f2}, nil, false, []string{"SURVIVED: f: drop 2"}},
		{"what is listed is caught", list{"f": {"drop 1": "because"}}, nil, map[*Mutant]string{f1: "T"}, false, []string{"f: drop 1 is caught by T"}},
		{"what is listed is no mutant", list{"f": {"drop 3": "because"}}, nil, nil, false, []string{"f: drop 3 is in the list"}},
		{"a function is gone", list{"h": {"drop 1": "because"}}, nil, nil, true, []string{"h is in the list"}},
		{"a function is gone, or has another name", list{"h": {"drop 1": "because"}}, nil, nil, false, nil},
		{"a function has another name", list{"h": {"drop 1": "because"}}, []*Mutant{g1}, nil, true, nil},
		{"a function has another name, and more survives", list{"h": {"drop 1": "because"}}, []*Mutant{f1, f2}, nil, true,
			[]string{"h is in the list", "SURVIVED: f: drop 1", "SURVIVED: f: drop 2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := results{survived: c.survived, caught: c.caught}
			got := r.problems(c.listed, package1, c.all)
			if !slices.EqualFunc(got, c.problems, strings.HasPrefix) {
				t.Errorf("got %q", got)
			}
		})
	}
}
