package testservers

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// Nginx is an nginx with a configuration of the test's.
type Nginx struct {
	*Process
	config string // the file
	addr   string
}

// StartNginx runs an nginx until the test ends. site is what stands in its block
// "http". addr is an address on which site listens.
func StartNginx(t testing.TB, addr, site string) *Nginx {
	t.Helper()
	path := binary(t, "nginx", "/usr/sbin")
	dir := folder(t, nil)
	if err := os.Chmod(dir, 0o755); err != nil { // its workers may run as another user
		t.Fatal(err)
	}
	n := &Nginx{config: filepath.Join(dir, "nginx.conf"), addr: addr}
	n.write(t, site)
	n.Process = start(t, nil, path, "-p", dir, "-c", n.config, "-e", "stderr", "-g", "daemon off;")
	n.await(func(ctx context.Context) error {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err != nil {
			return err
		}
		return conn.Close()
	})
	return n
}

func (n *Nginx) write(t testing.TB, site string) {
	t.Helper()
	dir := filepath.Dir(n.config)
	var text strings.Builder
	fmt.Fprintf(&text, "pid %s/pid;\nworker_processes 2;\nerror_log stderr warn;\nevents { worker_connections 512; }\nhttp {\naccess_log off;\n", dir)
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&text, "%s_temp_path %s/%[1]s;\n", kind, dir)
	}
	if err := os.WriteFile(n.config, []byte(text.String()+site+"\n}\n"), 0o644); err != nil { // it has no secret
		t.Fatal(err)
	}
}

// Reload gives nginx another configuration for new connections, as "nginx -s reload"
// does. When it returns, no process with the configuration of before accepts a
// connection. Such a process goes on with the connections that it has.
func (n *Nginx) Reload(site string) {
	n.t.Helper()
	n.write(n.t, site)
	run(n.t, nil, n.path, "-t", "-q", "-p", filepath.Dir(n.config), "-c", n.config, "-e", "stderr") // a bad one would be ignored
	before := family(n.cmd.Process.Pid)
	if err := n.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		n.t.Fatal(err)
	}
	n.await(func(context.Context) error {
		workers := 0
		for _, pid := range family(n.cmd.Process.Pid)[1:] {
			title, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // empty for one that has ended
			accepts := strings.Contains(string(title), "worker process") && !strings.Contains(string(title), "shutting down")
			switch old := slices.Contains(before, pid); {
			case old && accepts:
				return fmt.Errorf("worker %d has the configuration of before", pid)
			case accepts:
				workers++
			}
		}
		if workers == 0 {
			return fmt.Errorf("there is no new worker")
		}
		return nil
	})
}
