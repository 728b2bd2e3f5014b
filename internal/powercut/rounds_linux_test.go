package powercut

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/testservers"
)

var (
	rounds = flag.Int("rounds", 0, "how often the power is cut under each store; 0: a few times")
	seed   = flag.Uint64("seed", 0, "of what is drawn; 0: another one each time")
)

const accounts = 4

// acked is what was acknowledged of an account.
type acked struct {
	n       int                 // the last step
	id      oneseat.SessionID   // of the session that it began; "": it ended one
	ids     []oneseat.SessionID // of all sessions
	tokens  []string            // of the last ones, the newest last
	unclear bool                // one step more may have been made
}

// system is a store on a machine.
type system struct {
	*machine
	url    string                // of the store
	server *testservers.Postgres // nil: none
	binary string                // plays the roles; the tests' own, unless a mistake was planted
	acked  [accounts]acked
	steps  int // acknowledged in all
}

// sqliteSystem is SQLite on a disk of its own.
func sqliteSystem(t *testing.T, lies bool) *system {
	t.Helper()
	s := newSystem(t, 64<<20, lies)
	s.url = "sqlite:" + filepath.Join(s.at, "oneseat.db")
	return s
}

// postgresSystem is PostgreSQL on a disk of its own.
func postgresSystem(t *testing.T, lies bool, settings ...string) *system {
	t.Helper()
	s := newSystem(t, 384<<20, lies)
	s.disk.lies = false // the empty cluster is there
	s.start()
	dir := filepath.Join(s.at, "data")
	if err := errors.Join(os.Mkdir(dir, 0o700), s.command("chown", "nobody", dir)); err != nil {
		t.Fatal(err)
	}
	s.server = testservers.NewPostgres(t, dir, append([]string{"shared_buffers=16MB", "max_wal_size=32MB", "min_wal_size=32MB", "max_connections=20", "recovery_init_sync_method=syncfs"}, settings...)...)
	if err := s.command("sync", "-f", dir); err != nil {
		t.Fatal(err)
	}
	s.cut()
	s.disk.lies = lies
	s.url = s.server.URL
	return s
}

func newSystem(t *testing.T, size int64, lies bool) *system {
	t.Helper()
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &system{machine: newMachine(t, size, lies, *seed), binary: binary}
}

// run cuts the power n times, and returns the first thing that is wrong after one of the
// cuts; nil: nothing is.
func (s *system) run(n int) error {
	for round := range n {
		if err := s.round(); err != nil {
			return fmt.Errorf("round %d, seed %d: %w", round+1, *seed, err)
		}
	}
	c := s.disk.Counts()
	s.t.Logf("%d rounds, %d cuts, %d steps acknowledged, %d writes and %d flushes of the disk, of what was not flushed %d sectors lost and %d kept; seed %d", n, c.Cuts, s.steps, c.Writes, c.Flushes, c.Lost, c.Kept, *seed)
	return nil
}

// round has the power go while steps are made, and in one of two rounds again while the
// machine comes up. Then it looks for what was acknowledged.
func (s *system) round() error {
	s.start()
	if err := s.work(); err != nil {
		return err
	}
	for s.random.IntN(2) == 0 {
		if s.startArmed(1 + s.random.IntN(80)) {
			if err := s.look(); err != nil && !s.isOff() {
				return err
			}
		}
		s.cut()
	}
	s.start()
	err := s.look()
	s.cut()
	return err
}

// work makes steps until the power goes, and cuts it.
func (s *system) work() error {
	s.t.Helper()
	if s.server != nil {
		s.server.Start()
	}
	args := []string{s.url}
	for _, a := range s.acked {
		args = append(args, strconv.Itoa(a.n))
	}
	cmd := exec.CommandContext(context.Background(), s.binary, args...)
	cmd.Env = append(os.Environ(), roleVariable+"=worker")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	lines := make(chan string)
	go func() { // ends with the worker
		defer close(lines)
		for in := bufio.NewScanner(out); in.Scan(); {
			lines <- in.Text()
		}
	}()
	// After some steps the disk is armed: the power goes some writes or flushes later.
	arm, most := 1+s.random.IntN(40), 400
	for i := range s.acked {
		s.acked[i].unclear = true
	}
	alive := true
	for n := 0; alive && n < most; {
		select {
		case line, more := <-lines:
			if alive = more; more {
				s.note(line)
				if n++; n == arm {
					s.disk.Arm(1 + s.random.IntN(60))
				}
			}
		case <-s.gone:
			alive = false
		case <-time.After(3 * time.Minute):
			s.t.Fatalf("no step was made: %s", &said)
		}
	}
	off := s.isOff()
	_ = cmd.Process.Kill() // it may have ended
	s.stop()
	for line := range lines {
		s.note(line)
	}
	_ = cmd.Wait() // it was killed, or the disk failed
	s.cut()
	if !off && said.Len() > 0 && !late(said.String()) {
		return fmt.Errorf("with the power on a step failed: %s", &said)
	}
	return nil
}

