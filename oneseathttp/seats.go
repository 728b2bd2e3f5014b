package oneseathttp

import (
	"context"
	"time"

	"github.com/oneseat/oneseat"
)

// Seats is what a guard asks about sessions: an [oneseat.Registry] over a store, or a
// Client of package client, which asks a server. The methods do what those of the
// Registry do, and return its errors.
type Seats interface {
	// Config returns the timeouts, the limit, the logger and the clock in force.
	Config() oneseat.Config

	CheckAndWatch(ctx context.Context, token string, active bool, w *oneseat.Watch, by oneseat.Watcher) (*oneseat.Session, error)
	CheckFresh(ctx context.Context, token string) (oneseat.Session, error)
	CheckID(ctx context.Context, account string, id oneseat.SessionID) (oneseat.Session, error)
	AfterEnd(ctx context.Context, s oneseat.Session, f func(cause error)) (stop func())
	TimeLeft(s oneseat.Session) (idle, absolute time.Duration)

	SignIn(ctx context.Context, account string, from oneseat.SignInRequest) (oneseat.Grant, error)
	Redeem(ctx context.Context, ticket oneseat.Ticket, from oneseat.SignInRequest, ids ...oneseat.SessionID) (oneseat.Grant, error)
	Adopt(ctx context.Context, account string, issued time.Time, from oneseat.SignInRequest) (oneseat.Grant, error)
	Confirm(ctx context.Context, s oneseat.Session, lifetime oneseat.Lifetime) (oneseat.Session, error)
	SeenFrom(ctx context.Context, s oneseat.Session, from oneseat.Device) error
	Rotate(ctx context.Context, token string) (oneseat.Grant, error)
	SignOut(ctx context.Context, token string) error

	Sessions(ctx context.Context, account string) ([]oneseat.Session, error)
	End(ctx context.Context, account string, how oneseat.EndOptions, ids ...oneseat.SessionID) (int, error)
	EndOthers(ctx context.Context, account string, keep oneseat.SessionID, how oneseat.EndOptions) (int, error)
}
