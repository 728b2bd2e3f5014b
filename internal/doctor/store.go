package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/oneseat/oneseat"
)

// probeStore examines the store that a flag --store names.
func probeStore(ctx context.Context, store string) []Result {
	kind, rest, _ := strings.Cut(store, ":")
	switch kind {
	case "sqlite":
		return judgeSQLite(probeSQLite(ctx, rest))
	case "postgres", "postgresql":
		return judgePostgres(probePostgres(ctx, store))
	case "redis", "rediss", "redis-cluster", "rediss-cluster":
		return judgeRedis(probeRedis(ctx, store))
	case "memory":
		return []Result{notChecked("store", "memory", "it is inside of its process")}
	}
	return []Result{found("store", "the store", Problem, "it is not sqlite:FILE, postgres://… or redis://…").cured("Write the store as for oneseat serve.")}
}

// judgeStore judges the error of a store's Examine. made says that there is a store.
func judgeStore(of string, made bool, err error) Result {
	const check = "store"
	e, known := errors.AsType[*oneseat.StoreError](err)
	switch {
	case known:
		what := fmt.Sprintf("%s: %s", of, failures[e.Failure])
		if e.Err != nil {
			what += fmt.Sprintf(" (%v)", e.Err)
		}
		return found(check, of, Problem, what).cured(sentence(e.Problem))
	case errors.Is(err, context.DeadlineExceeded):
		return found(check, of, Problem, fmt.Sprintf("%s gave no answer within %v", of, patience)).cured("Check that it runs, and what it is busy with.")
	case err != nil:
		return found(check, of, Problem, fmt.Sprintf("%s: %v", of, err)).cured("Check that it runs, and that the address is right.")
	case !made:
		r := found(check, of, Warning, "there is no store of oneseat in it").cured("Check that the servers have this address too. The first server that starts makes the store.")
		r.Findings[0].Means = "No server has used it yet."
		return r
	}
	return fine(check, of, "")
}

// sentence begins a text with a capital letter and ends it with a full stop.
func sentence(s string) string {
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

// failures say what is wrong with a store in a few words.
var failures = map[oneseat.StoreFailure]string{
	oneseat.FailureOther:       "it failed",
	oneseat.FailureAddress:     "this is no address of a store",
	oneseat.FailureUnreachable: "it cannot be reached",
	oneseat.FailureDenied:      "it refuses the login, or what was asked",
	oneseat.FailureReadOnly:    "it cannot be written",
	oneseat.FailureBusy:        "it is busy",
	oneseat.FailureFull:        "it has no space left",
	oneseat.FailureDisk:        "its disk failed",
	oneseat.FailureDamaged:     "it is damaged",
	oneseat.FailureSettings:    "the settings of the connection do not go with it",
	oneseat.FailureForeign:     "another program's data is there",
	oneseat.FailureNewer:       "a newer release of oneseat wrote it",
	oneseat.FailureUnsupported: "it is too old, or lacks something",
	oneseat.FailureNotDurable:  "it may lose what it acknowledged",
	oneseat.FailureSplit:       "another process may have another store",
}
