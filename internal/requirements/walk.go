package requirements

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/oneseat/oneseat/internal/mutants"
)

// Result is what became of one break.
type Result struct {
	Row   Row
	Break Break
	Took  time.Duration // of the test, with the mistake
	Err   error         // nil if the test passes without the mistake and fails with it
}

// Walk breaks the rows in the tree at root, each in its ways, and calls tell with
// each result. It tries several breaks at a time, but calls tell one at a time. It
// writes to dir only. It returns an error if nothing could be tried, or if ctx ended.
func Walk(ctx context.Context, root, dir string, rows []Row, tell func(Result)) error {
	root, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	w := walker{root: root, dir: dir, tell: tell}
	program := sync.OnceValues(func() (string, error) { return w.build(ctx) })
	w.program = program
	var (
		together []mutants.Mistake
		tries    []*try
	)
	for _, r := range rows {
		for _, b := range r.Breaks {
			t := &try{row: r, Break: b, number: len(tries)}
			tries = append(tries, t)
			m, switched, err := b.How.mutant()
			if err != nil {
				return fmt.Errorf("%s: %w", r.ID, err)
			}
			if t.switched = switched; switched {
				m.Name = r.ID + ": " + m.Name
				together = append(together, m)
			}
		}
	}
	overlay, env, err := mutants.Switchable(root, filepath.Join(dir, "together"), together)
	if err != nil {
		return err
	}
	next := 0
	by := map[string][]*try{}
	for _, t := range tries {
		if t.switched {
			t.env = env[next]
			next++
		}
		by[t.Test.Dir] = append(by[t.Test.Dir], t)
	}
	w.each(ctx, by, overlay)
	return context.Cause(ctx)
}

// try is a break that has not been tried yet.
type try struct {
	row Row
	Break
	number   int
	switched bool // by env
	env      string
}

type walker struct {
	root, dir string
	program   func() (string, error) // the file of the program, as it is

	mu   sync.Mutex // held while tell runs
	tell func(Result)
}

// each goes through the directories with tests, as many at once as there are
// processors.
func (w *walker) each(ctx context.Context, by map[string][]*try, overlay string) {
	var all sync.WaitGroup
	free := make(chan struct{}, runtime.NumCPU())
	for in, tries := range by {
		all.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			w.one(ctx, in, tries, overlay)
		})
	}
	all.Wait()
}

// one makes all tries with the tests in one directory.
func (w *walker) one(ctx context.Context, in string, tries []*try, overlay string) {
	if !slices.ContainsFunc(tries, func(t *try) bool { return t.switched }) {
		overlay = ""
	}
	sound, err := w.prepare(ctx, in, overlay)
	passes, took := map[string]error{}, map[string]time.Duration{}
	for _, t := range tries {
		if err != nil {
			w.told(t, 0, err)
			continue
		}
		if _, known := passes[t.Test.Name]; !known {
			began := time.Now()
			out, err := sound.run(ctx, t.Test, patience, "")
			passes[t.Test.Name], took[t.Test.Name] = passed(t.Test, out, err), time.Since(began)
		}
		if err := passes[t.Test.Name]; err != nil {
			w.told(t, 0, err)
			continue
		}
		began := time.Now()
		err := w.try(ctx, sound, t, patienceAfter(took[t.Test.Name]))
		w.told(t, time.Since(began), err)
	}
}

func (w *walker) told(t *try, took time.Duration, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tell(Result{t.row, t.Break, took, err})
}

// try runs the test with the mistake, and returns nil if it fails.
func (w *walker) try(ctx context.Context, tests runner, t *try, patience time.Duration) error {
	if !t.switched {
		var err error
		own := filepath.Join(w.dir, fmt.Sprint("alone", t.number))
		if t.Reads {
			err = copyTree(w.root, own, t.How)
			tests.dir = filepath.Join(own, t.Test.Dir)
		} else {
			var overlay string
			if overlay, err = mutants.PlantText(w.root, own, t.How.file, t.How.old, t.How.new); err == nil {
				tests, err = w.compile(ctx, t.Test.Dir, overlay, fmt.Sprint("alone", t.number))
			}
		}
		if err != nil {
			return err
		}
	}
	out, err := tests.run(ctx, t.Test, patience, t.env)
	return failed(t.Break, out, err, patience)
}

// runner runs tests of one directory.
type runner struct {
	dir     string   // where they run
	command []string // what runs a test
	env     []string
}

// prepare makes what runs the tests in a directory.
func (w *walker) prepare(ctx context.Context, in, overlay string) (runner, error) {
	if in != django {
		return w.compile(ctx, in, overlay, "sound")
	}
	program, err := w.program()
	return runner{filepath.Join(w.root, in), []string{python(), "-B", "-m", "tests"}, []string{"ONESEAT_BINARY=" + program}}, err
}

// build compiles the program, for tests that are no Go.
func (w *walker) build(ctx context.Context) (string, error) {
	program := filepath.Join(w.dir, "oneseat")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", program, "./cmd/oneseat")
	cmd.Dir = w.root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("the program does not compile: %w\n%s", err, out)
	}
	return program, nil
}

// python is the one that make django uses.
func python() string { return cmp.Or(os.Getenv("PYTHON"), "/usr/bin/python3") }

