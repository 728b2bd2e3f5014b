package oneseat_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/oneseat/oneseat"
)

func TestAStoreErrorSaysWhereWhatHappenedAndWhatToDo(t *testing.T) {
	e := &oneseat.StoreError{Store: "pgstore", Where: "db:5432/app", Failure: oneseat.FailureFull, Problem: "no space: make room", Err: io.ErrShortWrite}
	if got, want := e.Error(), "pgstore: db:5432/app: no space: make room (short write)"; got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
	if got, want := (&oneseat.StoreError{Store: "redisstore", Problem: "no URL"}).Error(), "redisstore: no URL"; got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
	wrapped := fmt.Errorf("%w: %w", oneseat.ErrUnknownOutcome, e)
	if got, ok := errors.AsType[*oneseat.StoreError](wrapped); !ok || got.Failure != oneseat.FailureFull || !errors.Is(wrapped, io.ErrShortWrite) {
		t.Errorf("of %v this is left: %+v", wrapped, got)
	}
}
