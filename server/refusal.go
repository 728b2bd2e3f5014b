package server

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
)

// refusal is an answer that is no success.
type refusal struct {
	status  int
	name    string // of the problem
	detail  string
	retry   int         // seconds, of 429
	problem api.Problem // what else it says
}

func (r *refusal) Error() string { return r.name + ": " + r.detail }

// titles are what the problems say, for people who read a log.
var titles = map[string]string{
	"no-such-call": "There is no such call", "method": "The method is not allowed", "bad-key": "The key is not known",
	"not-allowed": "The key does not allow this", "bad-type": "The body is not declared as what the call expects", "bad-form": "The form is not what the call expects", "too-large": "The body is too large", "too-slow": "The body is not whole",
	"bad-json": "The body is not what the call expects", "bad-account": "This cannot name an account", "bad-device": "This cannot be a device",
	"bad-selector": "It is not clear what is meant", "bad-limits": "These cannot be limits", "bad-lifetime": "This cannot be a lifetime", "bad-data": "This cannot be the data of a session", "bad-program": "This cannot be a program", "bad-time": "The time makes no sense", "bad-realm": "This is another realm", "no-history": "There is no history", "idempotency-key-bad": "This is no Idempotency-Key",
	"idempotency-key-expired": "The Idempotency-Key is too old", "idempotency-key-reused": "The Idempotency-Key was used for something else",
	"session-ended": "The session has ended", "no-session": "There is no such session", "no-seat": "The older session gets no seat",
	"token-rotated": "The token was replaced", "bad-ticket": "The ticket is not good", "too-many": "There are too many calls", "account-full": "All seats are taken",
	"account-blocked": "The account is blocked", "no-answer": "The store did not answer", "outcome-unknown": "The outcome is not known",
	"internal": "The server has a fault",
}

func notAllowed(s Scope) *refusal {
	return &refusal{status: http.StatusForbidden, name: "not-allowed", detail: fmt.Sprintf("The key has not the scope %q.", string(s))}
}

func badAttempt(detail string) *refusal {
	return &refusal{status: http.StatusUnprocessableEntity, name: "idempotency-key-bad", detail: detail}
}

// refusalOf returns how an error is answered. An error that it does not know is answered
// as no-answer.
func refusalOf(err error) *refusal {
	if no, ok := errors.AsType[*refusal](err); ok {
		return no
	}
	if bad, ok := errors.AsType[*errBody](err); ok {
		return &refusal{status: http.StatusBadRequest, name: "bad-json", detail: "The body was refused: " + bad.problem + "."}
	}
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &refusal{status: http.StatusRequestEntityTooLarge, name: "too-large", detail: fmt.Sprintf("A body has at most %d bytes.", large.Limit)}
	}
	if errors.Is(err, oneseat.ErrLimitUnknown) { // whatever it wraps: the caller set no limit
		return &refusal{status: http.StatusServiceUnavailable, name: "no-answer", detail: "Nothing was done: the limit of the account is not known. The server's log has more."}
	}
	if over, ok := errors.AsType[*oneseat.EndedError](err); ok {
		no := &refusal{status: http.StatusGone, name: "session-ended"}
		ending := endingOf(over.Ending)
		no.problem.Ending, no.problem.Detail = &ending, ending.Detail
		return no
	}
	if full, ok := errors.AsType[*oneseat.LimitError](err); ok {
		no := &refusal{status: http.StatusConflict, name: "account-full", detail: "It is no failed sign-in: do not count it as one."}
		no.problem.Limit, no.problem.Full, no.problem.Ticket = full.Limit, full.Bound, string(full.Ticket)
		for _, s := range full.Live {
			no.problem.Live = append(no.problem.Live, sessionOf(s, times{}))
		}
		return no
	}
	if blocked, ok := errors.AsType[*oneseat.BlockedError](err); ok {
		return &refusal{status: http.StatusConflict, name: "account-blocked", detail: "It is no failed sign-in: do not count it as one.", problem: api.Problem{Until: millis(blocked.Until)}}
	}
	if bad, ok := errors.AsType[*oneseat.AccountError](err); ok {
		return &refusal{status: http.StatusUnprocessableEntity, name: "bad-account", detail: bad.Error()}
	}
	if bad, ok := errors.AsType[*oneseat.ConfigError](err); ok {
		name := "bad-limits"
		switch {
		case strings.HasPrefix(bad.Field, "Lifetime."):
			name = "bad-lifetime"
		case bad.Field == "Data":
			name = "bad-data"
		case bad.Field == "Program":
			name = "bad-program"
		case bad.In == "SignInRequest":
			name = "bad-device"
		}
		return &refusal{status: http.StatusUnprocessableEntity, name: name, detail: bad.Field + ": " + bad.Problem}
	}
	if bad, ok := errors.AsType[*oneseat.DataError](err); ok {
		return &refusal{status: http.StatusUnprocessableEntity, name: "bad-data", detail: bad.Problem}
	}
	if bad, ok := errors.AsType[*oneseat.TimeError](err); ok {
		return &refusal{status: http.StatusUnprocessableEntity, name: "bad-time", detail: "By the store's clock, " + bad.Problem + "."}
	}
	if bad, ok := errors.AsType[*oneseat.TicketError](err); ok {
		return &refusal{status: http.StatusGone, name: "bad-ticket", detail: "The ticket is not accepted: " + bad.Problem + ". The user has to sign in again."}
	}
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return &refusal{status: http.StatusNotImplemented, name: "no-history", detail: "The store keeps no history."}
	case errors.Is(err, oneseat.ErrNoSession):
		return &refusal{status: http.StatusNotFound, name: "no-session", detail: "The user has to sign in."}
	case errors.Is(err, oneseat.ErrRotated):
		return &refusal{status: http.StatusGone, name: "token-rotated", detail: "The session has a newer token. The answer that brought it has to be used."}
	case errors.Is(err, oneseat.ErrAttemptReused):
		return &refusal{status: http.StatusUnprocessableEntity, name: "idempotency-key-reused", detail: "An earlier call with this key had another body. Repeat the same bytes, or make a new key."}
	case errors.Is(err, oneseat.ErrAttemptExpired):
		return &refusal{status: http.StatusUnprocessableEntity, name: "idempotency-key-expired", detail: "Its time is more than ten minutes from the store's clock. Make a new key, and see that the clocks agree."}
	case errors.Is(err, oneseat.ErrUnknownOutcome) && !errors.Is(err, oneseat.ErrStoreUnavailable): // the error of a check may be both: a check asks for nothing that may have been done
		return &refusal{status: http.StatusServiceUnavailable, name: "outcome-unknown", detail: "It may have been done. Repeat the call with the same bytes and the same Idempotency-Key."}
	}
	return &refusal{status: http.StatusServiceUnavailable, name: "no-answer", detail: "Nothing was done. Try again, and see that the store is reachable."}
}
