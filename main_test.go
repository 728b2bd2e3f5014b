package oneseat_test

import (
	"os"
	"testing"

	"github.com/oneseat/oneseat/internal/canaries"
)

// TestMain fails the tests if a secret was in a log, an event, a record or an error.
func TestMain(m *testing.M) { os.Exit(canaries.Main(m)) }
