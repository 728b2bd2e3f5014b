package sqlitestore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/internal/fixture"
	"github.com/oneseat/oneseat/store/sqlitestore"
)

func TestWhileTheDatabaseIsLockedNothingIsWrittenAndReadsGoOn(t *testing.T) {
	t.Parallel()
	s, path := fresh(t)
	signIn(t, s, "ada", "A")
	other := shell(t, path)
	run(t, other, "BEGIN IMMEDIATE", "CREATE TABLE demo_users (name TEXT)")

	ctx, cancel := context.WithCancel(t.Context())
	waiting := newWaits(ctx)
	result := make(chan error)
	go func() {
		_, err := s.Update(waiting, key("ada"), seat("ada", "cancelled"))
		result <- err
	}()
	<-waiting.waiting
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled while the database was locked: %v", err)
	}

	_, err := s.Update(t.Context(), key("ada"), seat("ada", "B"))
	wantFailure(t, err, oneseat.FailureBusy)
	if errors.Is(err, oneseat.ErrUnknownOutcome) {
		t.Error("the outcome is known")
	}
	wantLive(t, s, "ada", "A")
	run(t, other, "COMMIT")
	signIn(t, s, "ada", "C")
	wantLive(t, s, "ada", "C")
}

func TestWhenTheDiskIsFullNothingIsLost(t *testing.T) {
	t.Parallel()
	s, path := fresh(t)
	if err := s.Fill(t.Context()); err != nil {
		t.Fatal(err)
	}
	var in []string
	var err error
	for i := 0; err == nil && i < 10000; i++ {
		a := fmt.Sprint("account", i)
		if _, err = s.Update(t.Context(), key(a), seat(a, "S")); err == nil {
			in = append(in, a)
		}
	}
	wantFailure(t, err, oneseat.FailureFull)
	if errors.Is(err, oneseat.ErrUnknownOutcome) {
		t.Error("the outcome is known")
	}
	refused := fmt.Sprint("account", len(in))
	wantLive(t, s, refused)
	signIn(t, s, refused, "S2") // there is room again
	for _, s := range []*sqlitestore.Store{s, open(t, path)} {
		for _, a := range in {
			wantLive(t, s, a, "S")
		}
		wantLive(t, s, refused, "S2")
	}
}

func TestWhenTheFileIsGoneNoCallIsAnsweredUntilItIsOpenedAgain(t *testing.T) {
	t.Parallel()
	s, path := fresh(t)
	signIn(t, s, "ada", "A")
	cursor := end(t, s)
	woken, ended := make(chan struct{}, 1), make(chan error, 1)
	go func() {
		ended <- s.Wake(t.Context(), func(int) {
			select {
			case woken <- struct{}{}:
			default:
			}
		})
	}()
	<-woken
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	wantNothing := func() {
		t.Helper()
		_, err := s.Load(t.Context(), key("ada"))
		_, err2 := s.Update(t.Context(), key("ada"), seat("ada", "B"))
		_, err3 := s.Changes(t.Context(), 0, cursor)
		_, err4 := s.Due(t.Context(), realm, 1)
		_, err5 := s.Events(t.Context(), oneseat.EventQuery{Realm: realm})
		_, err6 := s.Rosters(t.Context(), oneseat.RosterQuery{Realm: realm})
		for _, err := range []error{err, err2, err3, err4, err5, err6, s.Wake(t.Context(), func(int) {})} {
			wantFailure(t, err, oneseat.FailureSplit)
		}
	}
	wantNothing()
	wantFailure(t, <-ended, oneseat.FailureSplit)
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file was made in its place: %v", err)
	}
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	wantNothing() // nobody knows what was done to the file in between

	s2 := open(t, path)
	wantLive(t, s2, "ada", "A")
	signIn(t, s2, "ada", "C")
	tail, err := s2.Changes(t.Context(), 0, cursor)
	if err != nil || tail.Gap || len(tail.Entries) != 1 {
		t.Errorf("%+v, %v", tail, err)
	}
}

