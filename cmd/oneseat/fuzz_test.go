package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/spf13/pflag"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/server"
)

// canary is the password in every text that is fuzzed.
const canary = "canary7f3c9a1e"

// A file of keys is refused with where it stands, or each of its keys is whole, and the file
// without one of them is the same without that one.
func FuzzKeyFile(f *testing.F) {
	hash := strings.Repeat("0a", 32)
	key := "[[key]]\nid = \"%s\"\nsha256 = \"" + hash + "\"\nrealm = \"members\"\nscopes = [\"check\", \"admin\"]\n"
	two := fmt.Sprintf(key, "a") + "# of b\n" + fmt.Sprintf(key, "b")
	for _, s := range []string{
		"", two, two + "[realm.members]\nlimit = 3\nclasses = { tv = 1 }\npolicy = \"ask\"\nidle = \"30m\"\nadopt_until = 2026-03-01T00:00:00Z\n",
		two + "[realm.\"a.b\"]\nlimit = \"unlimited\"\nabsolute = \"none\"\n", "key = [{id='a'}]", "[[key]]\nid = '''\na'''", "[realm.x]\nadopt_until = 2026-03-01T00:00:00", "limit = \"" + strings.Repeat("9", 400) + "\"", "\ufeff" + two, "[[key]]\nkey = 1\n[key.key]\n",
	} {
		f.Add(s)
	}
	folder := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		in, keys, err := readKeyFile(text, "--keys: NAME")
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n--keys") {
				if !strings.Contains("--keys"+line, "NAME: ") {
					t.Errorf("it says %q", line)
				}
			}
			return
		}
		ids := map[string]bool{}
		for i, k := range keys {
			if k.ID == "" || k.Realm == "" || len(k.Scopes) == 0 || ids[k.ID] || hex.EncodeToString(k.Hash[:]) != strings.ToLower(in.Key[i].SHA256) {
				t.Errorf("key %+v of %q", k, text)
			}
			ids[k.ID] = true
		}
		for name, e := range in.Realm {
			c := e.config(oneseat.Config{Limit: 1})
			if c.Limit != oneseat.Unlimited && (c.Limit < 1 || c.Limit > oneseat.MaxSeats) || e.Idle < 0 && time.Duration(e.Idle) != oneseat.NoTimeout {
				t.Errorf("realm %q of %q: %+v", name, text, c)
			}
		}
		file := filepath.Join(folder, "keys.toml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		was, removed := removeKey(file, keys[0].ID)
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if removed != nil {
			if string(b) != text {
				t.Errorf("%q: %v, and it became %q", text, removed, b)
			}
			return
		}
		now, left, err := readKeyFile(string(b), "NAME")
		if err != nil || was.ID != keys[0].ID || len(left) != len(keys)-1 || slices.ContainsFunc(left, func(k server.Key) bool { return k.ID == was.ID }) || len(now.Realm) != len(in.Realm) {
			t.Errorf("%q without %q is %q, %v", text, was.ID, b, err)
		}
	})
}

// What --store says is refused, or understood, in words without its password.
func FuzzStoreFlag(f *testing.F) {
	for _, s := range [][3]string{
		{"postgres://user:", "@localhost:5432/db", ""}, {"redis://:", "@localhost/0", ""}, {"redis-cluster://a:", "@h:1,h:2", ""}, {"postgresql://u:", "%zz@h:x/", ""}, {"sqlite:", "", ""},
		{"http://u:", "@h", ""}, {"postgres://h?password=", "&sslmode=bad", ""}, {"postgres:", "", ""}, {"mysql://u:", "@@h@", ""}, {"rediss://u:", "/@h", ""}, {"memory:", "", ""}, {"foo:u:", "@h", ""},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, before, after string) {
		if strings.HasPrefix(before, "sqlite:") || strings.Contains(before, "@") && !strings.Contains(after, "@") {
			return // there it is the name of a file, or of a host
		}
		spec, err := parseStore(before + canary + after)
		if err != nil && !strings.HasPrefix(err.Error(), "--store: ") {
			t.Errorf("it says %v", err)
		}
		// A password stands between the name of a user and an @, in a URL.
		if !strings.Contains(before, "://") || !strings.HasSuffix(before, ":") || strings.ContainsAny(before[strings.Index(before, "://")+3:], "/?#") || !strings.HasPrefix(after, "@") {
			return
		}
		if err != nil && strings.Contains(err.Error(), canary) || strings.Contains(spec.name, canary) {
			t.Errorf("%q: %v, %q", before+canary+after, err, spec.name)
		}
	})
}

