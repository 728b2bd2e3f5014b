package sqlitestore_test

import (
	"path/filepath"
	"testing"

	"github.com/oneseat/oneseat/store/internal/released"
)

func TestAFileOfE18747aOpens(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "oneseat.db")
	writeReleased(t, path)
	old := names(t, path)
	s := open(t, path)
	released.Check(t, s, "sqlite.json")
	released.Names(t, old, names(t, path))
	_, made := fresh(t)
	released.Names(t, old, names(t, made))
}

// names returns the columns of all tables and views, with their types.
func names(t *testing.T, path string) map[string]string {
	t.Helper()
	rows, err := shell(t, path).QueryContext(t.Context(), `SELECT m.name || '.' || c.name, m.type || ', ' || c.type
		FROM sqlite_schema AS m, pragma_table_xinfo(m.name) AS c WHERE m.type IN ('table', 'view')`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	all := map[string]string{}
	for rows.Next() {
		var name, what string
		if err := rows.Scan(&name, &what); err != nil {
			t.Fatal(err)
		}
		all[name] = what
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}