func TestADamagedDatabaseIsAnErrorThatSaysSo(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "oneseat.db")
	s, err := sqlitestore.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		a := fmt.Sprint("account", i)
		signIn(t, s, a, "S")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const schemaEnds = 3 * 4096 // the pages before it describe the tables
	copy(b[schemaEnds:], bytes.Repeat([]byte("damage"), len(b)))
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err = sqlitestore.Open(path)
	if err == nil {
		_, err = s.Load(t.Context(), key("account7"))
		_, err2 := s.Update(t.Context(), key("account7"), seat("account7", "S2"))
		wantFailure(t, err2, oneseat.FailureDamaged)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	wantFailure(t, err, oneseat.FailureDamaged)

	if err := os.WriteFile(path, bytes.Repeat([]byte("no database"), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = sqlitestore.Open(path)
	wantFailure(t, err, oneseat.FailureForeign)
}

func TestOpenTakesOnlyThePathOfAFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for path, want := range map[string]oneseat.StoreFailure{
		"":                                 oneseat.FailureAddress,
		":memory:":                         oneseat.FailureAddress,
		"file:x.db":                        oneseat.FailureAddress,
		"sqlite://x.db":                    oneseat.FailureAddress,
		"x\x00.db":                         oneseat.FailureAddress,
		dir:                                oneseat.FailureAddress,
		filepath.Join(dir, "none", "x.db"): oneseat.FailureUnreachable,
		filepath.Join("/dev/null", "x.db"): oneseat.FailureUnreachable,
	} {
		s, err := sqlitestore.Open(path)
		if wantFailure(t, err, want); s != nil {
			t.Errorf("%q was opened", path)
		}
	}
	for _, name := range []string{"a b?mode=memory&x=y#z%20é'\";.db", "%3F.db", "-", "ünï.db", "x.db?_pragma=query_only(1)"} {
		path := filepath.Join(dir, name)
		signIn(t, open(t, path), "ada", "A")
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}

func TestAnotherProgramsDatabaseIsRefusedAndLeftAsItIs(t *testing.T) {
	t.Parallel()
	for name, statement := range map[string]string{
		"its application id": "PRAGMA application_id = 1234",
		"a name we need":     "CREATE TABLE history (url TEXT)",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "foreign.db")
			conn := shell(t, path)
			run(t, conn, "CREATE TABLE theirs (x)", statement)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			_, err = sqlitestore.Open(path)
			wantFailure(t, err, oneseat.FailureForeign)
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
				t.Errorf("the file was changed (%v)", err)
			}
		})
	}
}

func TestAnApplicationsTablesMayBeInTheSameFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "app.db")
	app := shell(t, path)
	run(t, app, "CREATE TABLE demo_users (name TEXT, password TEXT)", "INSERT INTO demo_users VALUES ('ada', 'x')")
	s := open(t, path)
	signIn(t, s, "ada", "A")
	run(t, app, "UPDATE demo_users SET password = 'y'", "PRAGMA wal_checkpoint(TRUNCATE)")
	signIn(t, s, "grace", "G")
	wantLive(t, s, "ada", "A")
}

func TestADatabaseOfANewerReleaseIsRefused(t *testing.T) {
	t.Parallel()
	s, path := fresh(t)
	signIn(t, s, "ada", "A")
	run(t, shell(t, path), "INSERT INTO oneseat_migrations VALUES (999, '0999_future.sql', '')")
	_, err := sqlitestore.Open(path)
	wantFailure(t, err, oneseat.FailureNewer)
	wantLive(t, s, "ada", "A") // a process that has the file open goes on
}

// victim is a process whose faults would disturb other tests.
func victim(args []string, say func(string)) error {
	path := args[1]
	switch args[0] {
	case "read-only":
		return readOnly(path)
	case "failing disk":
		return failingDisk(path)
	}
	return fmt.Errorf("what is %q?", args[0])
}

