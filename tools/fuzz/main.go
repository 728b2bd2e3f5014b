// Command fuzz fuzzes everything that can be fuzzed below a folder: each Fuzz function of each
// module gets an equal part of the time.
//
//	fuzz -for 1h            # all of them
//	fuzz -for 1h -run Token # those with Token in their names
//
// It finds the functions by itself, so none can be forgotten. If the time is too short for all
// of them, it draws some of them, by a seed that it prints. What Go found interesting stays in
// its build cache, and the next run begins with it. An input that fails is written to
// testdata/fuzz beside its test, where "go test" runs it from then on. Such a run goes on with
// the other functions, and exits with 1 at its end.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	f := fuzzing{out: os.Stdout, least: 5 * time.Second}
	flag.StringVar(&f.root, "root", ".", "the `folder` below which functions are looked for")
	flag.DurationVar(&f.all, "for", time.Minute, "the `time` that is divided among them; compiling is not part of it")
	flag.IntVar(&f.processes, "parallel", runtime.GOMAXPROCS(0), "how many `processes` fuzz a function at a time")
	flag.Uint64Var(&f.seed, "seed", uint64(time.Now().UnixNano()), "the `seed` by which some are drawn, if the time is too short for all")
	only := flag.String("run", "", "leave out functions whose names do not match this `pattern`")
	flag.Parse()
	var err error
	if f.only, err = regexp.Compile(*only); err == nil {
		err = f.run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "fuzz:", err)
		os.Exit(1)
	}
}

// fuzzing is one run.
type fuzzing struct {
	root      string
	all       time.Duration
	least     time.Duration // for one function: less is spent on inputs that are known
	processes int
	only      *regexp.Regexp
	seed      uint64
	out       io.Writer
}

// errFound says that fuzzing has found a failure.
var errFound = errors.New("something was found: see above")

func (f *fuzzing) run(ctx context.Context) error {
	found, err := targets(f.root, f.only)
	if err != nil {
		return err
	}
	n := number(found)
	if n == 0 {
		return fmt.Errorf("no Fuzz function below %s matches %q", f.root, f.only)
	}
	if room := max(1, int(f.all/f.least)); n > room {
		found = f.draw(found, room)
		fmt.Fprintf(f.out, "%d of %d functions were drawn with -seed %d\n", room, n, f.seed)
		n = room
	}
	each := f.all / time.Duration(n)
	fmt.Fprintf(f.out, "fuzzing %d functions, %v each\n", n, each.Round(time.Millisecond))
	bad := false
	for _, folder := range slices.Sorted(maps.Keys(found)) {
		good, err := f.folder(ctx, folder, found[folder], each)
		if err != nil {
			return fmt.Errorf("%s: %w", folder, err)
		}
		bad = bad || !good
	}
	if bad {
		return errFound
	}
	return nil
}

func number(found map[string][]string) (n int) {
	for _, names := range found {
		n += len(names)
	}
	return n
}

// draw returns n of the functions.
func (f *fuzzing) draw(found map[string][]string, n int) map[string][]string {
	type target struct{ folder, name string }
	var all []target
	for _, folder := range slices.Sorted(maps.Keys(found)) {
		for _, name := range found[folder] {
			all = append(all, target{folder, name})
		}
	}
	rand.New(rand.NewPCG(f.seed, 0)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	drawn := map[string][]string{}
	for _, t := range all[:n] {
		drawn[t.folder] = append(drawn[t.folder], t.name)
	}
	return drawn
}

var function = regexp.MustCompile(`(?m)^func (Fuzz\w*)\(`)

// targets returns the names of all Fuzz functions below a folder, by the folders that they
// are in.
func targets(root string, only *regexp.Regexp) (map[string][]string, error) {
	found := map[string][]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != root && (name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")) {
			return fs.SkipDir // as go does
		}
		if d.IsDir() || !strings.HasSuffix(name, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range function.FindAllSubmatch(text, -1) {
			if only.Match(m[1]) {
				found[filepath.Dir(path)] = append(found[filepath.Dir(path)], string(m[1]))
			}
		}
		return err
	})
	return found, err
}

// folder fuzzes the functions of one package, and reports whether nothing was found.
func (f *fuzzing) folder(ctx context.Context, folder string, names []string, each time.Duration) (good bool, err error) {
	scratch, err := os.MkdirTemp("", "fuzz")
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	binary := filepath.Join(scratch, "fuzz.test")
	if out, err := in(ctx, folder, "go", "test", "-c", "-fuzz=.", "-o", binary, ".").CombinedOutput(); err != nil {
		return false, fmt.Errorf("%w: %s", err, out)
	}
	out, err := in(ctx, folder, "go", "list", "-f", "{{.ImportPath}}", ".").Output()
	if err != nil {
		return false, err
	}
	home, err := in(ctx, folder, "go", "env", "GOCACHE").Output()
	if err != nil {
		return false, err
	}
	path := strings.TrimSpace(string(out))
	cache := filepath.Join(strings.TrimSpace(string(home)), "fuzz", filepath.FromSlash(path)) // where "go test" has it
	good = true
	for _, name := range names {
		got, err := f.target(ctx, folder, binary, cache, name, each)
		if err != nil {
			return false, err
		}
		fmt.Fprintf(f.out, "%-55s %s\n", strings.TrimPrefix(path, "github.com/oneseat/")+" "+name, got)
		good = good && got.good()
	}
	return good, nil
}

// result is what came of fuzzing one function.
type result struct {
	executions, interesting int
	found                   string // what the test said, if it failed
}

func (r result) good() bool { return r.found == "" }

func (r result) String() string {
	s := fmt.Sprintf("%10d executions, %4d interesting inputs", r.executions, r.interesting)
	if !r.good() {
		s += ", FAILED:\n" + r.found
	}
	return s
}

// progress is how a test says how far it is.
var progress = regexp.MustCompile(`execs: (\d+) .*\(total: (\d+)\)`)

func (f *fuzzing) target(ctx context.Context, folder, binary, cache, name string, each time.Duration) (r result, err error) {
	// Go makes each interesting input smaller, by default for a minute, in which it tries
	// nothing new.
	cmd := in(ctx, folder, binary, "-test.paniconexit0", "-test.run=^$", "-test.fuzz=^"+name+"$", "-test.fuzztime="+each.String(), "-test.fuzzminimizetime=200x",
		"-test.parallel="+strconv.Itoa(f.processes), "-test.fuzzcachedir="+cache)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it ends its own processes
	failed := cmd.Run()
	if ctx.Err() != nil {
		return r, ctx.Err()
	}
	text := said.String()
	if all := progress.FindAllStringSubmatch(text, -1); len(all) > 0 {
		last := all[len(all)-1]
		r.executions, _ = strconv.Atoi(last[1]) // it is digits
		r.interesting, _ = strconv.Atoi(last[2])
	}
	// If the time is over while an input runs, Go may call that a failure. It shows no
	// input for such a failure (go.dev/issue/75804).
	over := strings.Contains(text, "context deadline exceeded") && !strings.Contains(text, "Failing input") && !strings.Contains(text, "panic:")
	if failed != nil && !over {
		r.found = text + failed.Error()
	}
	return r, nil
}

// in is a command in a folder.
func in(ctx context.Context, folder, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = folder
	return cmd
}
