package redisstore_test

import (
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/testservers"
	"github.com/oneseat/oneseat/store/redisstore"
)

func TestExamineMakesNothing(t *testing.T) {
	t.Parallel()
	url := testservers.StartRedis(t).URL
	c := shell(t, url)
	examine := func() (bool, error) {
		return redisstore.Examine(t.Context(), c, redisstore.Options{Timeout: patience, Logger: quiet})
	}
	if made, err := examine(); made || err != nil {
		t.Errorf("%v, %v", made, err)
	}
	if n, err := run(t, c, "DBSIZE").ToInt64(); n != 0 || err != nil {
		t.Errorf("there are %d keys, %v", n, err)
	}
	open(t, url, redisstore.Options{})
	if made, err := examine(); !made || err != nil {
		t.Errorf("%v, %v", made, err)
	}
	run(t, c, "SET", "oneseat:store", "oneseat 2 of the future")
	_, err := examine()
	wantFailure(t, err, oneseat.FailureNewer)
	run(t, c, "SET", "oneseat:store", "x")
	_, err = examine()
	wantFailure(t, err, oneseat.FailureForeign)
}
