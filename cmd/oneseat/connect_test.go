package main

import (
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
