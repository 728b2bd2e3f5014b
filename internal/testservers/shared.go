package testservers

import "testing"

// Shared lets all tests of a binary use one server. A TestMain makes one, and
// calls Close after the tests have run:
//
//	var servers = new(testservers.Shared)
//
//	func TestMain(m *testing.M) {
//		code := m.Run()
//		servers.Close()
//		os.Exit(code)
//	}
type Shared struct {
	cleanups []func()
}

// For returns a test like t, except that what it starts runs until Close. Start a
// server once, under a lock, and keep it.
func (s *Shared) For(t testing.TB) testing.TB { return lasting{t, s} }

// Close ends everything that was started.
func (s *Shared) Close() {
	for len(s.cleanups) > 0 {
		last := len(s.cleanups) - 1
		f := s.cleanups[last]
		s.cleanups = s.cleanups[:last]
		f()
	}
}

type lasting struct {
	testing.TB
	shared *Shared
}

// Cleanup runs f at Close.
func (l lasting) Cleanup(f func()) { l.shared.cleanups = append(l.shared.cleanups, f) }
