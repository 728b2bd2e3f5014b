package main

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/oneseat/oneseat/api"
)

func TestKeysAreMadeIntoAFileAndTakenBackWhileItServes(t *testing.T) {
	t.Chdir(t.TempDir())
	first := createKey(t, "--file", "keys.toml")
	second := createKey(t, "--file", "keys.toml", "--scopes", "admin")
	written, err := os.ReadFile("keys.toml")
	if err != nil || strings.Contains(string(written), first) || strings.Contains(string(written), second) {
		t.Fatalf("%s, %v", written, err)
	}
	printed, stderr, _ := served(t, 1, "--keys", "keys.toml", "--store", "memory:")
	c := newClient(t)
	for _, key := range []string{first, second} {
		if got := status(t, c, printed[0], key); got != http.StatusOK {
			t.Errorf("%d", got)
		}
	}
	// A file that makes no sense changes nothing.
	if err := os.WriteFile("keys.toml", append(written, "[[key]]\nid = \"x\"\nscope = [\"admin\"]\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	hangUp(t, stderr, "the keys could not be read again")
	if got := status(t, c, printed[0], first); got != http.StatusOK {
		t.Errorf("a bad file took a key back: %d", got)
	}

	if err := os.Remove("keys.toml"); err != nil {
		t.Fatal(err)
	}
	third := createKey(t, "--file", "keys.toml")
	hangUp(t, stderr, "the keys were read again")
	for key, want := range map[string]int{first: 401, second: 401, third: 200} {
		if got := status(t, c, printed[0], key); got != want {
			t.Errorf("%d, want %d", got, want)
		}
	}
	for _, key := range []string{first, second, third} {
		if strings.Contains(stderr.String(), key) {
			t.Error("a key is in the log")
		}
	}
}

func TestKeysThatMakeNoSenseAreRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	for args, want := range map[string]string{
		"create": "--file", "create --file k --scopes all": `"all" is neither`, "create --file k x": `"x" is not a flag`, "": "Usage", "revoke": "--file", "revoke --file k": "name the id of one key", "revoke --file k a b": "name the id of one key", "take": "Usage", "create --file k --scopes": "flag needs an argument",
	} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), append([]string{"keys"}, strings.Fields(args)...), &stdout, &stderr); code != exitUsage || !strings.Contains(stderr.String(), want) || stdout.Len() != 0 {
			t.Errorf("keys %s: %d %s", args, code, &stderr)
		}
	}
	hash := "\nsha256=\"" + strings.Repeat("00", 32) + "\""
	good := "[[key]]\nid=\"a\"" + hash + "\nrealm=\"r\"\nscopes=[\"check\"]\n"
	for text, want := range map[string]string{
		"": "has no [[key]]",
		"[[key]]\nid=\"a\"\nsha256=\"00\"\nrealm=\"r\"\nscopes=[\"check\"]": "64 hexadecimal digits",
		"[[key]]\nkey=\"a\"": `"key.key" is not known`,
		"[[key":              "--keys: keys.toml",
		"[[key]]\nid=\"a\"" + hash + "\nscopes=[\"check\"]":            "needs an id, a realm, and scopes",
		"[[key]]" + hash + "\nrealm=\"r\"\nscopes=[\"check\"]":         "needs an id, a realm, and scopes",
		"[[key]]\nid=\"a\"" + hash + "\nrealm=\"r\"\nscopes=[\"all\"]": `has the scope "all"`,
		good + good:                                           "another one of that id",
		good + "[realm.r]\nlimits = 3":                        `"realm.r.limits" is not known`,
		good + "[realm.r]\nlimit = 0":                         `"0" is neither a number from 1 to 256 nor unlimited`,
		good + "[realm.r]\nlimit = 257":                       `"257" is neither`,
		good + "[realm.r]\nlimit = -1":                        `"-1" is neither`,
		good + "[realm.r]\nlimit = 1.5":                       `is neither`,
		good + "[realm.r]\npolicy = \"kick\"":                 `realm.r: policy: "kick"`,
		good + "[realm.r]\nidle = \"tomorrow\"":               "is not a time such as",
		good + "[realm.r]\nidle = \"-1s\"":                    "is not a time such as",
		good + "[realm.r]\nidle = \"2h\"\nabsolute = \"1h\"":  `realm "r": oneseat: Config.Idle`,
		good + "[realm.r]\nclasses = {fridge = 1}":            `realm "r": oneseat: Config.ClassLimits`,
		good + "[realm.r]\nadopt_until = 2026-03-01T00:00:00": "needs an offset",
		good + "[realm.r]\nadopt_until = 2026-03-01":          "needs an offset",
		good + "[realm.r]\nlimit = 2\n[realm.r]\nlimit = 3":   "--keys: keys.toml",
		good + "[realm.\"" + strings.Repeat("x", 65) + "\"]":  "oneseat: Config.Realm",
		good + "[realms.r]\nlimit = 2":                        `"realms.r.limit" is not known`,
		good + "[realm.r]\nobserve_only = \"yes\"":            "--keys: keys.toml",
		good + "[realm.r]\nkeep_endings = \"none\"":           "Config.KeepEndings",
		good + "[realm.r]\nmax_stale = \"2m\"":                "Config.MaxStale",
		good + "[realm.r]\nseat_idle = \"1s\"\nLimit = 5":     "Config.SeatIdle",
	} {
		write(t, "keys.toml", text)
		var stdout, stderr bytes.Buffer
		ctx, cancel := context.WithTimeout(t.Context(), patience) // should it serve
		if code := run(ctx, []string{"serve", "--keys", "keys.toml", "--store", "memory:", "--listen", "127.0.0.1:0"}, &stdout, &stderr); code != exitFailed || !strings.Contains(stderr.String(), want) || stdout.Len() != 0 {
			t.Errorf("%q: %d %s", text, code, &stderr)
		}
		cancel()
	}
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"keys", "create", "-h"}, &stdout, &stderr); code != exitOK || !strings.Contains(stdout.String(), "--scopes") {
		t.Errorf("%d %s", code, &stderr)
	}
}

