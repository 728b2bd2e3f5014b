package mutants

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"slices"
	"strings"
	"testing"
)

const small = `package small

import (
	"errors"
	"slices"
	"sync"
	"time"
)

const window = time.Minute

type seat struct {
	mu   sync.Mutex
	id   string
	seen time.Time
	used []int
}

func (s *seat) live(now time.Time, strict bool) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.id == "" || strict && now.Before(s.seen.Add(window)) {
		return false, errors.New("nobody")
	}
	s.used = append(slices.Clip(s.used), 1)
	return len(s.used) < 3, nil
}

func newest(seats []*seat) (n int) {
	for i, s := range seats {
		if s.seen.Compare(seats[n].seen) > 0 {
			n = i
		}
	}
	return n
}
`

// smallMutants are all that come of it, in order.
const smallMutants = `const window: half: window => (window) / 2
const window: double: window => 2 * (window)
(*seat).live: condition never 1: s.id == "" || strict && now.Before(s.seen.Add(window)) => false
(*seat).live: condition always 1: s.id == "" || strict && now.Before(s.seen.Add(window)) => true
(*seat).live: drop operand 1: s.id == "" || strict && now.Before(s.seen.Add(window)) => strict && now.Before(s.seen.Add(window))
(*seat).live: drop operand 2: s.id == "" || strict && now.Before(s.seen.Add(window)) => s.id == ""
(*seat).live: drop operand 3: strict && now.Before(s.seen.Add(window)) => now.Before(s.seen.Add(window))
(*seat).live: drop operand 4: strict && now.Before(s.seen.Add(window)) => strict
(*seat).live: shift comparison 1: now.Before(s.seen.Add(window)) => !now.After(s.seen.Add(window))
(*seat).live: zero argument 1: s.seen.Add(window) => 
(*seat).live: zero result 1: errors.New("nobody") => 
(*seat).live: drop statement 1: s.used = append(slices.Clip(s.used), 1) => 
(*seat).live: drop copy 1: slices.Clip(s.used) => s.used
(*seat).live: zero argument 2: s.used => 
(*seat).live: raise number 1: 1 => (1) + 1
(*seat).live: false result 1: len(s.used) < 3 => false
(*seat).live: true result 1: len(s.used) < 3 => true
(*seat).live: shift comparison 2: len(s.used) < 3 => len(s.used) <= 3
(*seat).live: raise number 2: 3 => (3) + 1
newest: drop loop 1: for i, s := range seats { if s.seen.Compare(seats[n].seen) > 0 { n = i } } => 
newest: condition never 1: s.seen.Compare(seats[n].seen) > 0 => false
newest: condition always 1: s.seen.Compare(seats[n].seen) > 0 => true
newest: shift comparison 1: s.seen.Compare(seats[n].seen) > 0 => s.seen.Compare(seats[n].seen) >= 0
newest: reverse order 1: s.seen.Compare(seats[n].seen) => -s.seen.Compare(seats[n].seen)
newest: zero argument 1: seats[n].seen => 
newest: raise number 1: 0 => (0) + 1
newest: drop statement 1: n = i => 
newest: zero result 1: n => 
`

func breedText(t *testing.T, texts map[string][]byte, byHand ...Mistake) bred {
	t.Helper()
	s, err := parse(texts)
	if err != nil {
		t.Fatal(err)
	}
	return breed(t, s, byHand)
}

func TestWhatBecomesOfASmallPackage(t *testing.T) {
	b := breedText(t, map[string][]byte{"small.go": []byte(small)})
	var got strings.Builder
	for _, m := range b.mutants {
		fmt.Fprintf(&got, "%s: %s => %s\n", m.Name, strings.Join(strings.Fields(m.Was), " "), m.Is)
	}
	if got.String() != smallMutants {
		t.Errorf("got\n%s", got.String())
	}
}

// What does not compile is left out, and nothing else is.
func TestAMutantThatDoesNotCompileIsLeftOut(t *testing.T) {
	b := breedText(t, map[string][]byte{"a.go": []byte("package a\n\nconst most = 255\n\nfunc f(b byte) bool { return b < most }\n")})
	names := namesOf(b.mutants)
	if slices.Contains(names, "const most: raise") || !slices.Contains(names, "const most: lower") {
		t.Errorf("got %q", names)
	}
}

