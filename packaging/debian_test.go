package packaging

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// deb makes a Debian package and returns its path.
func deb(t *testing.T, version string) string {
	t.Helper()
	t.Setenv("DPKG_DEB_COMPRESSOR_TYPE", "none") // which takes most of the time
	return strings.TrimSpace(run(t, "scripts/deb", version, t.TempDir(), runtime.GOARCH))
}

func TestLintianHasNothingAgainstThePackage(t *testing.T) {
	need(t, "dpkg-deb", "lintian")
	if said := run(t, "lintian", "--allow-root", "--suppress-tags", "uses-no-compression-for-control-tarball,uses-no-compression-for-data-tarball", deb(t, testVersion)); said != "" {
		t.Errorf("%s", said)
	}
}

// sh runs a command of a shell on the machine, and returns what it says.
func sh(t *testing.T, command string) string {
	t.Helper()
	return strings.TrimSpace(output(t, exec.CommandContext(t.Context(), "sh", "-ec", command)))
}

// The package on a machine with systemd: installed, started with all that the unit forbids,
// reloaded, upgraded while it runs, removed, and purged. The sessions outlive all of it.
func TestThePackageIsInstalledUpgradedAndRemovedWithoutLosingASession(t *testing.T) {
	var debs []string
	if os.Getenv(insideVariable) == "" {
		need(t, "dpkg-deb")
		debs = []string{deb(t, testVersion), deb(t, "1.2.3")}
	}
	if !onAMachineOfItsOwn(t, debs...) {
		return
	}
	said := sh(t, "dpkg --install oneseat_1.2.3~rc.1_*.deb")
	if !strings.Contains(said, "oneseat keys create") {
		t.Errorf("the installation says %s", said)
	}
	for path, want := range map[string]string{
		"/etc/oneseat":           "root:oneseat 750",
		"/etc/oneseat/keys.toml": "root:oneseat 640",
		"/etc/default/oneseat":   "root:root 640",
	} {
		if got := sh(t, "stat -c '%U:%G %a' "+path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "systemd-analyze", "verify", "/lib/systemd/system/oneseat.service").CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}

	// Without a key it does not start. It tries again by itself, as it does for a database that
	// comes up later.
	fails(t, exec.CommandContext(t.Context(), "systemctl", "start", "oneseat"))
	key := sh(t, "oneseat keys create --scopes check,sessions,admin --file /etc/oneseat/keys.toml")
	until(t, "it has started", func() bool {
		return sh(t, "systemctl show --property ActiveState --value oneseat") == "active"
	})
	sh(t, "systemctl stop oneseat && systemctl enable --now oneseat")
	s := &server{url: sh(t, "systemctl show --property StatusText --value oneseat")}
	if s.url != "http://127.0.0.1:7300" {
		t.Errorf("its status is %q", s.url)
	}
	if status := s.get(t, "/readyz"); status != http.StatusOK {
		t.Errorf("/readyz: %d", status)
	}
	status, answer := s.ask(t, http.MethodPost, "/v1/signin", key, `{"account":"ada"}`)
	token := regexp.MustCompile(`"token":"([^"]+)"`).FindStringSubmatch(answer)
	if status != http.StatusCreated || token == nil {
		t.Fatalf("%d %s", status, answer)
	}
	live := func(when string) {
		t.Helper()
		if status, answer := s.ask(t, http.MethodPost, "/v1/check", key, `{"token":"`+token[1]+`"}`); status != http.StatusOK {
			t.Errorf("%s: %d %s", when, status, answer)
		}
	}
	write(t, 0o600, key, "/root/oneseat.key")
	if out, err := exec.CommandContext(t.Context(), "oneseat", "doctor", "--strict", "--url", s.url, "--key-file", "/root/oneseat.key", "--keys", "/etc/oneseat/keys.toml", "--store", "sqlite:/var/lib/oneseat/oneseat.db").CombinedOutput(); err != nil {
		t.Errorf("oneseat doctor: %v\n%s", err, out)
	}
	pid := func() string { return sh(t, "systemctl show --property MainPID --value oneseat") }
	user := sh(t, "id -u oneseat")
	if uid := regexp.MustCompile(`(?m)^Uid:\t(\d+)`).FindStringSubmatch(read(t, "/proc", pid(), "status")); uid == nil || uid[1] != user {
		t.Errorf("it runs as %q, want %s", uid, user)
	}
	if got := sh(t, "stat -c '%U:%G %a' /var/lib/oneseat /var/lib/oneseat/oneseat.db"); got != "oneseat:oneseat 700\noneseat:oneseat 600" {
		t.Errorf("its files: %s", got)
	}

	// Another key, without a restart.
	was := pid()
	second := sh(t, "oneseat keys create --file /etc/oneseat/keys.toml && systemctl reload oneseat")
	until(t, "the second key is good", func() bool {
		status, _ := s.ask(t, http.MethodPost, "/v1/about", second, "{}")
		return status == http.StatusOK
	})
	if now := pid(); now != was {
		t.Errorf("it was restarted: process %s, was %s", now, was)
	}

	// What somebody has configured stays at an upgrade.
	sh(t, `echo '# mine' >>/etc/default/oneseat`)
	sh(t, "dpkg --install oneseat_1.2.3_*.deb")
	if now := pid(); now == was || now == "0" {
		t.Errorf("after the upgrade: process %s, was %s", now, was)
	}
	if _, about := s.ask(t, http.MethodPost, "/v1/about", key, "{}"); !strings.Contains(about, "oneseat 1.2.3,") {
		t.Errorf("after the upgrade: %s", about)
	}
	if !strings.Contains(read(t, "/etc/default/oneseat"), "# mine") {
		t.Error("the upgrade has overwritten what was configured")
	}
	live("after the upgrade")
	sh(t, "dpkg --install oneseat_1.2.3~rc.1_*.deb")
	live("after going back")

	sh(t, "dpkg --remove oneseat")
	if got := sh(t, "systemctl show --property ActiveState --value oneseat"); got != "inactive" {
		t.Errorf("after the removal it is %s", got)
	}
	if links, err := filepath.Glob("/etc/systemd/system/*.wants/oneseat.service"); err != nil || len(links) > 0 {
		t.Errorf("after the removal: %v %v", links, err)
	}
	sh(t, "dpkg --install oneseat_1.2.3_*.deb && systemctl start oneseat")
	live("after it was removed and installed again")

	sh(t, "dpkg --purge oneseat")
	if _, err := os.Stat("/var/lib/oneseat/oneseat.db"); err != nil {
		t.Errorf("after the purge: %v", err)
	}
	for _, path := range []string{"/etc/oneseat", "/etc/default/oneseat", "/usr/bin/oneseat"} {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("after the purge there is %s", path)
		}
	}
}