// readOnly runs as a user who cannot write to read-only files.
func readOnly(path string) error {
	s, err := sqlitestore.Open(path)
	if err != nil {
		return err
	}
	ctx := context.Background()
	_, err = s.Update(ctx, key("ada"), seat("ada", "A"))
	if err = errors.Join(err, s.Close()); err != nil {
		return err
	}
	for _, c := range []struct {
		file, dir os.FileMode
		want      []oneseat.StoreFailure
	}{
		{0o400, 0o700, []oneseat.StoreFailure{oneseat.FailureReadOnly}},
		{0o400, 0o500, []oneseat.StoreFailure{oneseat.FailureReadOnly, oneseat.FailureUnreachable}},
		{0o600, 0o500, []oneseat.StoreFailure{oneseat.FailureReadOnly, oneseat.FailureUnreachable}}, // no -wal can be made
		{0o000, 0o700, []oneseat.StoreFailure{oneseat.FailureUnreachable}},
	} {
		if err := errors.Join(os.Chmod(path, c.file), os.Chmod(filepath.Dir(path), c.dir)); err != nil {
			return err
		}
		_, err := sqlitestore.Open(path)
		if e, ok := errors.AsType[*oneseat.StoreError](err); !ok || !slices.Contains(c.want, e.Failure) {
			return fmt.Errorf("file %v, directory %v: %v", c.file, c.dir, err)
		}
	}
	err = os.Chmod(filepath.Dir(path), 0o700)
	for _, suffix := range []string{"", "-wal", "-shm"} { // SQLite gave them the mode of the database file
		if e := os.Chmod(path+suffix, 0o600); !errors.Is(e, os.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	if err != nil {
		return err
	}
	s, err = sqlitestore.Open(path)
	if err != nil {
		return err
	}
	v, err := s.Update(ctx, key("grace"), seat("grace", "G"))
	if err == nil && v.Roster == nil {
		err = errors.New("no roster")
	}
	return errors.Join(err, s.Close())
}

// failingDisk fails to write when the files have to grow.
func failingDisk(path string) error {
	s, err := sqlitestore.Open(path)
	if err != nil {
		return err
	}
	ctx := context.Background()
	if _, err := s.Update(ctx, key("ada"), seat("ada", "A")); err != nil {
		return err
	}
	wal, err := os.Stat(path + "-wal")
	if err != nil {
		return err
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	signal.Ignore(syscall.SIGXFSZ)
	tight := limit
	tight.Cur = uint64(wal.Size())
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &tight); err != nil {
		return err
	}
	_, err = s.Update(ctx, key("ada"), seat("ada", "B"))
	e, ok := errors.AsType[*oneseat.StoreError](err)
	if !ok || e.Failure != oneseat.FailureDisk || !errors.Is(err, oneseat.ErrUnknownOutcome) {
		return fmt.Errorf("a commit whose writing failed: %w", err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	v, err := s.Update(ctx, key("ada"), func(v oneseat.View) (oneseat.Change, error) {
		if fixture.Live(v.Roster)[0] == "B" {
			return oneseat.Change{}, nil // it was committed after all
		}
		return seat("ada", "B")(v)
	})
	if live := fixture.Live(v.Roster); err == nil && !slices.Equal(live, []oneseat.SessionID{"B"}) {
		err = fmt.Errorf("afterwards: %q are signed in", live)
	}
	return errors.Join(err, s.Close())
}

func TestAReadOnlyDatabaseIsAnErrorAndNothingIsLost(t *testing.T) {
	t.Parallel()
	binary, dir, as := unprivileged(t)
	path := filepath.Join(dir, "oneseat.db")
	p := start(t, binary, "victim", as, "read-only", path)
	p.wait(t)
	s := open(t, path)
	wantLive(t, s, "ada", "A")
	wantLive(t, s, "grace", "G")
}

func TestAWriteThatFailsLeavesTheOutcomeUnknownAndTheNextOneHeals(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "oneseat.db")
	start(t, self(t), "victim", nil, "failing disk", path).wait(t)
	wantLive(t, open(t, path), "ada", "B")
}

// unprivileged returns what a process needs that does not run as root, because root may
// write to read-only files. If the tests do not run as root, the process runs as the
// same user.
func unprivileged(t *testing.T) (binary, dir string, as *syscall.Credential) {
	t.Helper()
	if os.Getuid() != 0 {
		return self(t), t.TempDir(), nil
	}
	const nobody = 65534
	dir = filepath.Join(t.TempDir(), "nobodys")
	binary = filepath.Join(filepath.Dir(dir), "test")
	err := errors.Join(
		os.Chmod(filepath.Dir(filepath.Dir(dir)), 0o755),
		os.Mkdir(dir, 0o700), os.Chown(dir, nobody, nobody), copyFile(self(t), binary))
	if err != nil {
		t.Fatal(err)
	}
	return binary, dir, &syscall.Credential{Uid: nobody, Gid: nobody}
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
