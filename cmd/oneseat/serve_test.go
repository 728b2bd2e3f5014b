package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// served runs "oneseat serve --dev" in a folder until the test ends, or stop is called,
// and returns its two lines.
func served(t *testing.T, folder string) (url, key string, stop func()) {
	t.Helper()
	t.Chdir(folder)
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	code := make(chan int, 1)
	var stderr bytes.Buffer
	go func() {
		code <- run(ctx, []string{"serve", "--dev", "--listen", "127.0.0.1:0"}, w, &stderr)
		_ = w.Close()
	}()
	b := make([]byte, 4096)
	text := ""
	for strings.Count(text, "\n") < 2 {
		n, err := r.Read(b)
		if text += string(b[:n]); err != nil {
			t.Fatalf("it ended: %s %s", text, &stderr)
		}
	}
	rest := make(chan string, 1)
	go func() { b, _ := io.ReadAll(r); rest <- string(b) }()
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		if c := <-code; c != exitOK {
			t.Errorf("it ended with %d: %s", c, &stderr)
		}
		if more := <-rest; more != "" {
			t.Errorf("more on stdout: %q", more)
		}
	}
	t.Cleanup(stop)
	lines := regexp.MustCompile(`^(http://127\.0\.0\.1:\d+)\n(oneseat_key_\S+)\n$`).FindStringSubmatch(text)
	if lines == nil {
		t.Fatalf("it printed %q", text)
	}
	return lines[1], lines[2], stop
}

// The script of docs/server.md is run as it stands there.
func TestTheScriptOfTheServersPageWorksWithCurl(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "server.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(blocks) < 2 {
		t.Fatal("there is no script on the page")
	}
	for _, program := range []string{"sh", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("this test needs %s", program)
		}
	}
	url, key, _ := served(t, t.TempDir())
	script := exec.CommandContext(t.Context(), "sh", "-e", "-c", blocks[1][1])
	script.Env = append(os.Environ(), "URL="+url, "KEY="+key)
	out, err := script.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := "201\n200\n201\n410\n"
	if string(out) != want {
		t.Errorf("it printed %q, want %q", out, want)
	}
}

func TestADevelopersServerKeepsItsKeyAndItsSessionsInItsFolder(t *testing.T) {
	folder := t.TempDir()
	_, key, stop := served(t, folder)
	stop()
	if info, err := os.Stat(filepath.Join(folder, devKeyFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v, %v", info, err)
	}
	if _, err := os.Stat(filepath.Join(folder, "oneseat.db")); err != nil {
		t.Error(err)
	}
	if _, again, _ := served(t, folder); again != key {
		t.Errorf("another key at the second start")
	}
}

func TestServeRefusesWhatMakesNoSense(t *testing.T) {
	for args, want := range map[string]string{
		"":                             "--dev: it is required",
		"--dev --listen 0.0.0.0:7300":  "not an address of this machine alone",
		"--dev --listen :7300":         "not an address of this machine alone",
		"--dev --listen 192.0.2.1:1":   "not an address of this machine alone",
		"--dev --listen 7300":          "not an address with a port",
		"--dev --limit 0":              `--limit: "0"`,
		"--dev --policy kick":          `--policy: "kick"`,
		"--dev more":                   `"more" is not a flag`,
		"--dev --nothing":              "flag provided but not defined",
		"--dev --limit 257 --policy x": `--policy: "x"`,
	} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), append([]string{"serve"}, strings.Fields(args)...), &stdout, &stderr); code != exitUsage || !strings.Contains(stderr.String(), want) || stdout.Len() != 0 {
			t.Errorf("serve %s: %d %s", args, code, &stderr)
		}
	}
	t.Chdir(t.TempDir())
	if err := os.WriteFile(devKeyFile, []byte("no key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"serve", "--dev", "--listen", "127.0.0.1:0"}, &stdout, &stderr); code != exitFailed || !strings.Contains(stderr.String(), "remove the file") || stdout.Len() != 0 {
		t.Errorf("a key's file that has no key: %d %s", code, &stderr)
	}
}