// stop kills the server, if there is one.
func (s *system) stop() {
	if s.server != nil {
		s.server.Kill()
	}
}

// note notes a step that was acknowledged.
func (s *system) note(line string) {
	words := strings.Split(line, " ")
	i, err := strconv.Atoi(words[0])
	if err != nil {
		s.t.Fatalf("the worker said %q", line)
	}
	a := &s.acked[i]
	if a.n, err = strconv.Atoi(words[1]); err != nil {
		s.t.Fatalf("the worker said %q", line)
	}
	s.steps++
	if a.id = oneseat.SessionID(words[2]); a.id != "" {
		a.ids, a.tokens = append(a.ids, a.id), append(a.tokens, words[3])
	}
}

// late reports whether a call took too long. That is a sign of a busy machine, and not of a
// loss. As after a power cut, the step of such a call may have been made or not.
func late(said string) bool { return strings.Contains(said, context.DeadlineExceeded.Error()) }

// look opens the store as it is now, and returns what is wrong with it. If the power goes
// meanwhile, look returns an error.
func (s *system) look() (err error) {
	if s.server != nil {
		s.server.Start()
		defer s.stop()
	}
	for range 5 {
		if err = s.lookOnce(); err == nil || !late(err.Error()) {
			break
		}
	}
	return err
}

func (s *system) lookOnce() error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	gone := s.gone
	go func() { // ends with look
		select {
		case <-gone:
			cancel()
		case <-ctx.Done():
		}
	}()
	cmd := exec.CommandContext(ctx, s.binary, s.url)
	cmd.Env = append(os.Environ(), roleVariable+"=judge")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var ask, said, failed bytes.Buffer
	for i, a := range s.acked {
		fmt.Fprintln(&ask, accountOf(i), strings.Join(a.tokens[max(0, len(a.tokens)-20):], " "))
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &ask, &said, &failed
	if err := cmd.Run(); err != nil {
		server := ""
		if s.server != nil {
			server = s.server.Said()
		}
		return fmt.Errorf("what is on the disk cannot be used: %w: %s%s", err, &failed, server)
	}
	answers := json.NewDecoder(&said)
	for i := range s.acked {
		var f found
		if err := answers.Decode(&f); err != nil {
			return err
		}
		if err := s.acked[i].compare(f); err != nil {
			return fmt.Errorf("%s: %w", accountOf(i), err)
		}
	}
	return nil
}

// compare returns what is wrong with an account, and goes on from what is there.
func (a *acked) compare(f found) error {
	if len(f.Live) > 1 {
		return fmt.Errorf("%d sessions are live, and 1 may be", len(f.Live))
	}
	var live oneseat.SessionID
	if len(f.Live) == 1 {
		live = f.Live[0]
	}
	isNew := live != "" && !slices.Contains(a.ids, live)
	switch {
	case live == a.id: // as it was acknowledged
	case !a.unclear:
		return fmt.Errorf("%q is live, and was not before; it is %q that was acknowledged", live, a.id)
	case live == "" && ends(a.n+1), isNew && !ends(a.n+1): // the step after it was made too
		a.n++
		a.id = live
		if isNew {
			a.ids = append(a.ids, live)
		}
	case live == "":
		return fmt.Errorf("step %d was acknowledged, and its session %q is lost", a.n, a.id)
	case isNew:
		return fmt.Errorf("after step %d, which began %q, %q is live", a.n, a.id, live)
	default:
		return fmt.Errorf("the session %q is live, which had ended before step %d, which was acknowledged", live, a.n)
	}
	a.unclear = false
	for _, token := range f.Good {
		if at := slices.Index(a.tokens, token); a.ids[len(a.ids)-1] != live || at != len(a.tokens)-1 {
			return fmt.Errorf("token %d of %d is accepted, and %q is live", at+1, len(a.tokens), live)
		}
	}
	if last := a.ids[max(0, len(a.ids)-20):]; len(f.Created) < len(last) || !slices.Equal(f.Created[len(f.Created)-len(last):], last) {
		return fmt.Errorf("the log has %q at its end, want %q", f.Created[max(0, len(f.Created)-20):], last)
	}
	return nil
}

// few is how often the power is cut where -rounds does not say it.
func few(n int) int {
	if *rounds > 0 {
		return *rounds
	}
	return n
}

func TestWhatWasAcknowledgedSurvivesAPowerCutInSQLite(t *testing.T) { // STO-04
	if err := sqliteSystem(t, false).run(few(4)); err != nil {
		t.Fatal(err)
	}
}

func TestWhatWasAcknowledgedSurvivesAPowerCutInPostgreSQL(t *testing.T) {
	if err := postgresSystem(t, false).run(few(2)); err != nil {
		t.Fatal(err)
	}
}
