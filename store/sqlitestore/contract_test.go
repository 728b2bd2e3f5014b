package sqlitestore_test

import (
	"path/filepath"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/storetest"
)

func TestStoreContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) func() oneseat.Store {
		path := filepath.Join(t.TempDir(), "contract.db")
		return func() oneseat.Store { return open(t, path) }
	})
}
