package redisstore_test

import (
	"crypto/rand"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/testservers"
	"github.com/oneseat/oneseat/store/redisstore"
	"github.com/oneseat/oneseat/store/storetest"
)

func TestStoreContract(t *testing.T) {
	contract(t, testservers.AnyRedis(t))
}

func TestStoreContractOnACluster(t *testing.T) {
	// No server fails here. A long timeout keeps a master from being replaced on a
	// busy machine.
	contract(t, testservers.StartRedisCluster(t, "--cluster-node-timeout", "60000").URL)
}

// contract gives every database of the suite its own prefix.
func contract(t *testing.T, url string) {
	storetest.Run(t, func(t *testing.T) func() oneseat.Store {
		prefix := "test-" + rand.Text() + ":"
		t.Cleanup(func() { remove(t, url, prefix) })
		return func() oneseat.Store {
			return open(t, url, redisstore.Options{Prefix: prefix})
		}
	})
}
