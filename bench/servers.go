package main

import (
	"context"
	"fmt"
	"os"
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
