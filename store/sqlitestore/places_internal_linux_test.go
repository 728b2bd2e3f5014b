package sqlitestore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/oneseat/oneseat"
)

func TestWhatIsMountedByItselfIsFound(t *testing.T) {
	const before = `22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
31 27 254:0 /srv /data rw,relatime shared:1 - ext4 /dev/vda rw
`
	const at = "32 31 254:0 /srv/oneseat.db%s %s rw,relatime master:2 - ext4 /dev/vda rw\n"
	for _, c := range []struct{ mounts, path, want string }{
		{before, "/data/oneseat.db", ""},
		{before + fmt.Sprintf(at, "", "/data/oneseat.db"), "/data/oneseat.db", "/data/oneseat.db"},
		{before + fmt.Sprintf(at, "-shm", "/data/oneseat.db-shm"), "/data/oneseat.db", "/data/oneseat.db-shm"},
		{before + fmt.Sprintf(at, "-wal", "/data/oneseat.db-wal"), "/data/oneseat.db", "/data/oneseat.db-wal"},
		{before + fmt.Sprintf(at, "", "/data/other.db"), "/data/oneseat.db", ""},
		{before + fmt.Sprintf(at, "", `/data/a\040b\134\012ü.db`), "/data/a b\\\nü.db", "/data/a b\\\nü.db"},
		{before + fmt.Sprintf(at, "", `/data/ends\04`), `/data/ends\04`, `/data/ends\04`},
		{"short\n\n", "/data/oneseat.db", ""},
	} {
		if got := mounted(c.mounts, c.path); got != c.want {
			t.Errorf("%q in %q: %q, want %q", c.path, c.mounts, got, c.want)
		}
	}
}

func TestAFileSystemThatIsNotLocalIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := checkFileSystem(filepath.Join(dir, "oneseat.db")); err != nil {
		t.Errorf("where tests have their files: %v", err)
	}
	// Nobody serves this file system, but it is one, and tells its kind to everybody
	// except its owner.
	fuse, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err == nil {
		defer fuse.Close()
		const owner = 12345
		options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=%d,group_id=%d", fuse.Fd(), owner, owner)
		err = syscall.Mount("test", dir, "fuse", 0, options)
	}
	if err != nil { // not permitted here, but the number is known
		var s syscall.Statfs_t
		if err := syscall.Statfs("/proc", &s); err != nil {
			t.Fatal(err)
		}
		const procfs = 0x9fa0
		if s.Type != procfs || remote[0x65735546] != "FUSE" {
			t.Errorf("/proc is %#x, and FUSE is %q", s.Type, remote[0x65735546])
		}
		return
	}
	defer func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	e, ok := errors.AsType[*oneseat.StoreError](checkFileSystem(filepath.Join(dir, "oneseat.db")))
	if !ok || e.Failure != oneseat.FailureUnsupported {
		t.Errorf("%v", e)
	}
}
