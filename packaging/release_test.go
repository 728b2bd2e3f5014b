package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// repository is a copy of all sources, committed.
func repository(t *testing.T) (folder string, git func(args ...string)) {
	t.Helper()
	folder = copied(t, "repository")
	git = func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-c", "user.name=Ada", "-c", "user.email=ada@example.com"}, args...)...)
		cmd.Dir = folder
		output(t, cmd)
	}
	git("init", "--quiet")
	git("add", "--all")
	git("commit", "--quiet", "--message", "all")
	return folder, git
}

// A release has everything that people install, with checksums and a signature. It is refused
// where nobody could make the same again, or where nobody has said what is new.
func TestAReleaseIsWholeAndSigned(t *testing.T) {
	need(t, "git", "buildah", "dpkg-deb", "ssh-keygen", "zip")
	needRoot(t)
	folder, git := repository(t)
	release := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), "scripts/release", append([]string{"--unchecked"}, args...)...)
		cmd.Dir = folder
		return cmd
	}
	const version = "9.8.7"
	native := "linux/" + runtime.GOARCH
	for want, args := range map[string][]string{
		"CHANGELOG.md has no part": {version, native},
		"is no version":            {"v9.8.7", native},
		"cannot be read":           {"--key", "none", "0.1.0", native},
	} {
		if said := fails(t, release(args...)); !strings.Contains(said, want) {
			t.Errorf("%q: %s", args, said)
		}
	}
	changes := strings.Replace(read(t, folder, "CHANGELOG.md"), "## [0.1.0]", "## ["+version+"]\n\n- A [page](docs/server.md) and a [site](https://example.com/).\n\n## [0.1.0]", 1)
	write(t, 0o644, changes, folder, "CHANGELOG.md")
	if said := fails(t, release(version, native)); !strings.Contains(said, "not committed") {
		t.Errorf("%s", said)
	}
	git("commit", "--quiet", "--all", "--message", "a release")
	if left, err := filepath.Glob(filepath.Join(folder, "dist", "*")); err != nil || len(left) > 0 {
		t.Errorf("a release that was refused has left %q, %v", left, err)
	}

	key := filepath.Join(t.TempDir(), "key")
	run(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "release", "-f", key)
	args := []string{"--key", key, version}
	platforms := []string{"linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64", "windows_amd64"}
	if testing.Short() {
		t.Setenv("DPKG_DEB_COMPRESSOR_TYPE", "none")
		args, platforms = append(args, native), []string{"linux_" + runtime.GOARCH}
	}
	output(t, release(args...))
	dist := filepath.Join(folder, "dist", version)

	sums := exec.CommandContext(t.Context(), "sha256sum", "--strict", "--check", "SHA256SUMS")
	sums.Dir = dist
	output(t, sums)
	files, err := os.ReadDir(dist)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Name())
	}
	if lines := strings.Count(read(t, dist, "SHA256SUMS"), "\n"); lines != len(names)-2 {
		t.Errorf("%d checksums of %q", lines, names)
	}
	want := []string{"release-notes.md", "SHA256SUMS", "SHA256SUMS.sig"}
	for _, p := range platforms {
		os, arch, _ := strings.Cut(p, "_")
		want = append(want, "oneseat_"+version+"_"+p+".cdx.json")
		switch os {
		case "windows":
			want = append(want, "oneseat_"+version+"_"+p+".zip")
		case "linux":
			want = append(want, "oneseat_"+version+"_"+arch+".deb", "oneseat_"+version+"_image_"+arch+".tar.gz")
			fallthrough
		default:
			want = append(want, "oneseat_"+version+"_"+p+".tar.gz")
		}
	}
	for _, name := range want {
		if !slices.Contains(names, name) {
			t.Errorf("there is no %s", name)
		}
	}
	if wheels := slices.DeleteFunc(names, func(n string) bool { return filepath.Ext(n) != ".whl" }); len(wheels) != 1+len(platforms)-len(platforms)/5 { // none for Windows
		t.Errorf("the wheels are %q", wheels)
	}

	// As docs/run.md says how to look whether it is ours.
	verify := func() *exec.Cmd {
		signers := write(t, 0o600, "releases@oneseat "+read(t, key+".pub"), t.TempDir(), "signers")
		cmd := exec.CommandContext(t.Context(), "sh", "-euc", `ssh-keygen -Y verify -f "$1" -I releases@oneseat -n oneseat-release -s SHA256SUMS.sig <SHA256SUMS`, "sh", signers)
		cmd.Dir = dist
		return cmd
	}
	output(t, verify())
	at := t.TempDir()
	run(t, "tar", "-x", "-f", filepath.Join(dist, "oneseat_"+version+"_linux_"+runtime.GOARCH+".tar.gz"), "-C", at, "--strip-components=1")
	if said := run(t, filepath.Join(at, "bin", "oneseat"), "version"); !strings.Contains(said, "oneseat "+version+",") {
		t.Errorf("%s", said)
	}
	if unit := read(t, at, "lib/systemd/system/oneseat.service"); !strings.Contains(unit, "ExecStart=/usr/local/bin/oneseat") {
		t.Errorf("%s", unit)
	}
	if got, want := read(t, dist, "release-notes.md"), "# oneseat 9.8.7\n\n- A [page](https://github.com/oneseat/oneseat/blob/v9.8.7/docs/server.md) and a [site](https://example.com/).\n\n"; got != want {
		t.Errorf("its notes are %q, want %q", got, want)
	}
	if said := fails(t, release(version, native)); !strings.Contains(said, "there already") {
		t.Errorf("%s", said)
	}

	write(t, 0o644, "0000\n"+read(t, dist, "SHA256SUMS"), dist, "SHA256SUMS")
	fails(t, verify())
}