func TestARealmHasLimitsOfItsOwnAndElseThoseOfTheFlags(t *testing.T) {
	t.Chdir(t.TempDir())
	staff, members := createKey(t, "--file", "keys.toml", "--realm", "staff"), createKey(t, "--file", "keys.toml", "--realm", "members")
	written, err := os.ReadFile("keys.toml")
	if err != nil {
		t.Fatal(err)
	}
	write(t, "keys.toml", string(written)+`
[realm.staff] # three desks
limit = 3
classes = { tv = 1 }
policy = "refuse"
idle = "30m"
absolute = "none"
keep_endings = "48h"
max_stale = "200ms"
adopt_until = 2031-03-01T00:00:00+02:00

[realm.guests] # their key comes later
limit = "unlimited"
`)
	printed, stderr, _ := served(t, 1, "--keys", "keys.toml", "--store", "memory:", "--limit", "2")
	for key, want := range map[string]api.About{
		staff:   {Realm: "staff", Limit: 3, WhenFull: "refuse", Idle: 1800, MaxStale: 0.2, KeepEndings: 48 * 3600, AdoptUntil: time.Date(2031, 2, 28, 22, 0, 0, 0, time.UTC)},
		members: {Realm: "members", Limit: 2, WhenFull: "displace", Idle: 14 * 86400, Absolute: 90 * 86400, MaxStale: 1, KeepEndings: 30 * 86400},
	} {
		var is api.About
		call(t, printed[0], key, api.PathAbout, `{}`, &is)
		until := is.AdoptUntil
		is.Version, is.Scopes, is.Now, is.TouchEvery, is.AdoptUntil = "", nil, time.Time{}, 0, time.Time{}
		same := until.Equal(want.AdoptUntil)
		want.AdoptUntil = time.Time{}
		if !same || !reflect.DeepEqual(is, want) {
			t.Errorf("%+v until %v, want %+v", is, until, want)
		}
	}

	// A key of a realm that is served comes with a signal. A realm, and what it allows,
	// does not, and the log says so.
	guests := createKey(t, "--file", "keys.toml", "--realm", "guests")
	hangUp(t, stderr, "the keys were read again")
	var is api.About
	if call(t, printed[0], guests, api.PathAbout, `{}`, &is); is.Limit != -1 {
		t.Errorf("%+v", is)
	}
	with, err := os.ReadFile("keys.toml")
	if err != nil {
		t.Fatal(err)
	}
	write(t, "keys.toml", strings.Replace(string(with), "limit = 3", "limit = 4", 1))
	hangUp(t, stderr, "they stay as they were until a restart")
	if call(t, printed[0], staff, api.PathAbout, `{}`, &is); is.Limit != 3 {
		t.Errorf("%+v", is)
	}
	createKey(t, "--file", "keys.toml", "--realm", "partners")
	hangUp(t, stderr, "A key of a new realm needs a restart")
	call(t, printed[0], guests, api.PathAbout, `{}`, &is)
}

