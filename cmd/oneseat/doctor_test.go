package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/oneseat/oneseat/api"
)

// foundBy are the checks that a report for programs has findings of.
func foundBy(t *testing.T, report string) (checks []string) {
	t.Helper()
	var r struct {
		Results []struct{ Check, State string }
	}
	if err := json.Unmarshal([]byte(report), &r); err != nil || len(r.Results) == 0 {
		t.Fatalf("%v: %s", err, report)
	}
	for _, one := range r.Results {
		if one.State == "found" {
			checks = append(checks, one.Check)
		}
	}
	return slices.Compact(checks)
}

// wantDoctor runs the doctor, and sees what it finds and how it exits. A question has some
// seconds, which is little on a machine that is busy, so it is asked again.
func wantDoctor(t *testing.T, code int, found string, flags ...string) (report string) {
	t.Helper()
	for range 10 {
		got, stdout, stderr := ran(t, append([]string{"doctor", "--json"}, flags...)...)
		checks := strings.Join(foundBy(t, stdout), " ")
		if got == code && checks == found && stderr == "" {
			return stdout
		}
		report = fmt.Sprintf("%d, found %q, %s\n%s", got, checks, stderr, stdout)
	}
	t.Errorf("%q: %s; want %d, %q", flags, report, code, found)
	return report
}

// keyIn writes the key of the API to a file that only we may read.
func keyIn(t *testing.T, key string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// planted runs a server in a folder of its own, on whose file somebody is signed in.
func planted(t *testing.T, flags ...string) (p *process, key, keyFile string) {
	t.Helper()
	t.Chdir(t.TempDir())
	key = createKey(t, "--file", "keys.toml")
	p = startProcess(t, flags...)
	call(t, p.url, key, api.PathSignIn, `{"account":"ada"}`, &struct{}{})
	return p, key, keyIn(t, key)
}

func TestTheDoctorFindsNothingInAHealthySystem(t *testing.T) {
	p, key, keyFile := planted(t)
	second := startProcess(t)
	flags := []string{"--url", p.url, "--url", second.url, "--key-file", keyFile, "--keys", "keys.toml", "--store", "sqlite:oneseat.db", "--realm", "default", "--strict"}
	report := wantDoctor(t, exitOK, "", flags...)
	var all struct {
		Results []struct{ Check, State string }
	}
	if err := json.Unmarshal([]byte(report), &all); err != nil {
		t.Fatal(err)
	}
	for _, one := range all.Results {
		if one.State != "fine" && one.Check != "certificate" {
			t.Errorf("%+v", one)
		}
	}
	code, stdout, stderr := ran(t, append([]string{"doctor"}, flags...)...)
	if code != exitOK || !strings.Contains(stdout, "Nothing is wrong; 2 not checked.") || strings.Contains(stdout+report, key) || stderr != "" {
		t.Errorf("%d %s %s", code, stdout, stderr)
	}
	t.Setenv(keyVariable, key)
	t.Setenv(storeVariable, "sqlite:oneseat.db")
	if report := wantDoctor(t, exitOK, "", "--url", p.url); !strings.Contains(report, `"one-file"`) || !strings.Contains(report, `"for check, sessions"`) {
		t.Errorf("the variables were not read: %s", report)
	}
	call(t, p.url, key, api.PathSessions, `{"account":"ada"}`, &struct{}{}) // it goes on
}

func TestTheDoctorFindsADatabaseFileThatIsTwo(t *testing.T) {
	for name, plant := range map[string]func() error{
		"a hard link":      func() error { return os.Link("oneseat.db", "other.db") },
		"the -wal removed": func() error { return os.Remove("oneseat.db-wal") },
		"the -shm removed": func() error { return os.Remove("oneseat.db-shm") },
		"a copy over it": func() error {
			b, err := os.ReadFile("oneseat.db")
			if err == nil {
				err = os.WriteFile("copy.db", b, 0o600)
			}
			if err == nil {
				err = os.Rename("copy.db", "oneseat.db")
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, _, _ := planted(t)
			wantDoctor(t, exitOK, "", "--url", p.url, "--store", "sqlite:oneseat.db")
			if err := plant(); err != nil {
				t.Fatal(err)
			}
			wantDoctor(t, exitFailed, "one-file", "--store", "sqlite:oneseat.db")
			waitFor(t, func() bool { code, _, _ := ran(t, "healthcheck", "--url", p.url, "--ready"); return code == exitFailed })
			wantDoctor(t, exitFailed, "ready one-file", "--url", p.url, "--store", "sqlite:oneseat.db")
		})
	}
}

// The server reads realms when it starts, so it refuses a file that has another one.
func TestTheDoctorFindsARealmThatNoServerHas(t *testing.T) {
	p, _, _ := planted(t)
	staff := createKey(t, "--file", "keys.toml", "--realm", "staff")
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return strings.Contains(p.log.String(), "the keys could not be read again") })
	flags := []string{"--key-file", keyIn(t, staff), "--keys", "keys.toml"}
	if report := wantDoctor(t, exitFailed, "realm", append(flags, "--url", p.url)...); !strings.Contains(report, `\"staff\"`) {
		t.Error(report)
	}
	again := startProcess(t)
	wantDoctor(t, exitOK, "", append(flags, "--url", again.url)...)
}

