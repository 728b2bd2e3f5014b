package archtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// AUD-04: the tests of every package that has secrets pass the canaries: what their
// registries, stores and servers log is looked at, and the package fails if a secret is there.
func TestNoTestLogsPastTheCanaries(t *testing.T) {
	for _, folder := range []string{
		".", "oneseathttp", "server", "client", "cmd/oneseat", "store/pgstore", "store/redisstore", "store/sqlitestore", "internal/simulate", "internal/faults", "internal/doctor",
	} {
		names, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(folder), "*_test.go"))
		if err != nil || len(names) == 0 {
			t.Fatalf("no tests are found in %s: %v", folder, err)
		}
		fails := false
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			text := string(b)
			fails = fails || strings.Contains(text, "canaries.Main(m)")
			if strings.Contains(text, "slog.New(slog.DiscardHandler)") && filepath.Base(name) != "alloc_test.go" { // which counts what a log costs
				t.Errorf("%s: a logger that nobody looks at: write canaries.Logger(nil)", name)
			}
		}
		if !fails {
			t.Errorf("%s: TestMain does not call canaries.Main", folder)
		}
	}
}
