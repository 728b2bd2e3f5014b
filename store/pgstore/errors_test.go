package pgstore

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/oneseat/oneseat"
)

func TestEveryCodeIsOfOneFailureThatSaysWhatToDo(t *testing.T) {
	seen := map[string]oneseat.StoreFailure{}
	for failure, list := range codes {
		if problems[failure] == "" {
			t.Errorf("%s has no words", failure)
		}
		for _, code := range list {
			for other, its := range seen {
				if strings.HasPrefix(code, other) || strings.HasPrefix(other, code) {
					t.Errorf("%s is %s, and %s is %s", code, failure, other, its)
				}
			}
			seen[code] = failure
			if got := failureOf(&pgconn.PgError{Code: (code + "00000")[:5]}); got != failure {
				t.Errorf("%s is %s, want %s", code, got, failure)
			}
		}
	}
	if got := failureOf(&pgconn.PgError{Code: "22012"}); got != oneseat.FailureOther || problems[got] == "" {
		t.Errorf("a division by zero is %s", got)
	}
}
