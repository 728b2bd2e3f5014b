package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"github.com/oneseat/oneseat/internal/testservers"
)

func TestTwoDemosOnOneRedisAreOneSystemAndOutliveIt(t *testing.T) {
	r := testservers.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always", "--requirepass", "hunter2")
	store := "redis://:hunter2@" + r.Addr
	before := runtime.NumGoroutine()
	const clients = 8 // connections of browsers that have not noticed yet have two goroutines each
	here, there, second := oneSystem(t, store)
	if res := do(t, second, http.MethodPost, there.url+"/password", url.Values{"current": {"ada"}, "new": {"lovelace"}}); res.StatusCode != http.StatusSeeOther {
		t.Errorf("change of password: %d", res.StatusCode)
	}
	here.stop()
	there.stop()
	if text := here.out.String() + here.err.String(); strings.Contains(text, "hunter2") || !strings.Contains(text, r.Addr) {
		t.Errorf("it says %s", text)
	}
	r.Kill()
	r.Start()
	r.Await()
	again := start(t, "--store", store)
	if code := signIn(t, newClient(t), again, "ada", "ada"); code != http.StatusUnauthorized {
		t.Errorf("the old password: %d", code)
	}
	if code := signIn(t, newClient(t), again, "ada", "lovelace"); code != http.StatusSeeOther {
		t.Errorf("the new password: %d", code)
	}
	again.stop()
	nothingLeft(t, before+clients)
}

func TestARedisThatIsAwayIsNamedAndItsPasswordIsNot(t *testing.T) {
	addr := fmt.Sprint("127.0.0.1:", testservers.FreePort(t))
	for store, want := range map[string]int{
		"redis://:hunter2@" + addr: exitFailed, "redis-cluster://:hunter2@" + addr: exitFailed, "rediss://u:hunter2@" + addr: exitFailed,
		"redis://:hunter2@" + addr + "/x": exitUsage, "redis://:hunter2@": exitUsage, "postgres+redis://u:hunter2@x": exitUsage,
	} {
		before := runtime.NumGoroutine()
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), []string{"demo", "--listen", "127.0.0.1:0", "--store", store}, &stdout, &stderr)
		if text := stderr.String(); code != want || strings.Contains(text, "hunter2") || stdout.Len() > 0 || code == exitFailed && !strings.Contains(text, addr) {
			t.Errorf("%s: %d, %q, %q", store, code, stdout.String(), text)
		}
		nothingLeft(t, before)
	}
}
