package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// ran runs oneseat and returns what it says.
func ran(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = run(t.Context(), args, &out, &err)
	return code, out.String(), err.String()
}

func TestTheNearestNameIsSaidOfWhatIsMisspelt(t *testing.T) {
	for args, want := range map[string]string{
		"serv":                      "oneseat: there is no command \"serv\"; did you mean serve?\nUsage: oneseat COMMAND\n",
		"sevre --dev":               "did you mean serve?",
		"Demo":                      "did you mean demo?",
		"keys crate --file k":       "oneseat keys: there is no command \"crate\"; did you mean create?\nUsage: oneseat keys COMMAND\nSee \"oneseat keys -h\".\n",
		"help keys revok":           "did you mean revoke?",
		"help wolf":                 "there is no command \"wolf\"\n",
		"--dev":                     "begin with a command",
		"serve --lisen x":           "oneseat serve: there is no flag --lisen; did you mean --listen?\nUsage: oneseat serve {--dev | --keys FILE} [flags]\n",
		"serve --tls-crt=x":         "there is no flag --tls-crt; did you mean --tls-cert?",
		"serve -dev":                "there is no flag -dev; did you mean --dev?",
		"serve -store=memory:":      "did you mean --store?",
		"keys create --fiel k":      "did you mean --file?",
		"demo --wolf":               "there is no flag --wolf\n",
		"serve --limit":             "flag needs an argument: --limit",
		"serve --dev --drain soon":  `--drain: "soon"`,
		"completion":                "name one shell",
		"completion csh":            "name one shell",
		"completion bash fish":      "name one shell",
		"version --sort":            "there is no flag --sort",
		"serve --dev serve":         `"serve" is not a flag`,
		"keys revoke --file k a -b": "there is no flag -b",
	} {
		if code, stdout, stderr := ran(t, strings.Fields(args)...); code != exitUsage || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("%s: %d %q %q", args, code, stdout, stderr)
		}
	}
}

func TestAnErrorHasNothingThatATerminalObeys(t *testing.T) {
	for _, args := range [][]string{{"\x1b[2J"}, {"serve", "--dev", "\x1b[2J"}, {"serve", "--\x1b[2J"}, {"serve", "--log", "\u009b2J", "--dev"}, {"keys", "revoke", "--file", "no\x1b[2J", "x"}, {"accounts", "show", "\x1b]0;x\a", "--store", "sqlite:\x1b[2J"}} {
		code, stdout, stderr := ran(t, args...)
		for _, r := range stderr {
			if r != '\n' && !unicode.IsGraphic(r) {
				t.Errorf("%q: %q", args, stderr)
			}
		}
		if code == exitOK || stdout != "" || stderr == "" {
			t.Errorf("%q: %d %q", args, code, stdout)
		}
	}
}

// everyCommand calls f with each command.
func everyCommand(cmd *cobra.Command, f func(*cobra.Command)) {
	f(cmd)
	for _, c := range cmd.Commands() {
		everyCommand(c, f)
	}
}

func TestEveryCommandAndFlagIsDescribed(t *testing.T) {
	everyCommand(newRoot(), func(cmd *cobra.Command) {
		if cmd.Short == "" || cmd.Long == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: %q, %q", cmd.CommandPath(), cmd.Short, cmd.Long)
		}
		args := append(strings.Fields(cmd.CommandPath())[1:], "-h")
		code, help, stderr := ran(t, args...)
		if code != exitOK || stderr != "" || !strings.HasPrefix(help, cmd.Long[:20]) {
			t.Errorf("%s: %d %s %s", args, code, help, stderr)
		}
		for line := range strings.Lines(help) {
			if len(line) > helpWidth+1 && !strings.Contains(line, "oneseat ") {
				t.Errorf("%s: a line of %d: %s", args, len(line), line)
			}
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Hidden || f.Name == "help" {
				return
			}
			if value, text := flagText(f); text == "" || (value == "") != (f.Value.Type() == "bool") || !strings.Contains(help, "\n  --"+f.Name) {
				t.Errorf("%s --%s: %q, %q", cmd.CommandPath(), f.Name, value, text)
			}
		})
	})
}

// The examples in the help are command lines that can be parsed.
func TestEveryCommandHasExamplesThatParse(t *testing.T) {
	everyCommand(newRoot(), func(cmd *cobra.Command) {
		if cmd.HasSubCommands() {
			return
		}
		if cmd.Example == "" {
			t.Errorf("%s has no example", cmd.CommandPath())
		}
		for line := range strings.SplitSeq(cmd.Example, "\n") {
			root := newRoot()
			words := strings.Fields(strings.ReplaceAll(line, "'", ""))
			at, rest, err := root.Find(words[1:])
			if err != nil || at.CommandPath() != cmd.CommandPath() || words[0] != "oneseat" {
				t.Errorf("%q: %v", line, err)
				continue
			}
			if err := at.ParseFlags(rest); err != nil {
				t.Errorf("%q: %v", line, err)
			}
		}
	})
}

func TestFourShellsCompleteCommandsAndFlags(t *testing.T) {
	for _, shell := range shells {
		if code, script, stderr := ran(t, "completion", shell); code != exitOK || !strings.Contains(script, "oneseat __complete") && !strings.Contains(script, "__completeNoDesc") && !strings.Contains(script, "__complete") || stderr != "" {
			t.Errorf("%s: %d %s", shell, code, stderr)
		}
	}
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	file, err := profilesFile()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, file, "[profile.shop]\nurl = \"https://shop\"\n")
	for line, want := range map[string]string{"se": "serve\t", "keys ": "create\t", "keys cr": "create\t", "help ke": "keys\t", "serve --li": "--listen\t", "completion f": "fish", "serve --policy a": "ask\n", "serve --log ": "json\n", "sessions end ada --class t": "tv\n", "accounts limit ada 2 --class d": "desktop=\n", "explain ada --policy r": "refuse\n", "accounts list --profile ": "shop\n", "keys create --scopes check,": "check,sessions,admin\n"} {
		args := strings.Split(line, " ")
		if _, out, _ := ran(t, append([]string{"__complete"}, args...)...); !strings.Contains(out, want) {
			t.Errorf("%q: %s", line, out)
		}
	}
}
