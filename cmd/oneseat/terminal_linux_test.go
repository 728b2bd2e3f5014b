package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oneseat/oneseat"
)

// screen is a process of oneseat on a terminal.
type screen struct {
	t    *testing.T
	cmd  *exec.Cmd
	ours *os.File
	said *syncBuffer
	read chan struct{} // closed when all was read
}

// onTerminal runs oneseat on a terminal of that many columns.
func onTerminal(t *testing.T, columns uint16, env []string, args ...string) *screen {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(ours.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 50, Col: columns}); err != nil {
		t.Fatal(err)
	}
	theirs, err := os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{t, oneseatProcess(args...), ours, new(syncBuffer), make(chan struct{})}
	s.cmd.Env = append(s.cmd.Env, env...)
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = theirs, theirs, theirs
	s.cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true, Setctty: true} // Ctrl-C is for this process
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = theirs.Close()
	go func() {
		defer close(s.read)
		_, _ = io.Copy(s.said, ours) // until the process has closed its end
	}()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		<-s.read
		_ = ours.Close()
	})
	return s
}

// oneseatProcess is a process of oneseat, that is not started.
func oneseatProcess(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), argsVariable+"="+strings.Join(args, "\x1f"), "TERM=xterm", "NO_COLOR=")
	return cmd
}

// types waits until something is said, and types a text.
func (s *screen) types(after, text string) {
	s.t.Helper()
	waitFor(s.t, func() bool { return strings.Contains(s.said.String(), after) })
	if _, err := s.ours.WriteString(text); err != nil {
		s.t.Fatal(err)
	}
}

// end waits for the end, and returns the exit code and all that was said.
func (s *screen) end() (int, string) {
	s.t.Helper()
	select {
	case <-s.read:
	case <-time.After(patience):
		s.t.Fatalf("it does not end: %s", s.said)
	}
	_ = s.cmd.Wait() // its code says how it ended
	return s.cmd.ProcessState.ExitCode(), strings.ReplaceAll(s.said.String(), "\r\n", "\n")
}

var anEscape = regexp.MustCompile("\x1b\\[[0-9]*m")

func TestWhatIsPrintedFitsTheTerminal(t *testing.T) {
	p := onServer(t)
	for _, label := range []string{"Firefox on Linux", "Living room", "Safari on iPhone"} {
		p.signIn("ada@example.com", label, oneseat.ClassTV)
	}
	p.signIn("山田太郎さん", "電話電話電話電話電話", oneseat.ClassMobile)
	p.signIn("x\u202ey", "Laptop", oneseat.ClassDesktop)
	p.prints("accounts block x\u202ey --for 24h --yes")
	data := []string{"accounts list", "accounts show ada@example.com", "sessions list", "events", "explain ada@example.com"}
	for columns, lines := range map[int][]string{40: append(data, "accounts -h", "sessions end -h"), 80: data, 200: {"sessions list"}} {
		for _, line := range lines {
			code, said := onTerminal(t, uint16(columns), nil, append(strings.Fields(line), p.where...)...).end()
			if code != exitOK || strings.ContainsRune(said, '\u202e') || !strings.HasSuffix(line, "-h") && line != "events" && line[:7] != "explain" && !strings.Contains(said, "\x1b[1m") {
				t.Errorf("%d: %s: %d %q", columns, line, code, said)
			}
			for row := range strings.Lines(anEscape.ReplaceAllString(said, "")) {
				if example := strings.HasPrefix(row, "  oneseat "); wide(strings.TrimSuffix(row, "\n")) > columns && !example {
					t.Errorf("%d: %s: %d columns: %s", columns, line, wide(row), row)
				}
			}
		}
	}
	for _, env := range []string{"NO_COLOR=1", "TERM=dumb"} {
		if _, said := onTerminal(t, 80, []string{env}, append([]string{"accounts", "list"}, p.where...)...).end(); strings.ContainsRune(said, '\x1b') || !strings.Contains(said, "ACCOUNT") {
			t.Errorf("%s: %q", env, said)
		}
	}
	if said := p.prints("accounts list"); strings.ContainsRune(said, '\x1b') {
		t.Errorf("colours where there is no terminal: %q", said)
	}
}

