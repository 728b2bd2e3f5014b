package sqlitestore_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/canaries"
	"github.com/oneseat/oneseat/store/sqlitestore"
)

// maxStale is the MaxStale of nodes. They have noticed everything that happened longer ago
// than this.
const maxStale = 100 * time.Millisecond

// node is a whole node. It reads what to do from its standard input, one line each, and
// answers each in one line. args are the path of the database, and pairs of what to
// mount where before it is opened.
func node(args []string, say func(string)) error {
	if err := mountAll(args[1:]); err != nil {
		return err
	}
	s, err := sqlitestore.Open(args[0])
	if err != nil {
		say("refused: " + err.Error())
		return nil
	}
	quiet := canaries.Logger(nil)
	r, err := oneseat.New(s, oneseat.Config{Realm: realm, MaxStale: maxStale, Logger: quiet})
	if err != nil {
		return err
	}
	say("ready")
	ctx := context.Background()
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		switch word, arg, _ := strings.Cut(in.Text(), " "); word {
		case "signin":
			g, err := r.SignIn(ctx, arg, oneseat.SignInRequest{})
			if err != nil {
				say("error: " + err.Error())
				continue
			}
			say(string(g.Token))
		case "check":
			_, err := r.Check(ctx, arg)
			ended, over := errors.AsType[*oneseat.EndedError](err)
			// The report that a session was used after its end is written in the background.
			// What is written at the moment at which a test takes a file away, or cuts it,
			// would hide that.
			for over && r.Stats().Pending > 0 {
				runtime.Gosched()
			}
			switch {
			case err == nil:
				say("live")
			case over:
				say("ended: " + string(ended.Ending.Reason))
			default:
				say("error: " + err.Error())
			}
		case "touch": // opens and closes a file, as a copy does
			err := openAndClose(arg)
			say(fmt.Sprint("closed: ", err))
		case "prove":
			_, err := s.Changes(ctx, 0, "")
			say(fmt.Sprint("proven: ", err))
		case "crowd":
			say(fmt.Sprint("all in: ", crowdIn(r, arg)))
		case "close":
			say(fmt.Sprint("closed: ", errors.Join(r.Close(), s.Close())))
		default:
			return fmt.Errorf("what is %q?", word)
		}
	}
	return nil
}

// crowdIn signs 300 accounts in.
func crowdIn(r *oneseat.Registry, prefix string) (err error) {
	errs := make(chan error)
	const callers, each = 30, 10
	for i := range callers {
		go func() {
			var err error
			for j := range each {
				_, e := r.SignIn(context.Background(), fmt.Sprint(prefix, i, "-", j), oneseat.SignInRequest{})
				err = errors.Join(err, e)
			}
			errs <- err
		}()
	}
	for range callers {
		err = errors.Join(err, <-errs)
	}
	return err
}

func openAndClose(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return f.Close()
}

// alone is a program that knows nothing of oneseat. It reads the database in one
// transaction, until its standard input is closed. args are those of node.
func alone(args []string, say func(string)) error {
	if err := mountAll(args[1:]); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", args[0])
	if err != nil {
		return err
	}
	tx, err := db.Begin()
	if err != nil {
		return errors.Join(err, db.Close())
	}
	var n int
	err = tx.QueryRow("SELECT count(*) FROM oneseat_rosters").Scan(&n)
	say(fmt.Sprint("open: ", err))
	_, err2 := io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, err2, tx.Rollback(), db.Close())
}

// running starts a node that has to come up.
func running(t *testing.T, path string) *process {
	t.Helper()
	p := start(t, self(t), "node", nil, path)
	if said := p.says(t); said != "ready" {
		t.Fatal(said)
	}
	return p
}

// wantRefused starts a node that must not come up, and that says why.
func wantRefused(t *testing.T, path, why string) {
	t.Helper()
	p := start(t, self(t), "node", nil, path)
	if said := p.says(t); !strings.HasPrefix(said, "refused: ") || !strings.Contains(said, why) {
		t.Fatalf("a node that should have been refused (%q): %s", why, said)
	}
	p.wait(t)
}

// displaced signs ada in on one node and then on another. It returns the two tokens
// when the first node knows of the second sign-in.
func displaced(t *testing.T, first, second *process) (old, current string) {
	t.Helper()
	old, current = first.ask(t, "signin ada"), second.ask(t, "signin ada")
	const want = "ended: displaced"
	var got string
	waitUntil(t, func() bool { got = first.ask(t, "check", old); return got == want }, func() string { return got })
	return old, current
}

// wantNo fails the test unless each node says no to both tokens, signs nobody in, and
// says why. Whatever is the cause happened before the call.
func wantNo(t *testing.T, why string, nodes []*process, old, current string) {
	t.Helper()
	<-time.After(maxStale)             // no yes may be older than that
	saysNo(t, "", nodes, old, current) // SQLite itself may have failed before
	for _, p := range nodes {
		p.ask(t, "prove")
	}
	saysNo(t, why, nodes, old, current)
}

func saysNo(t *testing.T, why string, nodes []*process, old, current string) {
	t.Helper()
	for i, p := range nodes {
		// An ending that was recorded may be repeated.
		if said := p.ask(t, "check", old); said != "ended: displaced" && !isNo(said, why) {
			t.Errorf("node %d, of a session that was displaced: %s", i, said)
		}
		for _, question := range []string{"check " + current, "signin ada", "signin grace"} {
			if said := p.ask(t, question); !isNo(said, why) {
				t.Errorf("node %d, which should say no (%q): %s", i, why, said)
			}
		}
	}
}

func isNo(said, why string) bool {
	return strings.HasPrefix(said, "error: ") && strings.Contains(said, oneseat.ErrStoreUnavailable.Error()) && strings.Contains(said, why)
}

// wantSays fails the test unless a node gives this answer to a question.
func wantSays(t *testing.T, p *process, want string, question ...string) {
	t.Helper()
	if got := p.ask(t, question...); got != want {
		t.Errorf("%s: %q, want %q", question[0], got, want)
	}
}

func killAll(t *testing.T, nodes ...*process) {
	t.Helper()
	for _, p := range nodes {
		p.kill(t)
	}
}
