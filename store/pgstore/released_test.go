package pgstore_test

import (
	"strings"
	"testing"

	"github.com/oneseat/oneseat/store/internal/released"
)

func TestADatabaseOfE18747aOpens(t *testing.T) {
	t.Parallel()
	to := database(t)
	writeReleased(t, to)
	old := names(t, to)
	s := open(t, to)
	released.Check(t, s, "postgres.json")
	released.Names(t, old, names(t, to))
	_, made := fresh(t)
	released.Names(t, old, names(t, made))
}

// names returns the columns of all tables and views, and the functions, with their
// types.
func names(t *testing.T, to string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, line := range rowsOf(t, to, `SELECT table_name || '.' || column_name, table_type || ', ' || data_type
		FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name) WHERE table_schema = 'public'
		UNION ALL SELECT routine_name || '()', data_type FROM information_schema.routines WHERE routine_schema = 'public'`) {
		name, what, _ := strings.Cut(line, "|")
		all[name] = what
	}
	return all
}
