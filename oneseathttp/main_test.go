package oneseathttp_test

import (
	"os"
	"testing"

	"github.com/oneseat/oneseat/internal/canaries"
)

// TestMain fails the tests if a secret was in a log, a header or a page.
func TestMain(m *testing.M) { os.Exit(canaries.Main(m)) }
