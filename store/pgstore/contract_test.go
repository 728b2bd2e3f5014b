package pgstore_test

import (
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/storetest"
)

func TestStoreContract(t *testing.T) {
	contract(t, func(t *testing.T, to string) string { return to })
}

func TestStoreContractInTheSimpleProtocol(t *testing.T) {
	t.Parallel()
	contract(t, func(t *testing.T, to string) string {
		return with(t, to, "default_query_exec_mode=simple_protocol")
	})
}

func TestStoreContractThroughPgBouncerInTransactionMode(t *testing.T) {
	t.Parallel()
	contract(t, func(t *testing.T, to string) string {
		return with(t, through(t, to, bouncerAddr(t)), "default_query_exec_mode=exec")
	})
}

// contract runs the suite on a database of its own each time, to which way is
// the way.
func contract(t *testing.T, way func(t *testing.T, to string) string) {
	storetest.Run(t, func(t *testing.T) func() oneseat.Store {
		to := way(t, database(t))
		return func() oneseat.Store { return open(t, to) }
	})
}