// exposure is the most that systemd may find against the unit. It counts from 0, nothing, to 10.
const exposure = 1.5

// Somebody that takes the process over can do little outside of it.
func TestTheUnitAllowsLittle(t *testing.T) {
	need(t, "systemd-analyze")
	said := run(t, "systemd-analyze", "security", "--offline=true", "packaging/systemd/oneseat.service")
	found := regexp.MustCompile(`Overall exposure level for oneseat.service: ([0-9.]+)`).FindStringSubmatch(said)
	if found == nil {
		t.Fatalf("it says %s", said)
	}
	if level, err := strconv.ParseFloat(found[1], 64); err != nil || level > exposure {
		t.Errorf("the exposure is %s, want at most %v\n%s", found[1], exposure, said)
	}
}

// "make install" puts the program and what goes with it below a folder, and the unit
// starts the program of that folder.
func TestMakeInstallPutsEverythingBelowAFolder(t *testing.T) {
	folder := t.TempDir()
	run(t, "make", "install", "VERSION="+testVersion, "PREFIX=/opt/one", "DESTDIR="+folder)
	at := filepath.Join(folder, "opt", "one")
	if said := run(t, filepath.Join(at, "bin", "oneseat"), "version"); !strings.Contains(said, testVersion) {
		t.Errorf("its version is %s", said)
	}
	if unit := read(t, at, "lib/systemd/system/oneseat.service"); !strings.Contains(unit, "\nExecStart=/opt/one/bin/oneseat serve ") {
		t.Errorf("%s", unit)
	}
	for _, file := range []string{"lib/sysusers.d/oneseat.conf", "share/bash-completion/completions/oneseat", "share/zsh/site-functions/_oneseat", "share/fish/vendor_completions.d/oneseat.fish", "share/doc/oneseat/examples/keys.toml", "share/doc/oneseat/examples/oneseat.default", "share/doc/oneseat/LICENSE", "share/man/man1/oneseat.1.gz", "share/man/man1/oneseat-serve.1.gz"} {
		if read(t, at, file) == "" {
			t.Errorf("%s is empty", file)
		}
	}
	// With the example as it is, no door is open, and the only error is that of the store.
	said := fails(t, exec.CommandContext(t.Context(), filepath.Join(at, "bin", "oneseat"), "serve", "--listen", "127.0.0.1:0", "--keys", filepath.Join(at, "share/doc/oneseat/examples/keys.toml"), "--store", "postgres://127.0.0.1:1/none"))
	if strings.Contains(said, "keys") {
		t.Errorf("the example of the keys: %s", said)
	}
}
