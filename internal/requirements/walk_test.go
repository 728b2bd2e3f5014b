package requirements

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"
)

var walked = flag.String("rows", "", `what to walk: "all", or rows and groups with spaces between, such as "TOK-01 STO"`)

// TestEveryRequirementIsHeld is for make requirements. It prints what it does.
func TestEveryRequirementIsHeld(t *testing.T) {
	if *walked == "" {
		return // the sample is another test
	}
	rows, unknown := Some(strings.Fields(strings.TrimPrefix(*walked, "all")))
	if unknown != "" {
		t.Fatalf("there is no row, and no group, named %s: name rows of docs/requirements.md, such as TOK-01, or groups, such as TOK", unknown)
	}
	page, err := ReadPage(root)
	if err != nil {
		t.Fatal(err)
	}
	began, table := time.Now(), table{page: page}
	table.line("row", "promise", "seen in", "by")
	if err := Walk(t.Context(), root, t.TempDir(), rows, table.add); err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if r.Decided != "" {
			table.line(r.ID, page.Promise(r.ID), "", "decided: "+r.Decided)
		}
	}
	fmt.Printf("\n%d rows, %d ways to break them, %d seen by their tests, in %v\n", len(rows), table.tried, table.tried-len(table.missed), time.Since(began).Round(time.Second))
	if len(table.missed) > 0 {
		fmt.Println("\nWithout a test that fails:")
	}
	for _, m := range table.missed {
		fmt.Printf("\n%s, broken by %s\n", m.Row.ID, m.Break.How)
		t.Errorf("%s: %v", m.Row.ID, m.Err)
	}
}

// table prints each result when it comes.
type table struct {
	page   Page
	tried  int
	missed []Result
}

func (t *table) line(row, promise, took, by string) {
	fmt.Printf("%-8s %-56s %8s  %s\n", row, short(promise, 56), took, by)
}

func (t *table) add(r Result) {
	t.tried++
	by, took := strings.TrimPrefix(r.Break.Test.Dir+" ", ". ")+r.Break.Test.Name, r.Took.Round(10*time.Millisecond).String()
	if r.Err != nil {
		t.missed = append(t.missed, r)
		by, took = "NOT SEEN by "+by, "-"
	}
	t.line(r.Row.ID, t.page.Promise(r.Row.ID), took, by)
}

// short is a text in n characters at most, without the marks of its formatting.
func short(text string, n int) string {
	runes := []rune(strings.ReplaceAll(text, "`", ""))
	if len(runes) <= n {
		return string(runes)
	}
	return string(runes[:n-1]) + "…"
}