func TestWhatEndsSomethingAsksOnATerminal(t *testing.T) {
	p := onServer(t)
	one := p.signIn("ada", "Laptop", oneseat.ClassDesktop)
	on := func(line string) *screen { return onTerminal(t, 80, nil, append(strings.Fields(line), p.where...)...) }
	for _, answer := range []string{"n\n", "\n", "ja\n", "\x04"} { // the last is Ctrl-D
		s := on("sessions end ada --all")
		s.types("Go on? [y/N] ", answer)
		if code, said := s.end(); code != exitUsage || !strings.Contains(said, "nothing was done") || !strings.Contains(said, string(one.Session.ID)) || !p.live(one) {
			t.Errorf("%q: %d %s", answer, code, said)
		}
	}
	s := on("sessions end ada --all")
	s.types("Go on? [y/N] ", "\x03") // Ctrl-C
	if code, said := s.end(); code != exitInterrupted || !p.live(one) {
		t.Errorf("Ctrl-C: %d %s", code, said)
	}
	s = on("sessions end ada --all")
	s.types("Go on? [y/N] ", "y\n")
	if code, said := s.end(); code != exitOK || !strings.Contains(said, "1 session of ada ended.") || p.live(one) {
		t.Errorf("%d %s", code, said)
	}

	two := p.signIn("ada", "Laptop", oneseat.ClassDesktop)
	s = on("end-realm")
	s.types("Type the name of the realm to go on: ", "default\n")
	if code, said := s.end(); code != exitUsage || !strings.Contains(said, "Every session of every account of the realm shop") || !p.live(two) {
		t.Errorf("%d %s", code, said)
	}
	s = on("end-realm shop")
	s.types("Type the name of the realm to go on: ", "shop\n")
	if code, said := s.end(); code != exitOK || p.live(two) {
		t.Errorf("%d %s", code, said)
	}
	s = on("accounts block ada")
	s.types("Block ada? [y/N] ", "yes\n")
	if code, said := s.end(); code != exitOK || !strings.Contains(said, "ada is blocked.") {
		t.Errorf("%d %s", code, said)
	}
}

func TestCtrlCEndsAWatchWithoutAnError(t *testing.T) {
	p := onServer(t)
	s := onTerminal(t, 200, nil, append([]string{"sessions", "watch"}, p.where...)...)
	waitFor(t, func() bool { return strings.Contains(s.said.String(), "Ctrl-C ends it.") })
	p.signIn("ada", "Laptop", oneseat.ClassDesktop)
	s.types("ada signed in", "\x03")
	if code, said := s.end(); code != exitOK || strings.Contains(said, "oneseat") {
		t.Errorf("%d %s", code, said)
	}
}

// A reader that takes a line and goes, as head -1 does.
func TestAPipeThatIsClosedEndsACommandQuietly(t *testing.T) {
	p := onStore(t, "sqlite:"+filepath.Join(t.TempDir(), "oneseat.db"))
	for i := range firstPage + 1 {
		p.signIn(fmt.Sprintf("member %03d", i), strings.Repeat("x", 40), oneseat.ClassDesktop)
	}
	for _, line := range []string{"accounts list", "accounts list --json", "sessions list", "events --limit 0", "sessions watch"} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		_, _ = unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 4096) // less than what is printed
		var stderr bytes.Buffer
		cmd := oneseatProcess(append(strings.Fields(line), p.where...)...)
		cmd.Stdout, cmd.Stderr = w, &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		_ = w.Close()
		first := make(chan string, 1)
		go func() { // as soon as it has a line, the pipe is closed, and nothing else happens
			text, _ := bufio.NewReader(r).ReadString('\n')
			_ = r.Close()
			first <- text
		}()
		var text string
		for text == "" && slices.Contains(strings.Fields(line), "watch") {
			p.signIn("ada", "Laptop", oneseat.ClassDesktop)
			select {
			case text = <-first:
			default:
			}
		}
		if err := cmd.Wait(); err != nil || stderr.Len() != 0 {
			t.Errorf("%s: %v %s", line, err, &stderr)
		}
		if text == "" && <-first == "" {
			t.Errorf("%s printed nothing", line)
		}
	}
}
