package testservers

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// whereDebianHasIt is outside PATH.
const whereDebianHasIt = "/usr/lib/postgresql/*/bin"

// Postgres is one PostgreSQL server, with the superuser postgres, who needs no
// password, and the database of that name.
type Postgres struct {
	*Process
	Addr string // host:port
	URL  string // of its database
}

// StartPostgres makes a database cluster and runs a server on it, with settings
// of its own such as "fsync=off", until the test ends.
func StartPostgres(t testing.TB, settings ...string) *Postgres {
	t.Helper()
	account, port := nobody(t), FreePort(t)
	dir := filepath.Join(folder(t, account), "data")
	run(t, account, binary(t, "initdb", whereDebianHasIt), "--pgdata", dir, "--username", "postgres", "--auth", "trust", "--encoding", "UTF8",
		"--locale", "C", "--no-sync", "--no-instructions")
	p := &Postgres{Addr: loopback(port), URL: fmt.Sprintf("postgres://postgres@%s/postgres", loopback(port))}
	args := []string{"-D", dir, "-p", strconv.Itoa(port), "-h", "127.0.0.1", "-k", ""}
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	p.Process = start(t, account, binary(t, "postgres", whereDebianHasIt), args...)
	p.Await()
	return p
}

// Await returns when it answers.
func (p *Postgres) Await() {
	p.t.Helper()
	isready := binary(p.t, "pg_isready", whereDebianHasIt)
	p.await(func(ctx context.Context) error {
		return exec.CommandContext(ctx, isready, "--quiet", "--dbname", p.URL).Run() //nolint:gosec // found by us
	})
}
