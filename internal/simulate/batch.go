package simulate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// Sum is the result of many histories.
type Sum struct {
	Histories, Calls, Linear int
	Undecided                []string
	Failures                 []Failure
	Answers, Done, Met       map[string]int
}

// Failure is a seed whose history broke a promise.
type Failure struct {
	Seed     uint64
	Headline string
	Report   string
}

// Batch runs the histories of n seeds, one after the other, until failures of them have
// failed. step leads from one seed to the next; 0 runs the same seed again.
func Batch(t *testing.T, seed, n, step uint64, failures int) Sum {
	s := Sum{}
	for ; n > 0 && len(s.Failures) < failures; n, seed = n-1, seed+step {
		r := Run(t, seed)
		s.Histories++
		s.Calls += r.Calls
		s.Linear += r.Linear
		add(&s.Answers, r.Answers)
		add(&s.Done, r.Done)
		add(&s.Met, r.Met)
		for _, u := range r.Undecided {
			s.Undecided = append(s.Undecided, fmt.Sprintf("seed %d: %s", seed, u))
		}
		if len(r.Violations) > 0 {
			s.Failures = append(s.Failures, Failure{seed, r.Headline(), r.Report()})
		}
	}
	return s
}

// Add adds the result of another batch.
func (s *Sum) Add(o Sum) {
	s.Histories += o.Histories
	s.Calls += o.Calls
	s.Linear += o.Linear
	s.Undecided = append(s.Undecided, o.Undecided...)
	s.Failures = append(s.Failures, o.Failures...)
	add(&s.Answers, o.Answers)
	add(&s.Done, o.Done)
	add(&s.Met, o.Met)
}

func add(to *map[string]int, from map[string]int) {
	if *to == nil {
		*to = make(map[string]int)
	}
	for k, n := range from {
		(*to)[k] += n
	}
}

// String returns the result in words for people.
func (s *Sum) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d histories of %d operations in all: %d broke a promise\n", s.Histories, s.Calls, len(s.Failures))
	fmt.Fprintf(&b, "porcupine found an order for %d accounts and left %d undecided\n", s.Linear, len(s.Undecided))
	for _, u := range s.Undecided[:min(3, len(s.Undecided))] {
		fmt.Fprintf(&b, "  %s\n", u)
	}
	fmt.Fprintf(&b, "answers: %s\n", counts(s.Answers))
	fmt.Fprintf(&b, "came about: %s\n", counts(s.Done))
	fmt.Fprintf(&b, "met: %s", counts(s.Met))
	return b.String()
}

func counts(m map[string]int) string {
	var all []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		all = append(all, fmt.Sprintf("%s %d", k, m[k]))
	}
	return strings.Join(all, ", ")
}
