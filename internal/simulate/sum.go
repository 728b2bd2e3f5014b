package simulate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// sum is what many histories came to.
type sum struct {
	histories, calls, linear, violations int
	answers, encounters                  map[string]int
	undecided                            []string
}

func newSum() *sum { return &sum{answers: make(map[string]int), encounters: make(map[string]int)} }

func (s *sum) add(r Result) {
	s.histories++
	s.calls += r.Calls
	s.linear += r.Linear
	s.violations += len(r.Violations)
	for k, n := range r.Answers {
		s.answers[k] += n
	}
	for k, n := range r.Encounters {
		s.encounters[k] += n
	}
	for _, u := range r.Undecided {
		s.undecided = append(s.undecided, fmt.Sprintf("seed %d: %s", r.Seed, u))
	}
}

func (s *sum) text(took time.Duration) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d histories in %v, %.0f a second: %d operations\n", s.histories, took.Round(time.Millisecond), float64(s.histories)/took.Seconds(), s.calls)
	fmt.Fprintf(&b, "%d violations; %d accounts linearizable, %d undecided\n", s.violations, s.linear, len(s.undecided))
	for _, u := range s.undecided[:min(10, len(s.undecided))] {
		fmt.Fprintf(&b, "undecided: %s\n", u)
	}
	fmt.Fprintf(&b, "answers: %s\n", counts(s.answers))
	fmt.Fprintf(&b, "met: %s\n", counts(s.encounters))
	return b.String()
}

func counts(m map[string]int) string {
	var all []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		all = append(all, fmt.Sprintf("%s %d", k, m[k]))
	}
	return strings.Join(all, ", ")
}
