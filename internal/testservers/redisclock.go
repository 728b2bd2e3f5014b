package testservers

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// StartRedisWithAClock runs redis-server with a clock of its own. set puts that clock
// ahead of the machine's clock or behind it, from one command to the next. How much
// time passes (CLOCK_MONOTONIC) stays true.
func StartRedisWithAClock(t testing.TB) (r *Redis, set func(ahead time.Duration)) {
	t.Helper()
	file := filepath.Join(folder(t, nil), "ahead")
	set = func(ahead time.Duration) {
		t.Helper()
		// The server must not read half of a new time.
		err := os.WriteFile(file+".new", fmt.Appendf(nil, "%+f", ahead.Seconds()), 0o600)
		if err == nil {
			err = os.Rename(file+".new", file)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	set(0)
	// The malloc is that of libc, because jemalloc asks for the time before libfaketime
	// can answer.
	library := binary(t, "libfaketimeMT.so.1", "/usr/lib/*/faketime", "/usr/lib/faketime", "/usr/lib64/faketime")
	return startRedis(t, []string{
		binary(t, "env"), "LD_PRELOAD=" + library + " libc.so.6", "FAKETIME_TIMESTAMP_FILE=" + file, "FAKETIME_NO_CACHE=1",
		"FAKETIME_DONT_FAKE_MONOTONIC=1", binary(t, "redis-server"),
	}), set
}
