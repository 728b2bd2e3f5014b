package powercut

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// What was synced is there after the power was cut. What was not is lost sooner or later,
// whether it is in the kernel or in the disk: else nothing could be found out with this disk.
func TestWhatWasSyncedStaysAndTheRestMayBeLost(t *testing.T) {
	m := newMachine(t, 32<<20, false, 2)
	text := bytes.Repeat([]byte("all that is "), 4096) // whole sectors
	from := filepath.Join(t.TempDir(), "from")
	if err := os.WriteFile(from, text, 0o600); err != nil {
		t.Fatal(err)
	}
	do := func(name string, args ...string) []byte {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s %q: %v: %s", name, args, err, out)
		}
		return out
	}
	lost := map[string]int{}
	const rounds = 5
	for range rounds {
		m.start()
		for name, how := range map[string]string{"synced": "conv=fsync", "cached": "bs=4096", "direct": "oflag=direct"} {
			do("dd", "if="+from, "of="+filepath.Join(m.at, name), "bs=4096", how)
		}
		m.cut()
		m.start()
		for _, name := range []string{"synced", "cached", "direct"} {
			got, _ := exec.CommandContext(t.Context(), "cat", filepath.Join(m.at, name)).Output() // it may be gone
			if !bytes.Equal(got, text) {
				lost[name]++
			}
		}
		do("sh", "-c", "cd '"+m.at+"' && rm -f synced cached direct && sync -f .")
		m.cut()
	}
	c := m.disk.Counts()
	if lost["synced"] > 0 || lost["cached"] == 0 || lost["direct"] == 0 || c.Lost == 0 || c.Kept == 0 {
		t.Errorf("of %d files of each kind were lost %v; %+v", rounds, lost, c)
	}
}
