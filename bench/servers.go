package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
)

// servers stands in for a test where internal/testservers asks for one: what it
// starts is there until close.
type servers struct {
	testing.TB // none: what is not below is not used
	cleanups   []func()
}

func (*servers) Helper()                          {}
func (*servers) Context() context.Context         { return context.Background() }
func (s *servers) Cleanup(f func())               { s.cleanups = append(s.cleanups, f) }
func (s *servers) Fatal(args ...any)              { s.fail(fmt.Sprint(args...)) }
func (s *servers) Fatalf(format string, a ...any) { s.fail(fmt.Sprintf(format, a...)) }
func (s *servers) Skipf(format string, a ...any)  { s.fail(fmt.Sprintf(format, a...)) }

func (s *servers) fail(why string) {
	s.close()
	fmt.Fprintln(os.Stderr, "bench:", why)
	os.Exit(1)
}

func (s *servers) close() {
	for len(s.cleanups) > 0 {
		f := s.cleanups[len(s.cleanups)-1]
		s.cleanups = s.cleanups[:len(s.cleanups)-1]
		f()
	}
}

// accountsWanted is how many accounts a store on a server is loaded with:
// ONESEAT_BENCH_ACCOUNTS, or a million.
func accountsWanted() int {
	if n, err := strconv.Atoi(os.Getenv("ONESEAT_BENCH_ACCOUNTS")); err == nil && n > 0 {
		return n
	}
	return 1_000_000
}
