package main

import (
	"bufio"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
	"github.com/oneseat/oneseat/internal/canaries"
	"github.com/oneseat/oneseat/internal/testservers"
)

// chapter returns the scripts of a part of docs/operations.md, from its headline to the
// next one.
func chapter(t *testing.T, headline string) (blocks []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, part, found := strings.Cut(string(text), "\n"+headline+"\n")
	if !found {
		t.Fatalf("the page has no %s", headline)
	}
	level, _, _ := strings.Cut(headline, " ")
	// In a script such a line is a comment.
	scripts := regexp.MustCompile("(?s)```.*?```")
	blank := scripts.ReplaceAllStringFunc(part, func(s string) string { return strings.Repeat("x", len(s)) })
	if end := regexp.MustCompile(`(?m)^#{1,` + strconv.Itoa(len(level)) + `} `).FindStringIndex(blank); end != nil {
		part = part[:end[0]]
	}
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(part, -1) {
		blocks = append(blocks, block[1])
	}
	return blocks
}

// with returns the script that has a text, of which there is one.
func with(t *testing.T, blocks []string, text string) (script string) {
	t.Helper()
	for _, b := range blocks {
		if strings.Contains(b, text) {
			if script != "" {
				t.Fatalf("two scripts have %q", text)
			}
			script = b
		}
	}
	if script == "" {
		t.Fatalf("no script has %q", text)
	}
	return script
}

