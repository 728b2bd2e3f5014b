package mutants

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// suite is the tests of the root package, compiled once with every mutant in
// them, and what each of them runs.
type suite struct {
	binary string
	dir    string
	tests  []ran // the quickest first

	mu       sync.Mutex                 // guards what follows
	catchers map[string]map[string]bool // the tests that caught mutants of a function
}

// ran is one test, and what there is to know of it.
type ran struct {
	name string
	took time.Duration
	runs map[int]bool // the numbers of the mutants that it comes across
}

// compile makes the tests of the root package with these texts instead of its
// own.
func compile(t *testing.T, texts map[string][]byte) *suite {
	t.Helper()
	s := &suite{dir: t.TempDir()}
	s.binary = filepath.Join(s.dir, "mutants.test")
	overlay, err := overlaid(root, s.dir, texts)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-c", "-vet=off", "-overlay="+overlay, "-o", s.binary, ".")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return s
}

// record runs each test by itself, and notes what it comes across.
func (s *suite) record(t *testing.T) {
	t.Helper()
	out, err := s.command(t.Context(), time.Minute, nil, "-test.list=.").Output()
	if err != nil {
		t.Fatal(err)
	}
	names := strings.Fields(string(out))
	s.tests = make([]ran, len(names))
	var failed sync.Map
	atOnce(len(names), func(i int) {
		seen := filepath.Join(s.dir, "seen"+strconv.Itoa(i))
		var began time.Time
		for range 2 { // whether a test fails now and then is found out where it is run by itself
			began = time.Now()
			out, err := s.command(t.Context(), time.Minute, []string{seenVariable + "=" + seen}, "-test.run=^"+names[i]+"$").CombinedOutput()
			if err == nil {
				failed.Delete(names[i])
				break
			}
			failed.Store(names[i], fmt.Sprintf("%v\n%s", err, out))
		}
		s.tests[i] = ran{names[i], time.Since(began), map[int]bool{}}
		text, _ := os.ReadFile(seen) // ours; a test that runs none of them makes no file
		for line := range strings.Lines(string(text)) {
			if n, err := strconv.Atoi(strings.TrimSpace(line)); err == nil {
				s.tests[i].runs[n] = true
			}
		}
	})
	failed.Range(func(name, out any) bool {
		t.Errorf("%s fails without any mutant: %s", name, out)
		return true
	})
	slices.SortFunc(s.tests, func(a, b ran) int { return cmp.Compare(a.took, b.took) })
}

// hands are how many things are done at once: as many as there are processors.
var hands = runtime.NumCPU()

// atOnce does n things, some at a time.
func atOnce(n int, do func(int)) {
	var all sync.WaitGroup
	next := make(chan int)
	for range hands {
		all.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	all.Wait()
}

// busy is how many seconds of the processor a run of tests may use. Without a
// mutant all tests together use a few.
const busy = 20

// command returns a command that runs the tests, for patience at most. A mutant
// may take memory or time without end, so the command bounds both.
func (s *suite) command(ctx context.Context, patience time.Duration, env []string, args ...string) *exec.Cmd {
	limits := fmt.Sprintf(`ulimit -v 8000000; ulimit -t %d; exec "$@"`, busy)
	args = append([]string{"-c", limits, "sh", s.binary, "-test.timeout=" + patience.String(), "-rapid.nofailfile", "-rapid.seed=1"}, args...)
	cmd := exec.CommandContext(ctx, "sh", args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), env...)
	return cmd
}

// verdict is what became of a mutant.
type verdict struct {
	caught bool
	by     string // the test that failed, or what else happened
	took   time.Duration
}

// try runs the tests that come across a mutant, until one fails.
func (s *suite) try(ctx context.Context, m *Mutant, does func(ran) bool) (verdict, error) {
	began := time.Now()
	var (
		batches  [3][]string // the tests that caught another mutant of the function, the quick ones, and the others
		patience [3]time.Duration
	)
	s.mu.Lock()
	known := maps.Clone(s.catchers[m.Function])
	s.mu.Unlock()
	for _, r := range s.tests {
		if does(r) {
			i := 1
			switch {
			case known[r.name]:
				i = 0
			case r.took > 100*time.Millisecond:
				i = 2
			}
			batches[i] = append(batches[i], r.name)
			patience[i] += 5 * r.took // more than it took without a mutant
		}
	}
	for i, batch := range batches {
		if len(batch) == 0 {
			continue
		}
		cmd := s.command(ctx, 10*time.Second+patience[i], []string{activeVariable + "=" + strconv.Itoa(m.number)}, "-test.failfast", "-test.run=^("+strings.Join(batch, "|")+")$")
		out, err := cmd.CombinedOutput()
		if err == nil {
			continue
		}
		if _, exited := errors.AsType[*exec.ExitError](err); !exited {
			return verdict{}, err
		}
		v := verdict{true, catcher(out, err), time.Since(began)}
		s.caught(m, v.by)
		return v, nil
	}
	return verdict{took: time.Since(began)}, nil
}

// caught notes which test caught a mutant.
func (s *suite) caught(m *Mutant, by string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.catchers == nil {
		s.catchers = map[string]map[string]bool{}
	}
	if s.catchers[m.Function] == nil {
		s.catchers[m.Function] = map[string]bool{}
	}
	s.catchers[m.Function][by] = true
}

// thorough says that what seems to survive is tried once more.
var thorough = true

// judge returns what became of a mutant. A mutant that is expected to survive
// counts as caught if that happens twice, and not because the time was over. If
// any other mutant survives, the rest of the tests are tried too, because what a
// test comes across may depend on its goroutines.
func (s *suite) judge(ctx context.Context, m *Mutant, survives bool) (verdict, error) {
	across := func(r ran) bool { return r.runs[m.number] }
	v, err := s.try(ctx, m, across)
	switch {
	case err != nil:
	case survives && v.by == timeout:
		v.caught = false
	case survives && v.caught:
		return s.try(ctx, m, across)
	case !survives && !v.caught && thorough:
		return s.try(ctx, m, func(r ran) bool { return !across(r) })
	}
	return v, err
}

const timeout = "a timeout"

var failed = regexp.MustCompile(`(?m)^--- FAIL: (\w+)`)

// catcher names the first test that failed.
func catcher(out []byte, err error) string {
	if bytes.Contains(out, []byte("panic: test timed out")) {
		return timeout
	}
	if m := failed.FindSubmatch(out); m != nil {
		return string(m[1])
	}
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			return strings.TrimSpace(line)
		}
	}
	return err.Error()
}
