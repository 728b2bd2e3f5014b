package testservers

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// whereDebianHasIt is not on PATH.
const whereDebianHasIt = "/usr/lib/postgresql/*/bin"

// Postgres is one PostgreSQL server. It has the superuser postgres, without a password,
// and a database of that name.
type Postgres struct {
	*Process
	Addr string // host:port
	URL  string // of its database
}

// StartPostgres makes a database cluster and runs a server on it, with settings
// of its own such as "fsync=off", until the test ends.
func StartPostgres(t testing.TB, settings ...string) *Postgres {
	t.Helper()
	account := nobody(t)
	dir := filepath.Join(folder(t, account), "data")
	initPostgres(t, account, dir)
	return startPostgres(t, account, dir, settings)
}

// NewPostgres makes a database cluster in a folder, which may be there if it is empty and
// belongs to the user nobody, or to ours if that is not root. The server does not run yet:
// see Start and Await.
func NewPostgres(t testing.TB, dir string, settings ...string) *Postgres {
	t.Helper()
	account := nobody(t)
	initPostgres(t, account, dir)
	return newPostgres(t, account, dir, settings)
}

func initPostgres(t testing.TB, account *syscall.Credential, dir string) {
	t.Helper()
	run(t, account, binary(t, "initdb", whereDebianHasIt), "--pgdata", dir, "--username", "postgres", "--auth", "trust", "--encoding", "UTF8",
		"--locale", "C", "--no-sync", "--no-instructions")
}

// Standby copies the server, which is running, and runs the copy. The copy follows the
// server asynchronously and answers readers, until it is promoted or the test ends.
func (p *Postgres) Standby(settings ...string) *Postgres {
	p.t.Helper()
	dir := filepath.Join(folder(p.t, p.account), "data")
	run(p.t, p.account, binary(p.t, "pg_basebackup", whereDebianHasIt), "--pgdata", dir, "--dbname", p.URL, "--write-recovery-conf",
		"--checkpoint", "fast", "--no-sync")
	return startPostgres(p.t, p.account, dir, settings)
}

// startPostgres runs a server on the files in dir.
func startPostgres(t testing.TB, account *syscall.Credential, dir string, settings []string) *Postgres {
	t.Helper()
	p := newPostgres(t, account, dir, settings)
	p.Start()
	p.Await()
	return p
}

// newPostgres returns a server on the files in dir, which does not run yet.
func newPostgres(t testing.TB, account *syscall.Credential, dir string, settings []string) *Postgres {
	t.Helper()
	port := FreePort(t)
	p := &Postgres{Addr: loopback(port), URL: fmt.Sprintf("postgres://postgres@%s/postgres", loopback(port))}
	args := []string{"-D", dir, "-p", strconv.Itoa(port), "-h", "127.0.0.1", "-k", ""}
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	p.Process = prepare(t, account, binary(t, "postgres", whereDebianHasIt), args...)
	return p
}

// Await returns when the server answers.
func (p *Postgres) Await() {
	p.t.Helper()
	isready := binary(p.t, "pg_isready", whereDebianHasIt)
	p.await(func(ctx context.Context) error {
		return exec.CommandContext(ctx, isready, "--quiet", "--dbname", p.URL).Run() // a path that we have found
	})
}
