package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/testservers"
)

func TestWithoutAServerAndAStoreItIsSaidWhatToSet(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv(keyVariable, "")
	t.Setenv(storeVariable, "")
	t.Chdir(t.TempDir())
	for args, want := range map[string][]string{
		"accounts list":                         {"--url URL", keyVariable, "--store STORE", "--profile NAME", "profiles.toml"},
		"end-realm default --yes":               {"--url URL"},
		"sessions watch --url http://127.0.0.1": {"set " + keyVariable + " or --key-file", "oneseat keys create"},
		"events --profile shop":                 {"there is no file ", "profiles.toml"},
		"events --store sqlite:x --key k":       {"a store has none of these"},
		"events --store nowhere":                {"--store"},
		"events --store memory:":                {"is in its process alone"},
	} {
		code, stdout, stderr := ran(t, strings.Fields(args)...)
		for _, w := range want {
			if code != exitUsage || stdout != "" || !strings.Contains(stderr, w) {
				t.Errorf("%s: %d %s, not %s", args, code, stderr, w)
			}
		}
	}
	port := testservers.FreePort(t)
	for args, code := range map[string]int{
		"events --store sqlite:nothing.db":                                           exitFailed,
		"events --key k --url http://127.0.0.1:" + strconv.Itoa(port):                exitNoAnswer,
		"events --key k --url unix:nothing.sock":                                     exitNoAnswer,
		"events --store postgres://u:hunter2@127.0.0.1:" + strconv.Itoa(port) + "/x": exitNoAnswer,
		"events --store redis://u:hunter2@127.0.0.1:" + strconv.Itoa(port):           exitNoAnswer,
	} {
		if got, stdout, stderr := ran(t, strings.Fields(args)...); got != code || stdout != "" || stderr == "" || strings.Contains(stderr, "hunter2") {
			t.Errorf("%s: %d %s", args, got, stderr)
		}
	}
	if _, err := os.Stat("nothing.db"); err == nil {
		t.Error("a file was made")
	}
}

func TestAProfileSaysWhere(t *testing.T) {
	p := onServer(t)
	p.signIn("ada", "Laptop", oneseat.ClassDesktop)
	key := os.Getenv(keyVariable)
	t.Setenv(keyVariable, "")
	write(t, "key", key+"\n")
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	file, err := profilesFile()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	shop := "[profile.shop]\nurl = \"" + p.where[1] + "\"\nkey_file = \"" + filepath.Join(here, "key") + "\"\n"
	disk := "[profile.disk]\nstore = \"sqlite:" + filepath.Join(here, "oneseat.db") + "\"\nrealm = \"shop\"\n"
	for _, c := range []struct {
		text, args string
		code       int
		want       string
	}{
		{shop + disk, "accounts list --profile shop", exitOK, "ada"},
		{shop + disk, "accounts list --profile disk", exitOK, "ada"},
		{shop + disk, "accounts list", exitUsage, "neither a server nor a store is named"},
		{shop + disk, "accounts list --profile shpo", exitUsage, "did you mean shop?"},
		{strings.ReplaceAll(shop, "shop", "default"), "accounts list", exitOK, "ada"},
		{strings.ReplaceAll(disk, "disk", "default"), "accounts list", exitOK, "ada"},
		{shop + "store = \"sqlite:x\"\n", "accounts list --profile shop", exitUsage, "it needs one of them"},
		{shop + "keyfile = \"x\"\n", "accounts list --profile shop", exitUsage, `"profile.shop.keyfile" is not known`},
		{"[profile", "accounts list", exitUsage, "profiles.toml"},
	} {
		write(t, file, c.text)
		code, stdout, stderr := ran(t, strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(stdout+stderr, c.want) {
			t.Errorf("%s %s: %d %s %s", c.text, c.args, code, stdout, stderr)
		}
	}
}

// The variable of the store counts where no flag names a server or a store.
func TestTheVariableOfTheStoreSaysWhere(t *testing.T) {
	p := onServer(t)
	p.signIn("ada", "Laptop", oneseat.ClassDesktop)
	t.Setenv(storeVariable, "sqlite:oneseat.db")
	if code, stdout, stderr := ran(t, "accounts", "list", "--realm", "shop"); code != exitOK || !strings.Contains(stdout, "ada") {
		t.Errorf("%d %s", code, stderr)
	}
	t.Setenv(storeVariable, "mysql://ada:hunter2@host/db")
	if code, _, stderr := ran(t, "accounts", "list"); code != exitUsage || !strings.Contains(stderr, "mysql://host/db") || strings.Contains(stderr, "hunter2") {
		t.Errorf("%d %s", code, stderr)
	}
	if got := p.prints("accounts list"); !strings.Contains(got, "ada") { // the flag comes first
		t.Errorf("%s", got)
	}
}

func TestWhatIsInterruptedSaysNothingAndHasTheCodeOfThat(t *testing.T) {
	p := onServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, where := range [][]string{p.where, {"--store", "sqlite:oneseat.db", "--realm", "shop"}} {
		var stdout, stderr bytes.Buffer
		if code := run(ctx, append([]string{"accounts", "list"}, where...), &stdout, &stderr); code != exitInterrupted || stdout.Len()+stderr.Len() != 0 {
			t.Errorf("%d %s %s", code, &stdout, &stderr)
		}
	}
}
