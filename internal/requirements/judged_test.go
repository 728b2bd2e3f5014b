package requirements

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// exit is the error of a program that was not content.
func exit(t *testing.T) error {
	t.Helper()
	err := exec.CommandContext(t.Context(), "sh", "-c", "exit 1").Run()
	if _, ok := errors.AsType[*exec.ExitError](err); !ok {
		t.Fatal(err)
	}
	return err
}

func TestOnlyTheTestThatIsNamedIsSeenToFail(t *testing.T) {
	const run = "=== RUN   TestA\n=== RUN   TestA/one_of_two\n"
	bad, other := exit(t), errors.New("it could not be started")
	for name, c := range map[string]struct {
		b    Break
		out  string
		err  error
		want string // a part of what is wrong; "" for nothing
	}{
		"it fails":              {story("x").in(".", "TestA/one of two"), run + "    --- FAIL: TestA/one_of_two (0.00s)\n--- FAIL: TestA (0.00s)\n", bad, ""},
		"it panics":             {story("x").in(".", "TestA"), run + "\npanic: oh\n", bad, ""},
		"a secret has leaked":   {story("x").in(".", "TestA"), run + "--- PASS: TestA (0.00s)\ncanaries: a token has leaked\n", bad, ""},
		"it hangs as it should": {story("x").hangs(".", "TestA"), run + "\npanic: test timed out after 20s\n", bad, ""},
		"it hangs":              {story("x").in(".", "TestA"), run + "\npanic: test timed out after 20s\n", bad, "hangs"},
		"it passes":             {story("x").in(".", "TestA"), run + "--- PASS: TestA (0.00s)\n", nil, "passes"},
		"another fails":         {story("x").in(".", "TestA"), run + "--- FAIL: TestAB (0.00s)\n", bad, "something other"},
		"nothing ran":           {story("x").in(".", "TestA"), "flag provided but not defined\n", bad, "something other"},
		"it was not started":    {story("x").in(".", "TestA"), "", other, "could not be started"},
		"Python fails":          {text("a", "b", "c").readBy(django, "tests.a.B.test_c"), "\nFAIL: test_c (tests.a.B.test_c)\n", bad, ""},
		"Python is no Python":   {text("a", "b", "c").readBy(django, "tests.a.B.test_c"), "\nERROR: tests.a (unittest.loader._FailedTest.tests.a)\n", bad, "something other"},
	} {
		t.Run(name, func(t *testing.T) {
			err := failed(c.b, []byte(c.out), c.err, time.Second)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
	for name, c := range map[string]struct {
		test Test
		out  string
		err  error
		ok   bool
	}{
		"it passes":      {Test{".", "TestA"}, run + "--- PASS: TestA (0.00s)\n", nil, true},
		"it fails":       {Test{".", "TestA"}, run + "--- FAIL: TestA (0.00s)\n", bad, false},
		"it is skipped":  {Test{".", "TestA"}, run + "--- SKIP: TestA (0.00s)\n", nil, false},
		"there is none":  {Test{".", "TestB"}, "testing: warning: no tests to run\n", nil, false},
		"none in Python": {Test{django, "tests.a"}, "\nRan 0 tests in 0.0s\n", nil, false},
		"one in Python":  {Test{django, "tests.a"}, "\nRan 1 test in 0.1s\n\nOK\n", nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			if err := passed(c.test, []byte(c.out), c.err); (err == nil) != c.ok {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A mistake that does not compile, or whose place is not there any more, does not count
// as caught.
func TestAMistakeThatIsNoneIsAnErrorOfTheWalk(t *testing.T) {
	for name, c := range map[string]struct {
		how  Mistake
		want string
	}{
		"it does not compile":  {code("internal/words", `$t = $t.UTC()`, `$t = nothingOfThatName`), "does not compile"},
		"it is not there":      {code("internal/words", `neverWritten($a)`, ``), "at 0 places"},
		"it is in many places": {code("internal/words", `$a`, ``), "places instead of one"},
		"it is no story":       {story("nobody has told this"), "there is no mistake"},
	} {
		t.Run(name, func(t *testing.T) {
			rows := []Row{{ID: "XXX-01", Breaks: []Break{c.how.in("internal/words", "TestNone")}}}
			err := Walk(t.Context(), root, t.TempDir(), rows, func(r Result) { t.Errorf("it was tried: %v", r.Err) })
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "XXX-01") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAWalkThatIsCalledOffSaysSo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Walk(ctx, root, t.TempDir(), nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestRowsAreNamedOneByOneOrByGroup(t *testing.T) {
	for name, c := range map[string]struct {
		names   []string
		first   string
		unknown string
	}{
		"all":            {nil, Rows[0].ID, ""},
		"one":            {[]string{"TOK-03"}, "TOK-03", ""},
		"a group":        {[]string{"STO"}, "STO-01", ""},
		"in their order": {[]string{"STO", "TOK-04"}, "TOK-04", ""},
		"none":           {[]string{"TOK-99"}, "", "TOK-99"},
		"half a name":    {[]string{"TO"}, "", "TO"},
	} {
		t.Run(name, func(t *testing.T) {
			rows, unknown := Some(c.names)
			if unknown != c.unknown || unknown == "" && rows[0].ID != c.first {
				t.Errorf("%v, unknown %q", rows, unknown)
			}
		})
	}
}
