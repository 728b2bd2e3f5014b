package server

import (
	"context"
	"fmt"
	"net/http"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
)

// limitsKey is that of a context that has the limits of a call.
type limitsKey struct{}

// LimitFor returns the limits that a call has said, for [oneseat.Config.LimitFor] of the
// registries that a server serves. Without it a call that says limits is refused. The
// limits of a call hold for that call only. A later one that says none has the limits that
// are stored for the account, or those for everybody.
func LimitFor(ctx context.Context, _ string) (oneseat.Limits, error) {
	l, _ := ctx.Value(limitsKey{}).(oneseat.Limits) // none: nothing was said
	return l, nil
}

// limited returns a context that has the limits that a call says.
func (q *request) limited(ctx context.Context, in *api.Limits) (context.Context, error) {
	if in == nil {
		return ctx, nil
	}
	l, err := limitsOf(in)
	if err != nil {
		return nil, err
	}
	if q.seats.Config().LimitFor == nil {
		return nil, &refusal{status: http.StatusUnprocessableEntity, name: "bad-limits", detail: "This server takes no limits with a sign-in."}
	}
	return context.WithValue(ctx, limitsKey{}, l), nil
}

// limitsOf returns the limits that a caller wrote. It refuses 0: a member that is left
// out sets no limit.
func limitsOf(in *api.Limits) (oneseat.Limits, error) {
	var l oneseat.Limits
	if in == nil {
		return l, nil
	}
	var bad error
	read := func(name string, m api.Max) int {
		if m == 0 {
			bad = &refusal{status: http.StatusUnprocessableEntity, name: "bad-limits", detail: fmt.Sprintf("The limit %q is less than 1. To keep an account out, block it.", name)}
		}
		return int(m) // api.Unlimited is oneseat.Unlimited
	}
	if in.Total != nil {
		l.Total = read("total", *in.Total)
	}
	if in.Streams != nil {
		l.Streams = read("streams", *in.Streams)
	}
	if in.Programs != nil {
		l.Programs = read("programs", *in.Programs)
	}
	classes := func(of map[string]api.Max) (out map[oneseat.Class]int) {
		for class, m := range of {
			if out == nil {
				out = make(map[oneseat.Class]int)
			}
			out[oneseat.Class(class)] = read(class, m)
		}
		return out
	}
	l.Classes, l.StreamClasses = classes(in.Classes), classes(in.StreamClasses)
	if bad != nil {
		return l, bad
	}
	return l, l.Check()
}
