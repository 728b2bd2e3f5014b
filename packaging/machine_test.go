package packaging

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// insideVariable is set on a machine that boot has made.
const insideVariable = "ONESEAT_TEST_INSIDE"

// onAMachineOfItsOwn runs this test once more, on a copy of this machine with a systemd of
// its own. It reports whether this is the copy, where the test goes on. Files are those that
// it needs there, in the folder /test.
func onAMachineOfItsOwn(t *testing.T, files ...string) bool {
	t.Helper()
	if os.Getenv(insideVariable) != "" {
		return true
	}
	needRoot(t)
	need(t, "unshare", "systemd-analyze")
	if err := exec.CommandContext(t.Context(), "unshare", "--mount", "--pid", "--fork", "--cgroup", "true").Run(); err != nil {
		t.Skipf("there are no namespaces here: %v", err)
	}
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "machine"), 0o700); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, self) {
		output(t, exec.CommandContext(t.Context(), "cp", file, folder))
	}
	write(t, 0o600, `[Unit]
DefaultDependencies=no
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
Environment=`+insideVariable+`=1
WorkingDirectory=/test
ExecStart=/test/`+filepath.Base(self)+` -test.v -test.run=^`+t.Name()+`$$
ExecStopPost=/bin/sh -c 'echo $EXIT_STATUS >/test/status'
StandardOutput=file:/test/said
StandardError=file:/test/said
`, folder, "test.service")
	boot, err := filepath.Abs("testdata/boot.sh")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "unshare", "--mount", "--pid", "--fork", "--kill-child", "--cgroup", "--uts", "--ipc", "--net", "sh", boot, folder)
	group := controlGroup(t)
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(group.Fd())}
	out, err := cmd.CombinedOutput()
	status, _ := os.ReadFile(filepath.Join(folder, "status"))
	said, _ := os.ReadFile(filepath.Join(folder, "said"))
	if strings.TrimSpace(string(status)) != "0" {
		t.Errorf("on the machine: status %q, %v\n%s%s", status, err, out, said)
	}
	return false
}

// controlGroup makes a control group for the machine. It is removed at the end of the test.
func controlGroup(t *testing.T) *os.File {
	t.Helper()
	at := ""
	for line := range strings.Lines(read(t, "/proc/mounts")) {
		if f := strings.Fields(line); f[2] == "cgroup2" {
			at = f[1]
		}
	}
	if at == "" {
		t.Skip("there is no cgroup2 here")
	}
	folder, err := os.MkdirTemp(at, "oneseat-test-")
	if err != nil {
		t.Skip(err)
	}
	f, err := os.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = f.Close()
		var inside []string
		_ = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				inside = append(inside, path)
			}
			return nil
		})
		for i := len(inside) - 1; i >= 0; i-- { // their processes have been killed, but may not have gone
			for range 100 {
				if err := syscall.Rmdir(inside[i]); !errors.Is(err, syscall.EBUSY) {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
		}
	})
	return f
}
