package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// overSocket is a client of the server at a Unix socket.
func overSocket(t *testing.T, path string) *http.Client {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// dead leaves a socket at a path, as a server does that was killed.
func dead(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestTheAPIIsServedOnAUnixSocketToItsOwnUserOnly(t *testing.T) {
	folder := t.TempDir()
	t.Chdir(folder)
	path := filepath.Join(folder, "api.sock")
	dead(t, path)
	defer syscall.Umask(syscall.Umask(0)) // as loose as it can be
	key := createKey(t, "--file", "keys.toml")
	printed, _, stop := served(t, 1, "--keys", "keys.toml", "--store", "memory:", "--listen", "unix:"+path)
	if printed[0] != "unix:"+path {
		t.Errorf("it printed %q", printed)
	}
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("%v, %v", info, err)
	}
	c := overSocket(t, path)
	if got := status(t, c, "http://unix", key); got != http.StatusOK {
		t.Errorf("%d", got)
	}

	// A second server does not take it away.
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"serve", "--keys", "keys.toml", "--store", "memory:", "--listen", "unix:" + path}, &stdout, &stderr); code != exitFailed || !strings.Contains(stderr.String(), "another process listens at "+path) || stdout.Len() != 0 {
		t.Errorf("%d %s", code, &stderr)
	}
	if got := status(t, overSocket(t, path), "http://unix", key); got != http.StatusOK {
		t.Errorf("the first one: %d", got)
	}
	c.CloseIdleConnections()
	stop()
	left, err := os.ReadDir(folder)
	if err != nil || len(left) != 1 || left[0].Name() != "keys.toml" {
		t.Errorf("it left %v, %v", left, err)
	}
}

func TestOfServersThatStartAtOnceOneHasTheSocket(t *testing.T) {
	for range 50 {
		path := filepath.Join(t.TempDir(), "s")
		dead(t, path)
		start := make(chan struct{})
		var wg sync.WaitGroup
		all := make([]net.Listener, 8)
		for i := range all {
			wg.Go(func() {
				<-start
				all[i], _ = listenUnix(t.Context(), path) // nil is judged below
			})
		}
		close(start)
		wg.Wait()
		var mine net.Listener
		for _, l := range all {
			if l != nil && mine != nil {
				t.Fatal("two have it")
			}
			if l != nil {
				mine = l
			}
		}
		if mine == nil {
			t.Fatal("nobody has it")
		}
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(c.Close(), mine.Close()); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("it is left: %v", err)
		}
	}
}

func TestWhatIsInTheWayOfASocketStays(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		file:                                  "is no socket",
		folder:                                "is no socket",
		filepath.Join(folder, "missing", "s"): "no such file",
		filepath.Join(folder, strings.Repeat("x", 99)): "",
		filepath.Join(folder, "file", "s"):             "not a directory",
	} {
		l, err := listenUnix(t.Context(), path)
		if l != nil {
			_ = l.Close()
		}
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "precious" {
		t.Errorf("%q, %v", b, err)
	}

	// What another server has put there since is not removed.
	path := filepath.Join(folder, "s")
	l, err := listenUnix(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	other, err := listenUnix(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Error(err)
	}
	_ = other.Close()
}
