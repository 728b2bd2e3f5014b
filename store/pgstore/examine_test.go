package pgstore_test

import (
	"slices"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/pgstore"
)

func TestExamineMakesNothing(t *testing.T) {
	t.Parallel()
	url := database(t)
	things := func() []string {
		return rowsOf(t, url, "SELECT relname || ' ' || xmin FROM pg_class WHERE relname LIKE 'oneseat%' ORDER BY 1")
	}
	examine := func(made bool) {
		t.Helper()
		before := things()
		if got, err := pgstore.Examine(t.Context(), pool(t, url)); err != nil || got != made {
			t.Errorf("%v, %v", got, err)
		}
		if after := things(); !slices.Equal(after, before) {
			t.Errorf("there are %q, and were %q", after, before)
		}
	}
	examine(false)
	open(t, url)
	examine(true)
	run(t, connect(t, url), "INSERT INTO oneseat_migrations VALUES (1000, 'of the future')")
	_, err := pgstore.Examine(t.Context(), pool(t, url))
	wantFailure(t, err, oneseat.FailureNewer)
}