func TestKeysComeFromTheEnvironment(t *testing.T) {
	t.Chdir(t.TempDir())
	key := createKey(t, "--file", "keys.toml", "--realm", "members")
	text, err := os.ReadFile("keys.toml")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(hashesVariable, string(text)+"[realm.members]\nlimit = 5\n")
	printed, stderr, _ := served(t, 1, "--store", "memory:")
	var is api.About
	if call(t, printed[0], key, api.PathAbout, `{}`, &is); is.Realm != "members" || is.Limit != 5 {
		t.Errorf("%+v", is)
	}
	hangUp(t, stderr, "which changes with a restart only")
	for _, args := range []string{"--dev", "--keys keys.toml"} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), append([]string{"serve"}, strings.Fields(args)...), &stdout, &stderr); code != exitUsage || !strings.Contains(stderr.String(), hashesVariable+" is set") {
			t.Errorf("%s: %d %s", args, code, &stderr)
		}
	}
	t.Setenv(hashesVariable, "[[key")
	var stdout, out bytes.Buffer
	if code := run(t.Context(), []string{"serve", "--store", "memory:", "--listen", "127.0.0.1:0"}, &stdout, &out); code != exitFailed || !strings.Contains(out.String(), hashesVariable+": ") {
		t.Errorf("%d %s", code, &out)
	}
}

func TestAKeyIsTakenBackByItsIDAndTheFileIsElseAsItWas(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "keys.toml", "# The site's keys.\n")
	keys := []string{createKey(t, "--file", "keys.toml"), createKey(t, "--file", "keys.toml", "--realm", "staff", "--scopes", "admin"), createKey(t, "--file", "keys.toml")}
	b, err := os.ReadFile("keys.toml")
	if err != nil {
		t.Fatal(err)
	}
	before := strings.Replace(string(b), "realm = \"staff\"", "# of the desk\nrealm = \"staff\"", 1) + "\n# Desks.\n[realm.staff]\nlimit = 3\n"
	write(t, "keys.toml", before)
	if err := os.Chmod("keys.toml", 0o640); err != nil {
		t.Fatal(err)
	}
	printed, log, _ := served(t, 1, "--keys", "keys.toml", "--store", "memory:")
	id := func(key string) string { return key[len("oneseat_key_"):][:8] }
	revoke := func(args ...string) (int, string, string) {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), append([]string{"keys", "revoke", "--file", "keys.toml"}, args...), &stdout, &stderr)
		return code, stdout.String(), stderr.String()
	}
	code, says, wrong := revoke(id(keys[1]))
	if code != exitOK || wrong != "" {
		t.Fatalf("%d %s", code, wrong)
	}
	for _, word := range []string{id(keys[1]), `"staff"`, "admin", "SIGHUP", "oneseat end-realm staff --url"} {
		if !strings.Contains(says, word) {
			t.Errorf("it does not say %s: %s", word, says)
		}
	}
	now, err := os.ReadFile("keys.toml")
	if err != nil {
		t.Fatal(err)
	}
	from := strings.Index(before, "[[key]]\n  id = \""+id(keys[1]))
	to := strings.Index(before, "[[key]]\n  id = \""+id(keys[2]))
	if want := before[:from] + before[to:]; from < 0 || string(now) != want {
		t.Errorf("the file is\n%s\nwant\n%s", now, want)
	}
	if info, err := os.Stat("keys.toml"); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v", info, err)
	}
	c := newClient(t)
	if got := status(t, c, printed[0], keys[1]); got != http.StatusOK {
		t.Errorf("before the signal: %d", got)
	}
	hangUp(t, log, "the keys were read again")
	for key, want := range map[string]int{keys[0]: 200, keys[1]: 401, keys[2]: 200} {
		if got := status(t, c, printed[0], key); got != want {
			t.Errorf("%s: %d, want %d", id(key), got, want)
		}
	}
	if code, _, wrong := revoke(id(keys[1])); code != exitFailed || !strings.Contains(wrong, "has no key with the id") {
		t.Errorf("again: %d %s", code, wrong)
	}
	if code, _, wrong := revoke(id(keys[2])); code != exitOK {
		t.Errorf("the last part: %d %s", code, wrong)
	}
	if b, err := os.ReadFile("keys.toml"); err != nil || !strings.HasSuffix(string(b), "\n# Desks.\n[realm.staff]\nlimit = 3\n") {
		t.Errorf("%s, %v", b, err)
	}
	if code, _, wrong := revoke(id(keys[0])); code != exitFailed || !strings.Contains(wrong, "make another key first") {
		t.Errorf("the only one: %d %s", code, wrong)
	}

	// What is written in another way is not touched.
	other := `key = [{id="a", sha256="` + strings.Repeat("00", 32) + `", realm="r", scopes=["check"]}, {id="b", sha256="` + strings.Repeat("11", 32) + `", realm="r", scopes=["check"]}]` + "\n"
	write(t, "keys.toml", other)
	if code, _, wrong := revoke("a"); code != exitFailed || !strings.Contains(wrong, "by hand") {
		t.Errorf("%d %s", code, wrong)
	}
	if b, err := os.ReadFile("keys.toml"); err != nil || string(b) != other {
		t.Errorf("%s, %v", b, err)
	}
}
