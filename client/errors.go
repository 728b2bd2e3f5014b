package client

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
)

// Problem is a refusal of the server that is no error of an [oneseat.Registry], such as
// that of a key that is not known or does not allow the call. It is wrapped in
// [oneseat.ErrStoreUnavailable], because without an answer the answer is no, or in
// [oneseat.ErrUnknownOutcome] if the call may have been done.
type Problem struct {
	api.Problem
}

// Error says what the server said.
func (p *Problem) Error() string {
	return fmt.Sprintf("the server answered %d: %s: %s (request %s)", p.Status, p.Title, p.Detail, p.Instance)
}

// Name is the name of the problem, such as "bad-key".
func (p *Problem) Name() string { return strings.TrimPrefix(p.Type, api.ProblemPrefix) }

// problemOf returns the error that a refusal stands for.
func problemOf(status int, body []byte) error {
	p := &Problem{}
	if err := json.Unmarshal(body, &p.Problem); err != nil || p.Type == "" {
		p.Problem = api.Problem{Title: "this is no answer of oneseat's"}
	}
	p.Status = status
	switch p.Name() {
	case "session-ended":
		if p.Ending != nil {
			return &oneseat.EndedError{Ending: endingOf(*p.Ending)}
		}
	case "no-session", "no-seat":
		return oneseat.ErrNoSession
	case "token-rotated":
		return oneseat.ErrRotated
	case "bad-ticket":
		return &oneseat.TicketError{Problem: p.Detail}
	case "account-full":
		full := &oneseat.LimitError{Limit: p.Limit, Bound: p.Full, Ticket: oneseat.Ticket(p.Ticket)}
		for _, s := range p.Live {
			full.Live = append(full.Live, sessionOf(s))
		}
		return full
	case "account-blocked":
		return &oneseat.BlockedError{Until: p.Until}
	case "bad-account":
		return &oneseat.AccountError{Problem: p.Detail}
	case "bad-time":
		return &oneseat.TimeError{Problem: p.Detail}
	case "bad-device", "bad-program":
		field, problem, _ := strings.Cut(p.Detail, ": ")
		return &oneseat.ConfigError{In: "SignInRequest", Field: field, Problem: problem}
	case "bad-lifetime":
		field, problem, _ := strings.Cut(p.Detail, ": ")
		return &oneseat.ConfigError{In: "Lifetime", Field: field, Problem: problem}
	case "bad-data":
		if field, problem, ok := strings.Cut(p.Detail, ": "); ok && field == "Data" {
			return &oneseat.ConfigError{In: "Session", Field: field, Problem: problem}
		}
		return &oneseat.DataError{Problem: p.Detail}
	case "idempotency-key-reused":
		return oneseat.ErrAttemptReused
	case "idempotency-key-expired":
		return oneseat.ErrAttemptExpired
	case "outcome-unknown":
		return fmt.Errorf("%w: %w", oneseat.ErrUnknownOutcome, p)
	}
	return fmt.Errorf("%w: %w", oneseat.ErrStoreUnavailable, p)
}