// shell runs a script with the program oneseat in its PATH.
func shell(t *testing.T, script string, env ...string) string {
	t.Helper()
	folder := t.TempDir()
	program := "#!/bin/sh\nsep=$(printf '\\037')\nargs=\nfor a in \"$@\"; do args=\"${args:+$args$sep}$a\"; done\n" + argsVariable + "=\"$args\" exec \"$ONESEAT_TEST_BINARY\"\n"
	if err := os.WriteFile(filepath.Join(folder, "oneseat"), []byte(program), 0o755); err != nil {
		t.Fatal(err)
	}
	binary, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-eu", "-c", script)
	cmd.Env = append(append(os.Environ(), "PATH="+folder+":"+os.Getenv("PATH"), "ONESEAT_TEST_BINARY="+binary), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

// node runs a node of the realm "default" on a store while f runs.
func node(t *testing.T, store string, f func(seats *oneseat.Registry)) {
	t.Helper()
	spec, err := parseStore(store)
	if err != nil {
		t.Fatal(err)
	}
	quiet := canaries.Logger(nil)
	data, err := spec.open(t.Context(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	seats, err := oneseat.New(data.store, oneseat.Config{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	f(seats)
	if err := errors.Join(seats.Close(), data.close()); err != nil {
		t.Fatal(err)
	}
}

// The restores of docs/operations.md, as they stand there. What a restore revives is over
// when its last command has run.
func TestTheRestoresOfThePageEndWhatTheyRevive(t *testing.T) {
	for name, begin := range map[string]func(t *testing.T) (store string, env []string, backup, restore, end func(env []string)){
		"SQLite": func(t *testing.T) (string, []string, func([]string), func([]string), func([]string)) {
			file := filepath.Join(t.TempDir(), "oneseat.db")
			page := chapter(t, "## SQLite")
			put, end, _ := strings.Cut(with(t, page, "end-realm"), "oneseat ")
			return "sqlite:" + file, []string{"FILE=" + file},
				func(env []string) { shell(t, with(t, page, ".backup"), env...) },
				func(env []string) { shell(t, put, env...) },
				func(env []string) { shell(t, "oneseat "+end, env...) }
		},
		"PostgreSQL": func(t *testing.T) (string, []string, func([]string), func([]string), func([]string)) {
			url := testservers.StartPostgres(t).URL
			page := chapter(t, "## PostgreSQL")
			put, end, _ := strings.Cut(with(t, page, "pg_restore"), "oneseat ")
			return url, []string{"STORE=" + url},
				func(env []string) { shell(t, with(t, page, "pg_dump"), env...) },
				func(env []string) { shell(t, put, env...) },
				func(env []string) { shell(t, "oneseat "+end, env...) }
		},
		"Redis": func(t *testing.T) (string, []string, func([]string), func([]string), func([]string)) {
			folder := t.TempDir()
			r := testservers.StartRedis(t, "--dir", folder)
			page := chapter(t, "## Redis")
			return r.URL, []string{"STORE=" + r.URL, "FOLDER=" + folder},
				func(env []string) { shell(t, with(t, page, "--rdb"), env...) },
				func(env []string) {
					shell(t, with(t, page, "SHUTDOWN"), env...)
					if err := r.Wait(); err != nil {
						t.Fatal(err)
					}
					r.Start()
					r.Await()
				},
				func(env []string) { shell(t, with(t, page, "end-realm"), env...) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			store, env, backup, restore, end := begin(t)
			env = append(env, "COPY="+filepath.Join(t.TempDir(), "copy"), keyVariable+"=", "XDG_CONFIG_HOME="+t.TempDir())
			var old, new oneseat.Grant
			node(t, store, func(seats *oneseat.Registry) {
				old = admit(t, seats)
				backup(env)
				new = admit(t, seats) // and the one before is over
				if is(t, seats, old) || !is(t, seats, new) {
					t.Fatal("a second sign-in did not end the first session")
				}
			})
			restore(env)
			node(t, store, func(seats *oneseat.Registry) {
				if !is(t, seats, old) {
					t.Fatal("the restore revived nothing: this test shows nothing")
				}
			})
			end(env)
			node(t, store, func(seats *oneseat.Registry) {
				if is(t, seats, old) || is(t, seats, new) {
					t.Error("a session is live")
				}
				if !is(t, seats, admit(t, seats)) {
					t.Error("nobody can sign in")
				}
			})
		})
	}
}

func admit(t *testing.T, seats *oneseat.Registry) oneseat.Grant {
	t.Helper()
	g, err := seats.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func is(t *testing.T, seats *oneseat.Registry, g oneseat.Grant) bool {
	t.Helper()
	_, err := seats.CheckFresh(t.Context(), string(g.Token))
	if errors.Is(err, oneseat.ErrStoreUnavailable) {
		t.Fatal(err)
	}
	return err == nil
}

// What docs/operations.md says is to be done when a key leaks, as it stands there.
func TestWhatToDoWhenAKeyLeaksIsDoneByThePage(t *testing.T) {
	page := chapter(t, "### When a key of the API leaks")
	t.Chdir(t.TempDir())
	leaked := createKey(t, "--file", "keys.toml", "--realm", "shop")
	admin := createKey(t, "--file", "keys.toml", "--realm", "shop", "--scopes", "check,sessions,admin")
	write(t, "admin.key", admin+"\n")
	p := startProcess(t)
	stolen := signedIn(t, p.url, leaked)
	env := []string{"SERVER=" + strconv.Itoa(p.cmd.Process.Pid), "LEAKED=" + leaked[len("oneseat_key_"):][:8], "URL=" + p.url, "XDG_CONFIG_HOME=" + t.TempDir()}
	read := func() int { return strings.Count(p.log.String(), "the keys were read again") }
	for i, step := range []string{"keys create", "keys revoke"} {
		shell(t, with(t, page, step), env...)
		waitFor(t, func() bool { return read() > i })
	}
	c := newClient(t)
	b, err := os.ReadFile("new.key")
	if err != nil {
		t.Fatal(err)
	}
	fresh := strings.TrimSpace(string(b))
	if got := status(t, c, p.url, leaked); got != http.StatusUnauthorized {
		t.Errorf("the leaked key: %d", got)
	}
	if got, answer := ask(t, p.url, fresh, api.PathCheck, `{"token":"`+stolen+`"}`); got != http.StatusOK {
		t.Errorf("before its end: %d %s", got, answer)
	}
	shell(t, with(t, page, "end-realm"), env...)
	if got, answer := ask(t, p.url, fresh, api.PathCheck, `{"token":"`+stolen+`","fresh":true}`); got == http.StatusOK {
		t.Errorf("the thief's session: %d %s", got, answer)
	}
	lines := bufio.NewScanner(strings.NewReader(shell(t, with(t, page, "oneseat events"), env...)))
	if !lines.Scan() || !strings.Contains(lines.Text(), "every session of the realm ended, by "+loginName()) || !lines.Scan() || !strings.Contains(lines.Text(), "ada signed in") {
		t.Errorf("%s", lines.Text())
	}
}

func signedIn(t *testing.T, url, key string) string {
	t.Helper()
	got, answer := ask(t, url, key, api.PathSignIn, `{"account":"ada"}`)
	if got != http.StatusCreated {
		t.Fatalf("%d %s", got, answer)
	}
	return tokenIn(t, answer)
}

// The commands of docs/cli.md can be parsed, and it has every command.
func TestTheCommandsOfThePageAreCommands(t *testing.T) {
	var all []string
	for _, block := range scripts(t, "docs", "cli.md") {
		for line := range strings.Lines(block) {
			line, _, _ = strings.Cut(strings.TrimSpace(line), " >")
			words := strings.Fields(line)
			root := newRoot()
			at, rest, err := root.Find(words[1:])
			if err == nil {
				err = at.ParseFlags(rest)
			}
			if err == nil && at.Args != nil {
				err = at.Args(at, at.Flags().Args())
			}
			if err != nil || words[0] != "oneseat" || !at.Runnable() || at.HasSubCommands() {
				t.Errorf("%s: %v", line, err)
			}
			all = append(all, at.CommandPath())
		}
	}
	if text := strings.Join(all, "\n"); len(all) < 15 || !strings.Contains(text, "end-realm") {
		t.Errorf("%s", text)
	}
}
