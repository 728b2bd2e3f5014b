package doctor

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// sample is a report with one of everything.
func sample() Report {
	return report([]Result{
		fine("answers", "http://127.0.0.1:7300", ""),
		found("clock", "http://127.0.0.1:7300", Problem, "the clock of the store is 10s ahead of this machine's"),
		found("adoption", "http://127.0.0.1:7300", Note, "the realm \"members\" adopted sessions until 2026-01-01T00:00:00Z"),
		notChecked("limits", "all servers", "there are not two servers that answer with a key"),
		found("key-file", "keys.toml", Warning, "everybody may read keys.toml").cured("chmod 600 the file."),
	})
}

func TestAReportForPeople(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := sample().Write(&b, Style{Width: 72, UTF8: true}); err != nil {
		t.Fatal(err)
	}
	want := `http://127.0.0.1:7300
  ✓ answers
  ✗ clock        see below
  · adoption     see below

all servers
  – limits       not checked: there are not two servers that answer with
                 a key

keys.toml
  ! key-file     see below

1 problem, 1 warning, 1 note; 1 not checked.

✗ clock http://127.0.0.1:7300
  what  the clock of the store is 10s ahead of this machine's
  means The store's clock decides what has timed out. A time that a
        program on this machine names (until when a block lasts, when an
        adopted session began) is wrong by as much, and may be refused.
  cure  Let chrony or systemd-timesyncd keep the time on both machines.
        While a store runs, a clock may be made slower or faster, and
        never be set.

· adoption http://127.0.0.1:7300
  what  the realm "members" adopted sessions until 2026-01-01T00:00:00Z
  means No older session is adopted any more, so the setting does
        nothing.
  cure  Remove adopt_until (Config.AdoptUntil), and the part of the site
        that adopts.

! key-file keys.toml
  what  everybody may read keys.toml
  means Somebody who reads a key can do what its scopes allow. Somebody
        who changes the file can make keys.
  cure  chmod 600 the file.
`
	if b.String() != want {
		t.Errorf("it is\n%s\nwant\n%s", b.String(), want)
	}
}

func TestNoLineIsWiderThanTheTerminalOrHasAnythingButASCIIWhereThatIsAsked(t *testing.T) {
	t.Parallel()
	for _, width := range []int{0, 40, 60, 200} {
		var plain, colored strings.Builder
		if err := sample().Write(&plain, Style{Width: width}); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(plain.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > max(width, 40) && !strings.Contains(strings.TrimSpace(line), "://") {
				t.Errorf("%d: %d: %q", width, n, line)
			}
			for _, r := range line {
				if r >= utf8.RuneSelf {
					t.Errorf("%q", line)
				}
			}
		}
		if err := sample().Write(&colored, Style{Width: width, Color: true}); err != nil {
			t.Fatal(err)
		}
		stripped := colored.String()
		for _, code := range []string{"\x1b[0m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[36m"} {
			stripped = strings.ReplaceAll(stripped, code, "")
		}
		if stripped != plain.String() || stripped == colored.String() {
			t.Errorf("colours change more than the colour: %q", colored.String())
		}
	}
}

func TestAReportForProgramsSaysTheSame(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := sample().WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Problems, Warnings, Notes int
		Results                   []struct {
			Check, Of, State string
			NotChecked       string `json:"not_checked"`
			Findings         []Finding
		}
	}
	d := json.NewDecoder(strings.NewReader(b.String()))
	if err := d.Decode(&got); err != nil {
		t.Fatal(err)
	}
	var states []string
	for _, r := range got.Results {
		states = append(states, r.State)
		for _, f := range r.Findings {
			if f.Severity == "" || f.What == "" || f.Means == "" || f.Cure == "" {
				t.Errorf("%+v", f)
			}
		}
	}
	if got.Problems != 1 || got.Warnings != 1 || got.Notes != 1 || !slices.Equal(states, []string{"fine", "found", "found", "not_checked", "found"}) {
		t.Errorf("%s", b.String())
	}
}

func TestNothingThatAServerSaysIsObeyedByATerminal(t *testing.T) {
	t.Parallel()
	bad := "\x1b]0;owned\a\u202e\u0085\n"
	r := report([]Result{fine("versions", "x"+bad, bad), notChecked("store", "y", bad), found("clock", "z", Problem, bad).cured(bad)})
	var b strings.Builder
	if err := errors.Join(r.Write(&b, Style{Width: 60}), r.WriteJSON(&b)); err != nil {
		t.Fatal(err)
	}
	for _, c := range b.String() {
		if c != '\n' && !unicode.IsGraphic(c) {
			t.Errorf("%q", b.String())
		}
	}
}

func TestOnlyProblemsAreWrongAndWarningsWhereThatIsAsked(t *testing.T) {
	t.Parallel()
	for s, want := range map[Severity][2]bool{Problem: {true, true}, Warning: {false, true}, Note: {false, false}} {
		r := report([]Result{found("clock", "x", s, "y")})
		if got := [2]bool{r.Wrong(false), r.Wrong(true)}; got != want {
			t.Errorf("%s: %v", s, got)
		}
	}
}
