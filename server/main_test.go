package server_test

import (
	"os"
	"testing"

	"github.com/oneseat/oneseat/internal/canaries"
)

// TestMain fails the tests if a secret was in a log, a metric or an answer.
func TestMain(m *testing.M) { os.Exit(canaries.Main(m)) }
