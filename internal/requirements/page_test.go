package requirements

import (
	"slices"
	"strings"
	"testing"
)

// TestThePageAndTheRowsAreOne holds docs/requirements.md to the rows, and the rows to
// it. The test that has to fail when a row is broken is among the proofs of the row.
func TestThePageAndTheRowsAreOne(t *testing.T) {
	page, err := ReadPage(root)
	if err != nil {
		t.Fatal(err)
	}
	proofs := map[string]string{}
	for _, l := range page {
		proofs[l.ID] = l.Proof
	}
	seen := map[string]bool{}
	if want := ids(page, func(l Line) string { return l.ID }); !slices.Equal(ids(Rows, func(r Row) string { return r.ID }), want) {
		t.Errorf("the rows are not those of the page, in its order: %v", want)
	}
	for _, r := range Rows {
		proof, ok := proofs[r.ID]
		switch {
		case seen[r.ID]:
			t.Errorf("%s: there are two such rows", r.ID)
		case !ok:
			t.Errorf("%s: it is not in docs/requirements.md", r.ID)
		case (r.Decided == "") == (len(r.Breaks) == 0):
			t.Errorf("%s: it is either broken, or decided with the reason", r.ID)
		case r.Decided != "" && !strings.Contains(proof, "decided: "+r.Decided):
			t.Errorf("%s: the page does not say that it is decided: %s", r.ID, r.Decided)
		}
		seen[r.ID] = true
		for _, b := range r.Breaks {
			if !strings.Contains(proof, "`"+b.Test.Proof()+"`") {
				t.Errorf("%s: the page does not name `%s`", r.ID, b.Test.Proof())
			}
		}
	}
}

func ids[T any](list []T, id func(T) string) (all []string) {
	for _, l := range list {
		all = append(all, id(l))
	}
	return all
}

// TestEveryMistakeCanStillBeMade fails when somebody moves or changes the code that a
// row breaks. The row has to follow.
func TestEveryMistakeCanStillBeMade(t *testing.T) {
	for _, r := range Rows {
		for _, b := range r.Breaks {
			if err := b.How.check(root); err != nil {
				t.Errorf("%s: %v\n\tSay in internal/requirements how to break it now, and see it with make requirements ARGS=%s.", r.ID, err, r.ID)
			}
		}
	}
}
