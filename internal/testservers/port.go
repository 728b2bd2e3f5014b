package testservers

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// Servers get the ports between these two. The system gives none of them to a
// connection that goes out, or to a listener that asks for any port. A port that the
// system gives could be taken between the moment at which it was chosen and the moment
// at which a server listens on it, or while a server that was killed is not running.
const (
	firstPort = 20000
	lastPort  = 31999
)

// FreePort returns a loopback port on which nothing listens. The port belongs to the
// test's process until that ends: FreePort does not return it again, in this process or
// in another.
func FreePort(t testing.TB) int {
	t.Helper()
	dir := filepath.Join(os.TempDir(), "oneseat-ports")
	if err := os.MkdirAll(dir, 0o777); err != nil { // the tests of every user take their ports here
		t.Fatal(err)
	}
	_ = os.Chmod(dir, 0o777) // because the umask may have narrowed it
	const ports = lastPort - firstPort + 1
	begin := os.Getpid() * 97 // so that processes begin in different places
	for i := range ports {
		if port := firstPort + (begin+i)%ports; reserve(dir, port) && free(t, port) {
			return port
		}
	}
	t.Fatalf("no port of %d to %d is free", firstPort, lastPort)
	return 0
}

// reserve gives a port to this process, and reports whether that succeeded. Other
// processes see the lock on the port's file, whose descriptor is closed when this
// process ends.
func reserve(dir string, port int) bool {
	fd, err := syscall.Open(filepath.Join(dir, strconv.Itoa(port)), syscall.O_RDONLY|syscall.O_CREAT|syscall.O_CLOEXEC, 0o666)
	if err != nil {
		return false
	}
	if err := syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = syscall.Close(fd)
		return false
	}
	return true
}

// free reports whether nothing listens on a port.
func free(t testing.TB, port int) bool {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", loopback(port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}
