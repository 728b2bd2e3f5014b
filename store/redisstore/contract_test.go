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
	// Nobody fails here: a master that a busy machine keeps waiting is not replaced.
	contract(t, testservers.StartRedisCluster(t, "--cluster-node-timeout", "60000").URL)
}

// contract gives every database of the suite a prefix of its own.
func contract(t *testing.T, url string) {
	storetest.Run(t, func(t *testing.T) func() oneseat.Store {
		prefix := "test-" + rand.Text() + ":"
		t.Cleanup(func() { remove(t, url, prefix) })
		return func() oneseat.Store {
			return open(t, url, redisstore.Options{Prefix: prefix})
		}
	})
}