// The flags of serve are refused, each by its name, or what they say is possible. Nothing is
// opened, and no password is said.
func FuzzServeFlags(f *testing.F) {
	for _, s := range []string{
		"--dev", "--keys\nk\n--limit\nunlimited\n--policy\nask", "--dev\n--store\npostgres://u:" + canary + "@h:x/d", "--dev\n--limit\n0", "--dev\n--sign-ins-per-minute\nNaN\n--calls-per-second\n-1", "--dev\n--listen\n0.0.0.0:1",
		"--dev\n--listen\nunix:", "--dev\n--admin-listen\n127.0.0.1:7300", "--dev\n--cookie-name\n__Host-x", "--dev\n--drain\n-1s", "--dev\nx", "--dev=maybe", "--keys\n--dev\n--log\nxml\n--log-level\nloud", "-h", "--", "--dev\n--listen\n[::1%eth0]:80",
	} {
		f.Add(s)
	}
	f.Setenv(hashesVariable, "")
	f.Setenv(storeVariable, "")
	f.Fuzz(func(t *testing.T, line string) {
		set := pflag.NewFlagSet("serve", pflag.ContinueOnError)
		set.SetOutput(io.Discard)
		read := serveFlags(set)
		args := strings.Split(line, "\n")
		if err := set.Parse(args); err != nil {
			return // words of pflag's, about the name of a flag
		}
		c, err := read(set.Args())
		if err != nil {
			// A password stands in the URL of a store, also where its flag was forgotten.
			store, _ := set.GetString("store")
			for _, url := range append(set.Args(), store) {
				if before, after, is := strings.Cut(url, canary); is && strings.Count(line, canary) == 1 && strings.HasSuffix(before, "://u:") && strings.HasPrefix(after, "@") && strings.Contains(err.Error(), canary) {
					t.Errorf("%q: %v", line, err)
				}
			}
			return
		}
		limit := c.limit == oneseat.Unlimited || c.limit >= 1 && c.limit <= oneseat.MaxSeats
		rates := c.signIns >= 0 && c.signIns <= 1e6 && c.calls >= 0 && c.calls <= 1e6
		if !limit || !rates || c.drain < 0 || c.store.open == nil || !slices.Contains(policies, string(c.policy)) || c.keys == (keySource{}) || c.plain && !c.dev {
			t.Errorf("%q is taken: %+v", line, c)
		}
	})
}

// A file of profiles is refused with its name and without the password of a store, or what it
// says is what a TOML decoder finds there.
func FuzzProfiles(f *testing.F) {
	at := "store = \"postgres://u:" + canary + "@h/d\"\n"
	for _, s := range []string{
		"", "[profile.default]\n" + at, "[profile.x]\nurl = \"https://h\"\nkey_file = \"k\"\n", "[profile.x]\nstore = postgres://u:" + canary + "@h\n", "[profile]\nx = \"" + canary + "\"\n", "[profile.x]\n" + at + "more = 1\n", "[profile.x]\n" + at + at, "profile = [1]", "[profile.\"\"]\n" + at, "[profile.x]\nstore = \"\\q" + canary + "\"\n",
	} {
		f.Add(s, "x")
	}
	home := f.TempDir()
	f.Setenv("XDG_CONFIG_HOME", home)
	if err := os.Mkdir(filepath.Join(home, "oneseat"), 0o700); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text, name string) {
		file := filepath.Join(home, "oneseat", "profiles.toml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := readProfile(name)
		if err != nil {
			if !strings.Contains(err.Error(), file) || strings.Contains(err.Error(), canary) && strings.Count(text+name, canary) == strings.Count(text, "://u:"+canary) {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		var want struct{ Profile map[string]map[string]string }
		if _, err := toml.Decode(text, &want); err != nil {
			t.Errorf("%q is taken: %v", text, err)
		}
		if name == "" {
			name = usualProfile
		}
		all := want.Profile[name]
		if got != (profile{all["url"], all["key_file"], all["ca"], all["store"], all["realm"]}) {
			t.Errorf("%q, profile %q: %+v", text, name, got)
		}
	})
}