func TestTheDoctorFindsServersThatDifferAndAnAPIBeyondThisMachine(t *testing.T) {
	p, _, keyFile := planted(t)
	other := startProcess(t, "--limit", "3")
	if report := wantDoctor(t, exitFailed, "limits", "--url", p.url, "--url", other.url, "--key-file", keyFile); !strings.Contains(report, "limit is 1 at "+p.url+", and 3 at "+other.url) {
		t.Error(report)
	}
	wide := startProcess(t, "--listen", "0.0.0.0:0", "--without-tls")
	_, port, _ := strings.Cut(strings.TrimPrefix(wide.url, "http://"), ":")
	if code, stdout, _ := ran(t, "doctor", "--url", "http://127.0.0.1:"+port); code == exitOK && strings.Contains(stdout, "on this machine only") {
		t.Log("this machine has no address but its own")
		return
	}
	wantDoctor(t, exitFailed, "tls", "--url", "http://127.0.0.1:"+port)
}

// The flags for certificates and for an application.
func TestTheDoctorExaminesWhatItsFlagsName(t *testing.T) {
	believes := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-User") == "" {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	defer believes.Close()
	wantDoctor(t, exitOK, "", "--app", believes.URL, "--app-direct", believes.URL)
	wantDoctor(t, exitFailed, "forged", "--app", believes.URL, "--app-direct", believes.URL, "--app-header", "x-user")

	t.Chdir(t.TempDir())
	writeCertificate(t, "oneseat.internal") // it ends in an hour
	createKey(t, "--file", "keys.toml")
	p := startProcess(t, "--tls-cert", "cert.pem", "--tls-key", "key.pem")
	if report := wantDoctor(t, exitFailed, "certificate", "--url", p.url); !strings.Contains(report, "unknown authority") {
		t.Error(report)
	}
	if report := wantDoctor(t, exitOK, "certificate", "--url", p.url, "--ca", "cert.pem", "--keys", "key.pem"); !strings.Contains(report, "in 0 days") {
		t.Error(report)
	}
	if err := os.Chmod("key.pem", 0o644); err != nil {
		t.Fatal(err)
	}
	wantDoctor(t, exitFailed, "key-file", "--keys", "key.pem")
	if code, _, stderr := ran(t, "healthcheck", "--url", p.url); code != exitOK {
		t.Errorf("%d %s", code, stderr)
	}
}

func TestTheDoctorExitsWithAWarningOnlyWhereThatIsAsked(t *testing.T) {
	t.Chdir(t.TempDir())
	createKey(t, "--file", "keys.toml")
	if err := os.Chmod("keys.toml", 0o644); err != nil {
		t.Fatal(err)
	}
	wantDoctor(t, exitOK, "key-file", "--keys", "keys.toml")
	wantDoctor(t, exitFailed, "key-file", "--keys", "keys.toml", "--strict")
	wantDoctor(t, exitFailed, "key-file", "--keys", "none.toml")
}

// profiles makes the file of profiles.
func profiles(t *testing.T, text string) {
	t.Helper()
	folder := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", folder)
	if err := os.Mkdir(filepath.Join(folder, "oneseat"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "oneseat", "profiles.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTheDoctorExaminesWhatAProfileNames(t *testing.T) {
	p, _, keyFile := planted(t)
	profiles(t, fmt.Sprintf("[profile.default]\nurl = %q\nkey_file = %q\nrealm = \"default\"\n[profile.files]\nstore = \"sqlite:oneseat.db\"\n", p.url, keyFile))
	if report := wantDoctor(t, exitOK, ""); !strings.Contains(report, p.url) || !strings.Contains(report, `"for check, sessions"`) || strings.Contains(report, `"one-file"`) {
		t.Error(report)
	}
	if report := wantDoctor(t, exitOK, "", "--profile", "files"); strings.Contains(report, p.url) || !strings.Contains(report, `"one-file"`) {
		t.Error(report)
	}
	if report := wantDoctor(t, exitOK, "", "--profile", "default", "--store", "sqlite:oneseat.db"); !strings.Contains(report, p.url) || !strings.Contains(report, `"one-file"`) {
		t.Error(report)
	}
}

func TestTheDoctorsSignsAreThoseOfTheLocale(t *testing.T) {
	t.Chdir(t.TempDir())
	createKey(t, "--file", "keys.toml")
	for _, c := range []struct{ all, ctype, lang, sign string }{
		{"", "", "en_US.UTF-8", "✓ key-file"}, {"", "C.utf8", "C", "✓ key-file"}, {"C", "C.UTF-8", "C.UTF-8", "ok key-file"}, {"", "", "", "ok key-file"},
	} {
		t.Setenv("LC_ALL", c.all)
		t.Setenv("LC_CTYPE", c.ctype)
		t.Setenv("LANG", c.lang)
		if code, stdout, _ := ran(t, "doctor", "--keys", "keys.toml"); code != exitOK || !strings.Contains(stdout, "  "+c.sign) || strings.Contains(stdout, "\x1b") {
			t.Errorf("%+v: %d %s", c, code, stdout)
		}
	}
}

func TestTheDoctorSaysWhatItNeeds(t *testing.T) {
	profiles(t, "")
	key := keyIn(t, "x")
	for flags, want := range map[string]string{
		"":                                "there is nothing to examine",
		"--json":                          "there is nothing to examine",
		"--key-file " + key + " --keys x": "name one by --url",
		"--url http://127.0.0.1:1 --key-file nope":           "--key-file: open nope",
		"--url http://127.0.0.1:1 --key a --key-file " + key: "name one of them",
		"--url http://127.0.0.1:1 --ca " + key:               "has no certificate",
		"--store mysql://ada:hunter2@x/y":                    "is no store: write sqlite:FILE",
		"--profile members":                                  "has no profile",
		"--store memory: more":                               `"more" is not a flag`,
	} {
		code, stdout, stderr := ran(t, append([]string{"doctor"}, strings.Fields(flags)...)...)
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, want) || strings.Contains(stderr, "hunter2") {
			t.Errorf("%s: %d %q %q", flags, code, stdout, stderr)
		}
	}
}
