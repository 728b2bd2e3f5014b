package doctor

import (
	"context"
	"errors"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/sqlitestore"
)

// sqliteFacts is what was seen of a database file.
type sqliteFacts struct {
	path string
	made bool
	err  error
}

// probeSQLite looks at a database file. Its clock is this machine's.
func probeSQLite(ctx context.Context, path string) sqliteFacts {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	made, err := sqlitestore.Examine(ctx, path)
	return sqliteFacts{path, made, err}
}

func judgeSQLite(f sqliteFacts) []Result {
	const check = "one-file"
	e, known := errors.AsType[*oneseat.StoreError](f.err)
	switch {
	case known && e.Failure == oneseat.FailureSplit:
		what := f.path
		if e.Err != nil {
			what = f.path + ": " + e.Err.Error()
		}
		return []Result{notChecked("store", f.path, "see "+check), found(check, f.path, Problem, what).cured(sentence(e.Problem))}
	case f.err != nil:
		return []Result{judgeStore(f.path, f.made, f.err), notChecked(check, f.path, "see store")}
	}
	return []Result{judgeStore(f.path, f.made, nil), fine(check, f.path, "")}
}
