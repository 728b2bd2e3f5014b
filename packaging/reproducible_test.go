package packaging

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// copied is a copy of all sources in a folder of its own, which is no repository.
func copied(t *testing.T, name string) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), name)
	run(t, "sh", "-euc", `mkdir -p "$1"; git ls-files -z --cached --others --exclude-standard | tar --null --ignore-failed-read --files-from=- -c 2>/dev/null | tar -x -C "$1"`, "sh", folder)
	return folder
}

// Anybody with the sources of a release can make the same bytes, and so can see that the
// release was made of these sources. Here they are made twice: in two folders, at two times,
// with another umask, time zone and language, and (but for -short) without what Go
// remembers.
func TestTheSameSourcesMakeTheSameBytesInAnyFolder(t *testing.T) {
	need(t, "buildah", "dpkg-deb")
	needRoot(t) // buildah, for an owner of a file
	sums := func(folder, umask string, environment ...string) string {
		cmd := exec.CommandContext(t.Context(), "sh", "-euc", "umask "+umask+`
scripts/build 1.2.3 made/oneseat
scripts/image 1.2.3 made/image.tar `+runtime.GOARCH+`
scripts/deb 1.2.3 made `+runtime.GOARCH+` >&2
GOFLAGS= go -C tools run ./bom -version 1.2.3 -sbom ../made/list.json ../made/oneseat
cd made && sha256sum *`)
		cmd.Dir = folder
		cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1700000000")
		cmd.Env = append(cmd.Env, environment...)
		if err := os.Mkdir(filepath.Join(folder, "made"), 0o755); err != nil {
			t.Fatal(err)
		}
		return output(t, cmd)
	}
	environment := []string{"TZ=Asia/Kathmandu", "LC_ALL=C.UTF-8", "GOFLAGS=-buildvcs=false"}
	if testing.Short() {
		t.Setenv("DPKG_DEB_COMPRESSOR_TYPE", "none")
	} else {
		environment = append(environment, "GOCACHE="+t.TempDir())
	}
	a := sums(copied(t, "a"), "022")
	b := sums(copied(t, "b/somewhere else"), "077", environment...)
	if a != b || strings.Count(a, "\n") != 4 {
		t.Errorf("once\n%sand then\n%s", a, b)
	}
}

// What a release is built from decides its bytes: another version makes others.
func TestAnotherVersionMakesOtherBytes(t *testing.T) {
	folder := t.TempDir()
	var sums []string
	for _, version := range []string{"1.2.3", "1.2.4"} {
		run(t, "scripts/build", version, filepath.Join(folder, "oneseat"))
		sums = append(sums, fmt.Sprintf("%x", sha256.Sum256([]byte(read(t, folder, "oneseat")))))
	}
	if sums[0] == sums[1] {
		t.Error("two versions have the same bytes")
	}
}
