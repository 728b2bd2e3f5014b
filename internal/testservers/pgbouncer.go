package testservers

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// PgBouncer pools connections to a PostgreSQL server, in transaction mode: a connection
// to PgBouncer has a connection to the server only while a transaction lasts.
type PgBouncer struct {
	*Process
	Addr string // host:port; the databases have the same names as on the server
}

// StartPgBouncer runs a PgBouncer in front of the server at addr, until the test ends.
func StartPgBouncer(t testing.TB, addr string) *PgBouncer {
	t.Helper()
	account, port := nobody(t), FreePort(t)
	host, server, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	dir := folder(t, account)
	config := filepath.Join(dir, "pgbouncer.ini")
	text := fmt.Sprintf("[databases]\n* = host=%s port=%s user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\nunix_socket_dir =\n"+
		"auth_type = any\npool_mode = transaction\nmax_client_conn = 1000\ndefault_pool_size = 4\n", host, server, port)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil { // it runs as another user, and the file has no secret
		t.Fatal(err)
	}
	b := &PgBouncer{Addr: loopback(port)}
	b.Process = start(t, account, binary(t, "pgbouncer", "/usr/sbin"), config)
	b.Await()
	return b
}

// Await returns when PgBouncer accepts connections.
func (b *PgBouncer) Await() {
	b.t.Helper()
	b.await(func(ctx context.Context) error {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", b.Addr)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}
