package mutants

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var which = flag.String("mutants", "sample", `"sample", "all", or names with commas between`)

// patience is how long the tests of one mutant may take. Without a mutant they
// take a few seconds.
const patience = 2 * time.Minute

var root = filepath.Join("..", "..")

// mutant is one mistake: in a file of the root package, old, which is there
// exactly once, becomes new.
type mutant struct {
	name, file, old, new string
	hangs                bool // what it breaks ends in an endless loop: a timeout counts as caught
}

// every mutant. One that turns out to change nothing that anybody could see does
// not belong here.
var every = slices.Concat(ruleMutants, registryMutants, limitMutants, streamMutants)

// sample is what the ordinary go test tries: one of each kind.
var sample = []string{
	"a retry admits twice", "upsert on touch", "the limit is one too low",
	"what is loaded late is cached", "a gap is not minded", "a hold is confirmed before it is tied",
	"a ticket is used for ever", "a block ends one", "a session keeps another's stream",
}

func chosen(t *testing.T) []mutant {
	switch *which {
	case "all":
		return every
	case "sample":
		return slices.DeleteFunc(slices.Clone(every), func(m mutant) bool { return !slices.Contains(sample, m.name) })
	}
	var some []mutant
	for name := range strings.SplitSeq(*which, ",") {
		i := slices.IndexFunc(every, func(m mutant) bool { return m.name == name })
		if i < 0 {
			t.Fatalf("there is no mutant %q", name)
		}
		some = append(some, every[i])
	}
	return some
}

func TestMutantsAreListedOnceEach(t *testing.T) {
	names, edits := map[string]bool{}, map[[3]string]string{}
	for _, m := range every {
		if names[m.name] || strings.Contains(m.name, ",") {
			t.Errorf("%q: names are used once, and have no comma", m.name)
		}
		edit := [3]string{m.file, m.old, m.new}
		if other := edits[edit]; other != "" {
			t.Errorf("%q and %q are the same mistake", m.name, other)
		}
		names[m.name], edits[edit] = true, m.name
		if _, err := Plant(root, t.TempDir(), m.file, m.old, m.new); err != nil {
			t.Errorf("%q: %v", m.name, err)
		}
	}
	for _, name := range sample {
		if !names[name] {
			t.Errorf("there is no mutant %q", name)
		}
	}
}

func TestEveryMutantIsCaught(t *testing.T) {
	if out, err := rootTests(t, "", "-run=."); err != nil { // or anything would be caught
		t.Fatalf("the tests fail without any mutant: %v\n%s", err, out)
	}
	for _, m := range chosen(t) {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			overlay, err := Plant(root, t.TempDir(), m.file, m.old, m.new)
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			out, err := rootTests(t, overlay, "-count=1", "-failfast")
			took := time.Since(began).Round(100 * time.Millisecond)
			exit, exited := errors.AsType[*exec.ExitError](err)
			switch {
			case err == nil:
				t.Errorf("SURVIVED (%v): in %s\n%s\nbecame\n%s", took, m.file, m.old, m.new)
			case !exited:
				t.Fatal(err)
			case bytes.Contains(out, []byte("[build failed]")) || bytes.Contains(out, []byte("[setup failed]")):
				t.Errorf("it does not compile: %v\n%s", exit, out)
			case bytes.Contains(out, []byte("panic: test timed out")):
				if !m.hangs {
					t.Errorf("the tests hang instead of failing (%v)", took)
				}
			default:
				t.Logf("caught in %v by %s", took, catcher(out))
			}
		})
	}
}

// rootTests runs the tests of the root package, with the sources of an overlay
// ("" for none). Without the race detector: it is to find races, and costs a
// multiple.
func rootTests(t *testing.T, overlay string, flags ...string) ([]byte, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience+time.Minute)
	defer cancel()
	args := append([]string{"test", "-vet=off", "-overlay=" + overlay, "-timeout=" + patience.String()}, flags...)
	// A mutant may take memory without end: it is bounded, not the machine's.
	args = append([]string{"-c", `ulimit -v 8000000; exec go "$@"`, "go"}, append(args, ".", "-rapid.nofailfile")...)
	cmd := exec.CommandContext(ctx, "sh", args...)
	cmd.Dir = root
	return cmd.CombinedOutput()
}

var failed = regexp.MustCompile(`(?m)^--- FAIL: (\w+)`)

// catcher names the first test that failed.
func catcher(out []byte) string {
	if m := failed.FindSubmatch(out); m != nil {
		return string(m[1])
	}
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "panic: ") {
			return strings.TrimSpace(line)
		}
	}
	return "an exit without words"
}
