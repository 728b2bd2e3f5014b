package doctor

import (
	"slices"
	"strings"
	"unicode"
)

// Severity says how bad something is.
type Severity string

// Severities.
const (
	Problem Severity = "problem" // it is wrong now
	Warning Severity = "warning" // it will be wrong later, or is wrong only where something else is so too
	Note    Severity = "note"    // it can be tidied up
)

// Finding is something that is wrong.
type Finding struct {
	Severity Severity `json:"severity"`
	What     string   `json:"what"`  // what was seen
	Means    string   `json:"means"` // what that does
	Cure     string   `json:"cure"`  // what to do
}

// Result is what came of one check of one thing. Nothing was found if there are no
// findings, and no reason why it was not checked.
type Result struct {
	Check      string    `json:"check"`
	Of         string    `json:"of"`                    // what was looked at
	Said       string    `json:"said,omitempty"`        // what was seen, in a few words
	NotChecked string    `json:"not_checked,omitempty"` // why
	Findings   []Finding `json:"findings,omitempty"`
}

// Report is what came of all checks.
type Report struct {
	Results []Result `json:"results"`
}

// report puts the results into a report, with the general texts of a check where a
// finding has none of its own.
func report(results []Result) Report {
	all := Checks()
	for n := range results {
		r := &results[n]
		r.Of, r.Said, r.NotChecked = shown(r.Of), shown(r.Said), shown(r.NotChecked)
		i := slices.IndexFunc(all, func(c Check) bool { return c.Name == r.Check })
		for j := range r.Findings {
			f := &r.Findings[j]
			if f.Means == "" {
				f.Means = all[i].Means
			}
			if f.Cure == "" {
				f.Cure = all[i].Cure
			}
			f.What, f.Means, f.Cure = shown(f.What), shown(f.Means), shown(f.Cure)
		}
	}
	return Report{results}
}

// shown is a text, some of which came from what was examined, without anything that a
// terminal might obey.
func shown(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsGraphic(r):
			return '?'
		}
		return r
	}, s)
}

// Count returns how many findings are of a severity.
func (r Report) Count(s Severity) (n int) {
	for _, one := range r.Results {
		for _, f := range one.Findings {
			if f.Severity == s {
				n++
			}
		}
	}
	return n
}

func fine(check, of, said string) Result { return Result{Check: check, Of: of, Said: said} }

func notChecked(check, of, why string) Result { return Result{Check: check, Of: of, NotChecked: why} }

func found(check, of string, s Severity, what string) Result {
	return Result{Check: check, Of: of, Findings: []Finding{{Severity: s, What: what}}}
}

// cured gives the findings of a result a cure of their own.
func (r Result) cured(cure string) Result {
	for i := range r.Findings {
		r.Findings[i].Cure = cure
	}
	return r
}