// compile compiles the tests of a package. If these tests compile a program themselves,
// the program gets the same overlay.
func (w *walker) compile(ctx context.Context, in, overlay, name string) (runner, error) {
	binary := filepath.Join(w.dir, strings.NewReplacer("/", "+", ".", "root").Replace(in)+"."+name+".test")
	var flag []string
	if overlay != "" {
		flag = []string{"-overlay=" + overlay}
	}
	cmd := exec.CommandContext(ctx, "go", slices.Concat([]string{"test", "-c", "-vet=off", "-o", binary}, flag, []string{"."})...)
	cmd.Dir = filepath.Join(w.root, in)
	if out, err := cmd.CombinedOutput(); err != nil {
		return runner{}, fmt.Errorf("it does not compile: %w\n%s", err, out)
	}
	env := []string{"GOFLAGS=" + strings.TrimSpace(os.Getenv("GOFLAGS")+" "+strings.Join(flag, ""))}
	return runner{filepath.Join(w.root, in), []string{binary, "-test.v"}, env}, nil
}

// patience is how long a test may take at most. With the mistake a test gets much more
// time than it took without, but not more than that. A test that is still running then
// hangs. A test that hangs does not count as one that fails, unless the break says that
// it hangs.
const patience = 2 * time.Minute

func patienceAfter(took time.Duration) time.Duration { return min(15*time.Second+5*took, patience) }

// run runs one test.
func (r runner) run(ctx context.Context, t Test, patience time.Duration, env string) ([]byte, error) {
	args := []string{t.Name}
	if t.Dir != django {
		var pattern []string
		for part := range strings.SplitSeq(t.Name, "/") {
			pattern = append(pattern, "^"+regexp.QuoteMeta(part)+"$")
		}
		args = []string{"-test.timeout=" + patience.String(), "-test.run=" + strings.Join(pattern, "/")}
	}
	cmd := exec.CommandContext(ctx, r.command[0], slices.Concat(r.command[1:], args)...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), r.env...)
	if env != "" {
		cmd.Env = append(cmd.Env, env)
	}
	return cmd.CombinedOutput()
}

// copyTree makes a copy of the tree at root, in which there is the mistake. A test that
// reads files relative to the directory where it runs needs no other compiling there.
func copyTree(root, to string, m Mistake) error {
	if m.file == "" {
		return errors.New("a test that reads files sees only a mistake that replaces a text")
	}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		in, err := filepath.Rel(root, name)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "bin" || d.Name() == "dist"):
			return filepath.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, in), 0o700)
		case !d.Type().IsRegular():
			return nil
		}
		text, err := os.ReadFile(name) // ours
		if err == nil && filepath.ToSlash(in) == m.file {
			if n := bytes.Count(text, []byte(m.old)); n != 1 {
				return fmt.Errorf("%s has changed: what is to be replaced is there %d times", m.file, n)
			}
			text = bytes.Replace(text, []byte(m.old), []byte(m.new), 1)
		}
		info, errInfo := d.Info()
		if err = errors.Join(err, errInfo); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, in), text, info.Mode().Perm()|0o600)
	})
	return err
}

// passed returns an error unless a test passed without a mistake.
func passed(t Test, out []byte, err error) error {
	name := strings.ReplaceAll(t.Name, " ", "_")
	if t.python() {
		if err != nil || !bytes.Contains(out, []byte("\nRan 1 test in ")) {
			return fmt.Errorf("%s fails without the mistake, or there is no such test (%v)\n%s", t.Name, err, out)
		}
		return nil
	}
	switch {
	case !bytes.Contains(out, []byte("=== RUN   "+name+"\n")):
		return fmt.Errorf("there is no test %s in %s (%v)\n%s", t.Name, t.Dir, err, out)
	case err != nil || !bytes.Contains(out, []byte("--- PASS: "+name+" (")):
		return fmt.Errorf("%s fails without the mistake, or is skipped (%v)\n%s", t.Name, err, out)
	}
	return nil
}

// failed returns an error unless a test failed, with a mistake, as the break says.
func failed(b Break, out []byte, err error, patience time.Duration) error {
	name := strings.ReplaceAll(b.Test.Name, " ", "_")
	said := func(what string) bool { return bytes.Contains(out, []byte(what)) }
	_, exited := errors.AsType[*exec.ExitError](err)
	switch hangs := said("panic: test timed out"); {
	case err == nil:
		return fmt.Errorf("%s passes with the mistake", b.Test.Name)
	case !exited:
		return err
	case hangs && !b.Hangs:
		return fmt.Errorf("%s hangs with the mistake, for %v", b.Test.Name, patience)
	case b.Test.python():
		if method := b.Test.Proof(); !said("\nFAIL: "+method+" (") && !said("\nERROR: "+method+" (") {
			return fmt.Errorf("something other than %s fails: %w\n%s", name, err, out)
		}
	case said("canaries: a "): // the end of a test binary, in which nothing else ran
	case !said("--- FAIL: "+name+" (") && !said("\npanic: ") && !said("\nfatal error: "):
		return fmt.Errorf("something other than %s fails: %w\n%s", b.Test.Name, err, out)
	}
	return nil
}
