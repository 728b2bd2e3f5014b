package storetest_test

import (
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
	"github.com/oneseat/oneseat/store/storetest"
)

// In a package of your own this is a test, TestStoreContract, with your store in the
// place of memstore's. Every database is new and empty. Each call of open returns
// another node's handle on it.
func ExampleRun() {
	_ = func(t *testing.T) {
		storetest.Run(t, func(*testing.T) (open func() oneseat.Store) {
			database := memstore.New()
			return func() oneseat.Store { return database }
		})
	}
}
