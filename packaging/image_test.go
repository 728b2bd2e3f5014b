package packaging

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// imageUser is the user of the image: the one that images without a root use.
const imageUser = 65532

// imageConfig is what an image says of itself, as far as tests look at it.
type imageConfig struct {
	Architecture string `json:"architecture"`
	Config       struct {
		User        string
		Cmd         []string
		Entrypoint  []string
		WorkingDir  string
		Volumes     map[string]struct{}
		StopSignal  string
		Labels      map[string]string
		Healthcheck *struct{ Test []string }
	} `json:"config"`
}

// readArchive returns the configuration in an archive, and the names of all files of the image.
func readArchive(t *testing.T, file string) (c imageConfig, names []string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for archive := tar.NewReader(f); ; {
		entry, err := archive.Next()
		switch {
		case errors.Is(err, io.EOF):
			return c, names
		case err != nil:
			t.Fatal(err)
		case filepath.Ext(entry.Name) == ".json" && entry.Name != "manifest.json":
			if err := json.NewDecoder(archive).Decode(&c); err != nil {
				t.Fatal(err)
			}
		case filepath.Ext(entry.Name) == ".tar":
			for layer := tar.NewReader(archive); ; {
				inside, err := layer.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				if inside.Typeflag != tar.TypeDir {
					names = append(names, inside.Name)
				}
			}
		}
	}
}

// image is the archive of an image, made for one test.
func image(t *testing.T, arch string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "image.tar")
	run(t, "scripts/image", testVersion, file, arch)
	return file
}

// The image has the program, certificates and licences, and nothing else that an attacker could run.
func TestTheImageHasTheProgramAndNothingElse(t *testing.T) {
	need(t, "buildah")
	archs := []string{"amd64", "arm64"}
	if testing.Short() { // it takes a minute to compile for another machine
		archs = []string{runtime.GOARCH}
	}
	for _, arch := range archs {
		c, names := readArchive(t, image(t, arch))
		slices.Sort(names)
		if want := []string{"etc/ssl/certs/ca-certificates.crt", "usr/bin/oneseat", "usr/share/doc/oneseat/LICENSE", "usr/share/doc/oneseat/third-party-licences.txt"}; !slices.Equal(names, want) {
			t.Errorf("%s: its files are %q, want %q", arch, names, want)
		}
		if c.Architecture != arch {
			t.Errorf("it is for %s, want %s", c.Architecture, arch)
		}
		if c.Config.User != "65532:65532" || c.Config.StopSignal != "SIGTERM" || c.Config.Labels["org.opencontainers.image.version"] != testVersion {
			t.Errorf("%s: %+v", arch, c.Config)
		}
		if h := c.Config.Healthcheck; h == nil || !slices.Equal(h.Test, []string{"CMD", "/usr/bin/oneseat", "healthcheck"}) {
			t.Errorf("%s: its health check is %+v", arch, h)
		}
		if _, ok := c.Config.Volumes[c.Config.WorkingDir]; !ok || c.Config.WorkingDir != "/var/lib/oneseat" {
			t.Errorf("%s: the working folder %q is not among the volumes %v", arch, c.Config.WorkingDir, c.Config.Volumes)
		}
	}
}

// The image is run as its configuration says: it serves as its own user, keeps its
// sessions in the volume, and ends at SIGTERM as on any machine.
func TestTheImageServesAsItsOwnUserAndEndsAtSIGTERM(t *testing.T) {
	need(t, "buildah")
	needRoot(t)
	file := image(t, runtime.GOARCH)
	c, _ := readArchive(t, file)
	storage := t.TempDir()
	buildah := func(args ...string) *exec.Cmd {
		return exec.CommandContext(t.Context(), "buildah", slices.Concat([]string{"--root", storage + "/storage", "--runroot", storage + "/run", "--storage-driver", "vfs"}, args)...)
	}
	container := strings.TrimSpace(output(t, buildah("from", "--quiet", "docker-archive:"+file)))
	t.Cleanup(func() {
		_ = exec.Command("buildah", "--root", storage+"/storage", "--runroot", storage+"/run", "--storage-driver", "vfs", "rm", container).Run()
	})
	inside := func(args ...string) *exec.Cmd {
		return buildah(slices.Concat([]string{"run", "--isolation", "chroot", "--volume", storage + "/keys:/etc/oneseat:ro", container, "--"}, c.Config.Entrypoint, args)...)
	}
	if err := os.Mkdir(storage+"/keys", 0o755); err != nil {
		t.Fatal(err)
	}
	key := strings.TrimSpace(run(t, built(t), "keys", "create", "--file", storage+"/keys/keys.toml"))
	if err := os.Chown(storage+"/keys/keys.toml", imageUser, imageUser); err != nil {
		t.Fatal(err)
	}
	start := func() (*server, int) {
		s := serve(t, inside("serve", "--listen", "127.0.0.1:0", "--keys", "/etc/oneseat/keys.toml"))
		return s, below(t, s.cmd.Process.Pid, "oneseat")
	}
	s, pid := start()
	if status := s.get(t, "/readyz"); status != http.StatusOK {
		t.Errorf("/readyz: %d", status)
	}
	if uids := regexp.MustCompile(`(?m)^Uid:\t(\d+)\t(\d+)\t(\d+)\t(\d+)$`).FindStringSubmatch(read(t, "/proc", strconv.Itoa(pid), "status")); !slices.Equal(uids[1:], slices.Repeat([]string{strconv.Itoa(imageUser)}, 4)) {
		t.Errorf("it runs as %q", uids)
	}
	if _, about := s.ask(t, http.MethodPost, "/v1/about", key, "{}"); !strings.Contains(about, testVersion) {
		t.Errorf("/v1/about: %s, want version %s", about, testVersion)
	}
	check := c.Config.Healthcheck.Test[len([]string{"CMD", "/usr/bin/oneseat"}):]
	output(t, inside(slices.Concat(check, []string{"--url", s.url})...))
	fails(t, inside(slices.Concat(check, []string{"--url", "http://127.0.0.1:1"})...))
	status, answer := s.ask(t, http.MethodPost, "/v1/signin", key, `{"account":"ada"}`)
	token := regexp.MustCompile(`"token":"([^"]+)"`).FindStringSubmatch(answer)
	if status != http.StatusCreated || token == nil {
		t.Fatalf("%d %s", status, answer)
	}
	s.stop(t, pid)

	s, pid = start() // in the same volume
	if status, answer := s.ask(t, http.MethodPost, "/v1/check", key, `{"token":"`+token[1]+`"}`); status != http.StatusOK {
		t.Errorf("after a restart: %d %s", status, answer)
	}
	s.stop(t, pid)
}