func namesOf(mutants []*Mutant) (names []string) {
	for _, m := range mutants {
		names = append(names, m.Name)
	}
	return names
}

// A name says nothing of where a function is, or of how it is written down.
func TestNamesStayWhenFunctionsMoveAndLinesBreak(t *testing.T) {
	head, second, _ := strings.Cut(small, "func newest")
	head = strings.ReplaceAll(head, " || ", " || // either\n\t\t")
	apart := map[string][]byte{
		"z.go": []byte(head),
		"a.go": []byte("package small\n\n// More.\nfunc newest" + second),
	}
	want := namesOf(breedText(t, map[string][]byte{"small.go": []byte(small)}).mutants)
	got := namesOf(breedText(t, apart).mutants)
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// A change that alters no behaviour breaks no mutant. Functions of the rules get
// other names here, those with the most mutants: all the mutants are still there
// under these, and the mistakes by hand, which have to find their places, too.
func TestRenamedFunctionsLeaveEveryMutantValid(t *testing.T) {
	before, err := read(root)
	if err != nil {
		t.Fatal(err)
	}
	before.whole = whole
	if err := before.check(); err != nil {
		t.Fatal(err)
	}
	mutants, _, _, err := before.generate(ByHand)
	if err != nil {
		t.Fatal(err)
	}
	rules := map[*types.Func]int{}
	for _, f := range before.files {
		for _, d := range f.syntax.Decls {
			if d, ok := d.(*ast.FuncDecl); ok && strings.HasPrefix(functionName(d), "(*draft).") {
				for _, m := range mutants {
					if m.Function == functionName(d) {
						rules[before.info.Defs[d.Name].(*types.Func)]++
					}
				}
			}
		}
	}
	most := slices.SortedFunc(maps.Keys(rules), func(a, b *types.Func) int { return rules[b] - rules[a] })
	if len(most) < 3 {
		t.Fatalf("the draft has %d rules", len(most))
	}
	renamed := before.rename(most[:3])
	s, err := parse(renamed)
	if err != nil {
		t.Fatal(err)
	}
	s.whole = whole
	after := breed(t, s, ByHand)
	replace := []string{}
	for _, f := range most[:3] {
		t.Logf("%s gets another name (%d mutants)", f.Name(), rules[f])
		replace = append(replace, "(*draft)."+f.Name()+":", "(*draft)."+f.Name()+"Renamed:")
	}
	want := strings.NewReplacer(replace...).Replace(strings.Join(namesOf(mutants), "\n"))
	again, _, _, err := after.generate(ByHand) // of which some do not compile
	if got := strings.Join(namesOf(again), "\n"); got != want || err != nil {
		t.Errorf("got %d mutants (%v), not the same %d", len(again), err, len(mutants))
	}
	// The names as listed, and one who survives in what has another name.
	list := map[string]map[string]string{"(*draft)." + most[0].Name(): {"condition never 1": "because"}}
	r := results{survived: []*Mutant{after.named(t, "(*draft)."+most[0].Name()+"Renamed: condition never 1")}}
	if problems := r.problems(list, after.mutants, true); len(problems) > 0 {
		t.Errorf("the list of survivors: %q", problems)
	}
}

func (b bred) named(t *testing.T, name string) *Mutant {
	t.Helper()
	for _, m := range b.mutants {
		if m.Name == name {
			return m
		}
	}
	t.Fatalf("there is no mutant %q", name)
	return nil
}

// rename returns the texts of a package in which functions have another name.
func (s *source) rename(functions []*types.Func) map[string][]byte {
	texts := map[string][]byte{}
	for _, f := range s.files {
		var at []token.Pos
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				if o, ok := s.info.ObjectOf(id).(*types.Func); ok && slices.Contains(functions, o) {
					at = append(at, id.End())
				}
			}
			return true
		})
		slices.Sort(at)
		var out []byte
		from := 0
		for _, pos := range at {
			out = append(append(out, f.text[from:s.offset(pos)]...), "Renamed"...)
			from = s.offset(pos)
		}
		texts[f.name] = append(out, f.text[from:]...)
	}
	return texts
}
