package requirements

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
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

// Walk breaks the rows, one way after the other, in the tree at root, and calls
// tell with each result, some at a time but one after the other. An error says
// that nothing could be tried. What it writes is in dir.
func Walk(ctx context.Context, root, dir string, rows []Row, tell func(Result)) error {
	root, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	w := walker{root: root, dir: dir, tell: tell}
	var (
		together []mutants.Mistake
		tries    []*try
	)
	for _, r := range rows {
		for _, b := range r.Breaks {
			t := &try{row: r, Break: b, number: len(tries)}
			tries = append(tries, t)
			m := b.How.code
			if b.How.story != "" {
				named, err := mutants.Named(b.How.story)
				if err != nil {
					return fmt.Errorf("%s: %w", r.ID, err)
				}
				m = &named
			}
			if m != nil {
				known := *m
				known.Name = r.ID + ": " + m.Name
				together, t.switched = append(together, known), true
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
			t.overlay, t.env = overlay, env[next]
			next++
		}
		by[t.Test.Dir] = append(by[t.Test.Dir], t)
	}
	w.each(ctx, by, overlay)
	return context.Cause(ctx)
}

// try is a break of which nothing is known yet.
type try struct {
	row Row
	Break
	number   int
	switched bool   // by env
	overlay  string // "" for one of its own
	env      string
}

type walker struct {
	root, dir string

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
	if in == django {
		for _, t := range tries {
			w.told(t, 0, errors.New("no Python yet"))
		}
		return
	}
	sound, err := w.compile(ctx, in, overlay, "sound")
	passes := map[string]error{}
	for _, t := range tries {
		if err != nil {
			w.told(t, 0, err)
			continue
		}
		if _, known := passes[t.Test.Name]; !known {
			out, err := w.run(ctx, sound, t.Test, overlay, "")
			passes[t.Test.Name] = sees(t.Test, out, err, true)
		}
		if err := passes[t.Test.Name]; err != nil {
			w.told(t, 0, err)
			continue
		}
		began := time.Now()
		err := w.try(ctx, sound, t)
		w.told(t, time.Since(began), err)
	}
}

func (w *walker) told(t *try, took time.Duration, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tell(Result{t.row, t.Break, took, err})
}

// try runs the test with the mistake, and returns nil if it fails.
func (w *walker) try(ctx context.Context, binary string, t *try) error {
	overlay := t.overlay
	if !t.switched {
		var err error
		own := filepath.Join(w.dir, fmt.Sprint("alone", t.number))
		if overlay, err = mutants.PlantText(w.root, own, t.How.file, t.How.old, t.How.new); err != nil {
			return err
		}
		if binary, err = w.compile(ctx, t.Test.Dir, overlay, fmt.Sprint("alone", t.number)); err != nil {
			return err
		}
	}
	out, err := w.run(ctx, binary, t.Test, overlay, t.env)
	return sees(t.Test, out, err, false)
}

// compile makes the tests of a package.
func (w *walker) compile(ctx context.Context, in, overlay, name string) (binary string, err error) {
	binary = filepath.Join(w.dir, strings.NewReplacer("/", "+", ".", "root").Replace(in)+"."+name+".test")
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-overlay="+overlay, "-o", binary, ".")
	cmd.Dir = filepath.Join(w.root, in)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("it does not compile: %w\n%s", err, out)
	}
	return binary, nil
}

// patience is how long a test may take. One that hangs counts as none that fails.
const patience = 2 * time.Minute

// run runs one test. A program that it compiles has the mistake too.
func (w *walker) run(ctx context.Context, binary string, t Test, overlay, env string) ([]byte, error) {
	var pattern []string
	for part := range strings.SplitSeq(t.Name, "/") {
		pattern = append(pattern, "^"+regexp.QuoteMeta(part)+"$")
	}
	cmd := exec.CommandContext(ctx, binary, "-test.v", "-test.timeout="+patience.String(), "-test.run="+strings.Join(pattern, "/")) // our own program
	cmd.Dir = filepath.Join(w.root, t.Dir)
	cmd.Env = append(os.Environ(), "GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -overlay="+overlay))
	if env != "" {
		cmd.Env = append(cmd.Env, env)
	}
	return cmd.CombinedOutput()
}

// sees says what is wrong with the output of a test that had to pass, or to fail.
func sees(t Test, out []byte, err error, pass bool) error {
	_, exited := errors.AsType[*exec.ExitError](err)
	name := strings.ReplaceAll(t.Name, " ", "_")
	said := func(what string) bool { return strings.Contains(string(out), what) }
	switch {
	case err != nil && !exited:
		return err
	case !said("=== RUN   " + name + "\n"):
		return fmt.Errorf("there is no test %s in %s\n%s", t.Name, t.Dir, out)
	case pass && !(err == nil && said("--- PASS: "+name+" (")):
		return fmt.Errorf("%s fails without the mistake, or is skipped: %w\n%s", t.Name, err, out)
	case !pass && said("panic: test timed out"):
		return fmt.Errorf("%s hangs with the mistake, for %v", t.Name, patience)
	case !pass && err == nil:
		return fmt.Errorf("%s passes with the mistake", t.Name)
	case !pass && !said("--- FAIL: "+name+" (") && !said("\npanic: ") && !said("\nfatal error: "):
		return fmt.Errorf("something else than %s fails: %w\n%s", t.Name, err, out)
	}
	return nil
}
