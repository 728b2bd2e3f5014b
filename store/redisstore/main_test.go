package redisstore_test

import (
	"os"
	"testing"

	"github.com/oneseat/oneseat/internal/canaries"
)

// TestMain fails the tests if a secret was in a log.
func TestMain(m *testing.M) { os.Exit(canaries.Main(m)) }
