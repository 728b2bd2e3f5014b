package main

import (
	"bytes"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// notifySocket is a socket as systemd has it. Each call of what it returns waits for what the
// server says next.
func notifySocket(t *testing.T, name string) func() string {
	t.Helper()
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	t.Setenv("NOTIFY_SOCKET", name)
	return func() string {
		t.Helper()
		if err := l.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 4096)
		n, err := l.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
}

// systemd is told when the server listens, with its URL, and when it begins to end: by a
// socket in a folder, and by one that is in none.
func TestSystemdIsToldWhenTheServerListensAndWhenItEnds(t *testing.T) {
	folder := t.TempDir()
	t.Chdir(folder)
	createKey(t, "--file", "keys.toml")
	for _, name := range []string{filepath.Join(folder, "notify"), "@" + folder + "/notify"} {
		said := notifySocket(t, name)
		p := startProcess(t)
		if got, want := said(), "READY=1\nSTATUS="+p.url; got != want {
			t.Errorf("%s: it said %q, want %q", name, got, want)
		}
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if got := said(); got != "STOPPING=1" {
			t.Errorf("%s: it said %q", name, got)
		}
		if err := p.wait(); err != nil {
			t.Errorf("%s: %v: %s", name, err, p.log)
		}
	}
}

// A server that nobody can be told about goes on, and says so: its visitors come first.
func TestAServerThatCannotTellSystemdServesAndLogsIt(t *testing.T) {
	t.Chdir(t.TempDir())
	createKey(t, "--file", "keys.toml")
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "none"))
	p := startProcess(t)
	waitFor(t, func() bool { return strings.Contains(p.log.String(), "NOTIFY_SOCKET") })
	if got := status(t, newClient(t), p.url, ""); got != 401 {
		t.Errorf("%d", got)
	}
}

// The store may be in the environment, which other users of the machine do not see, as its
// URL may have a password. The flag comes first.
func TestTheStoreMayBeInTheEnvironment(t *testing.T) {
	folder := t.TempDir()
	t.Chdir(folder)
	createKey(t, "--file", "keys.toml")
	t.Setenv(storeVariable, "sqlite:other.db")
	_, _, stop := served(t, 1, "--keys", "keys.toml")
	stop()
	if files, err := filepath.Glob("*.db"); err != nil || len(files) != 1 || files[0] != "other.db" {
		t.Errorf("%v, %v", files, err)
	}
	_, _, stop = served(t, 1, "--keys", "keys.toml", "--store", "sqlite:flag.db")
	stop()
	if files, err := filepath.Glob("*.db"); err != nil || len(files) != 2 || files[0] != "flag.db" {
		t.Errorf("%v, %v", files, err)
	}
}

func TestAStoreInTheEnvironmentThatIsNoneIsRefusedByTheVariablesName(t *testing.T) {
	t.Chdir(t.TempDir())
	createKey(t, "--file", "keys.toml")
	t.Setenv(storeVariable, "mysql://user:hunter2@host/db")
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"serve", "--keys", "keys.toml"}, &stdout, &stderr); code != exitUsage {
		t.Errorf("exit code %d", code)
	}
	if said := stderr.String(); !strings.Contains(said, storeVariable) || strings.Contains(said, "hunter2") {
		t.Errorf("%s", said)
	}
}
