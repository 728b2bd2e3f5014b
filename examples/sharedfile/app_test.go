package sharedfile_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3" // the driver "sqlite3", which is another SQLite library than the store's

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/sharedfile"
)

const (
	nodeVariable = "ONESEAT_SHAREDFILE_NODE" // the path of the file; it makes the test binary a node
	maxStale     = 100 * time.Millisecond
	lookEvery    = 100 * time.Millisecond // how often the store looks for other libraries
)

func TestMain(m *testing.M) {
	path := os.Getenv(nodeVariable)
	if path == "" {
		os.Exit(m.Run())
	}
	if err := node(path); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// node is a whole node. It reads what to do from its standard input, one line each, and
// answers each in one line.
func node(path string) error {
	var (
		app   *sharedfile.App
		seats *oneseat.Registry
		other *sql.DB // by another library
	)
	do := func(word, arg string) (answer string, err error) {
		ctx := context.Background()
		switch word {
		case "start":
			if app, err = sharedfile.Open(path); err != nil {
				return "", err
			}
			seats, err = oneseat.New(app.Sessions, oneseat.Config{MaxStale: maxStale, Logger: slog.New(slog.DiscardHandler)})
			return "ready", err
		case "signin":
			g, err := seats.SignIn(ctx, arg, oneseat.SignInRequest{})
			return string(g.Token), err
		case "check":
			_, err := seats.Check(ctx, arg)
			return "live", err
		case "note":
			_, err := app.Tables.Exec("INSERT INTO notes VALUES ('ada', ?)", arg)
			return "noted", err
		case "other library":
			if other, err = sql.Open("sqlite3", path); err == nil {
				_, err = other.Exec(arg)
			}
			return "done", err
		case "other library closes":
			return "closed", other.Close()
		}
		return "", fmt.Errorf("what is %q?", word)
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		word, arg, _ := strings.Cut(in.Text(), ": ")
		answer, err := do(word, arg)
		if err != nil {
			answer = "error: " + err.Error()
		}
		fmt.Println(answer)
	}
	return nil
}

type process struct {
	cmd *exec.Cmd
	in  io.Writer
	out *bufio.Scanner
}

// start starts a node on a file.
func start(t *testing.T, path string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), nodeVariable+"="+path)
	in, err := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd, in, bufio.NewScanner(out)}
	t.Cleanup(p.kill)
	return p
}

// ask returns a node's answer to a question. Of a node that has crashed it says so.
func (p *process) ask(question string) string {
	_, err := fmt.Fprintln(p.in, question)
	if err == nil && p.out.Scan() {
		return p.out.Text()
	}
	return "error: it is gone"
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

func wantSays(t *testing.T, p *process, question, want string) {
	t.Helper()
	if got := p.ask(question); got != want {
		t.Errorf("%s: %q, want %q", question, got, want)
	}
}

// wantNo fails the test unless a node refuses a session and every sign-in, because of
// another library, and says so. A node that has crashed is fine too.
func wantNo(t *testing.T, p *process, token string) {
	t.Helper()
	<-time.After(lookEvery + maxStale) // no yes may be older than that
	for _, question := range []string{"check: " + token, "signin: ada", "signin: grace"} {
		said := p.ask(question)
		if !strings.HasPrefix(said, "error: ") || !strings.Contains(said, "Use modernc.org/sqlite") && !strings.Contains(said, "removed, replaced") && said != "error: it is gone" {
			t.Errorf("%s: %s", question, said)
		}
	}
}

func TestAnApplicationsOwnTablesAreInTheFileOfItsSessions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.db")
	a, b := start(t, path), start(t, path)
	wantSays(t, a, "start", "ready")
	wantSays(t, b, "start", "ready")
	for range 10 {
		wantSays(t, a, "note: one", "noted")
		token := b.ask("signin: ada")
		wantSays(t, a, "check: "+token, "live")
		wantSays(t, b, "note: two", "noted")
	}
}

// Another SQLite library in the process does not respect the locks of the store's
// library. It drops them when it closes the file, and removes the -wal and the -shm.
func TestAnotherSQLiteInTheProcessIsNoticed(t *testing.T) {
	const write = "other library: CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)"
	for name, c := range map[string]struct {
		nodes int // that are running
		steps []string
	}{
		"it reads":                                {1, []string{"other library: SELECT count(*) FROM notes"}},
		"it writes":                               {1, []string{write}},
		"it has written and is closed":            {1, []string{write, "other library closes"}},
		"it reads beside two nodes":               {2, []string{"other library: SELECT count(*) FROM notes"}},
		"it has written and is closed beside two": {2, []string{write, "other library closes"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "app.db")
			var nodes []*process
			for range c.nodes {
				p := start(t, path)
				wantSays(t, p, "start", "ready")
				nodes = append(nodes, p)
			}
			old, current := nodes[0].ask("signin: ada"), nodes[c.nodes-1].ask("signin: ada")
			for _, s := range c.steps {
				if said := nodes[0].ask(s); said != "done" && said != "closed" {
					t.Logf("%s: %s", s, said) // the store was faster, or the library could not bear it
				}
			}
			wantNo(t, nodes[0], current)
			for _, p := range nodes[1:] { // a node that shares the file with the first one only
				said := p.ask("check: " + current)
				t.Logf("the other node: %s", said)
			}
			for _, p := range nodes {
				p.kill()
			}
			again := start(t, path)
			wantSays(t, again, "start", "ready")
			if said := again.ask("check: " + old); said == "live" {
				t.Error("a session that was displaced is live again")
			}
			wantSays(t, again, "check: "+current, "live")
		})
	}
}

func TestWhereAnotherSQLiteHasTheFileTheStoreIsNotOpened(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.db")
	p := start(t, path)
	wantSays(t, p, "other library: PRAGMA journal_mode = WAL; CREATE TABLE theirs (x)", "done")
	if said := p.ask("start"); !strings.HasPrefix(said, "error: ") || !strings.Contains(said, "Use modernc.org/sqlite") {
		t.Error(said)
	}
}
