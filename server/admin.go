package server

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
)

// adminCalls are the calls for those who look after accounts, by their paths.
func adminCalls() map[string]call {
	return map[string]call{
		api.PathAccount:  {scope: ScopeAdmin, within: callWithin, required: []string{"account"}, serve: account},
		api.PathAccounts: {scope: ScopeAdmin, within: callWithin, serve: accounts},
		api.PathLimit:    {scope: ScopeAdmin, within: callWithin, required: []string{"account", "limits"}, nullable: "limits", serve: limit},
		api.PathBlock:    {scope: ScopeAdmin, within: callWithin, required: []string{"account"}, serve: block},
		api.PathUnblock:  {scope: ScopeAdmin, within: callWithin, required: []string{"account"}, serve: unblock},
		api.PathForget:   {scope: ScopeAdmin, within: forgetWithin, required: []string{"account"}, serve: forget},
		api.PathExplain:  {scope: ScopeAdmin, within: callWithin, required: []string{"account", "previous/account", "previous/session"}, serve: explain},
		api.PathEndRealm: {scope: ScopeAdmin, within: callWithin, required: []string{"realm"}, serve: endRealm},
		api.PathEvents:   {scope: ScopeAdmin, within: callWithin, serve: events},
	}
}

func account(ctx context.Context, q *request) (int, any, error) {
	var in api.Account
	if err := q.into(&in); err != nil {
		return 0, nil, err
	}
	a, err := q.seats.Account(ctx, in.Account)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, q.state(a), nil
}

func accounts(ctx context.Context, q *request) (int, any, error) {
	var in api.AccountQuery
	if err := q.into(&in); err != nil {
		return 0, nil, err
	}
	most, err := pageOf(in.Limit)
	if err != nil {
		return 0, nil, err
	}
	all, err := q.seats.Accounts(ctx, oneseat.AccountQuery{Prefix: in.Prefix, After: in.After, Limit: most})
	if err != nil {
		return 0, nil, err
	}
	page := api.Accounts{Accounts: []api.AccountState{}}
	for _, a := range all {
		page.Accounts = append(page.Accounts, q.state(a))
	}
	if len(all) == most {
		page.Next = all[most-1].Name
	}
	return http.StatusOK, page, nil
}

// pageOf returns how many a page has at most, as a caller asks.
func pageOf(n int) (int, error) {
	switch {
	case n < 0 || n > 1000:
		return 0, &refusal{status: http.StatusUnprocessableEntity, name: "bad-selector", detail: "A page has 1 to 1000."}
	case n == 0:
		return 100, nil
	}
	return n, nil
}

func limit(ctx context.Context, q *request) (int, any, error) {
	var in api.Limit
	if err := q.into(&in); err != nil {
		return 0, nil, err
	}
	to, err := limitsOf(in.Limits)
	if err != nil {
		return 0, nil, err
	}
	return done(q.seats.SetLimit(ctx, in.Account, to, in.Actor))
}

func block(ctx context.Context, q *request) (int, any, error) {
	var in api.Block
	if err := q.into(&in); err != nil {
		return 0, nil, err
	}
	return done(q.seats.Block(ctx, in.Account, in.Until, in.Actor))
}

func unblock(ctx context.Context, q *request) (int, any, error) {
	var in api.Unblock
	if err := q.into(&in); err != nil {
		return 0, nil, err
	}
	return done(q.seats.Unblock(ctx, in.Account, in.Actor))
}

// forgetWithin is how long an account may take to be erased: a store may have to write
// its log again.
const forgetWithin = 30 * time.Second

func forget(ctx context.Context, q *request) (int, any, error) {
	var in api.Forget
	if err := q.into(&in); err != nil {
		return 0, nil, err
	}
	return done(q.seats.Forget(ctx, in.Account))
}

func explain(ctx context.Context, q *request) (int, any, error) {
	var in api.SignIn
	if err := q.into(&in); err != nil {
		return 0, nil, err
	}
	q.attempts = nil // nothing is done, so nothing is repeated
	from, err := q.signsIn(in)
	if err != nil {
		return 0, nil, err
	}
	if ctx, err = q.limited(ctx, in.Limits); err != nil {
		return 0, nil, err
	}
	is, err := q.seats.Explain(ctx, in.Account, from)
	if err != nil {
		return 0, nil, err
	}
	a := api.Explained{Outcome: string(is.Outcome), Renews: string(is.Renews), Full: is.Bound, Limit: is.Limit, From: string(is.Source), Observed: is.Observed}
	for _, id := range is.Displaces {
		a.Displaces = append(a.Displaces, string(id))
	}
	return http.StatusOK, a, nil
}

func endRealm(ctx context.Context, q *request) (int, any, error) {
	var in api.EndRealm
	if err := q.into(&in); err != nil {
		return 0, nil, err
	}
	if in.Realm != q.key.Realm {
		return 0, nil, &refusal{status: http.StatusUnprocessableEntity, name: "bad-realm", detail: "This is not the realm of the key. The call ends every session of a realm, so it has to name the key's own."}
	}
	return done(q.seats.EndRealm(ctx, in.Actor))
}

func events(ctx context.Context, q *request) (int, any, error) {
	var in api.EventQuery
	if err := q.into(&in); err != nil {
		return 0, nil, err
	}
	most, err := pageOf(in.Limit)
	if err != nil {
		return 0, nil, err
	}
	var before uint64
	if in.Before != "" {
		if before, err = strconv.ParseUint(in.Before, 10, 64); err != nil {
			return 0, nil, &refusal{status: http.StatusUnprocessableEntity, name: "bad-selector", detail: "Take before from the member next of an earlier answer."}
		}
	}
	all, err := q.seats.Events(ctx, oneseat.EventQuery{Account: in.Account, Session: oneseat.SessionID(in.Session), Before: before, Limit: most})
	if err != nil {
		return 0, nil, err
	}
	page := api.Events{Events: []api.Event{}}
	for _, e := range all {
		page.Events = append(page.Events, eventOf(e.Event))
	}
	if len(all) == most {
		page.Next = strconv.FormatUint(all[most-1].Seq, 10)
	}
	return http.StatusOK, page, nil
}

// done answers a call that has nothing to say.
func done(err error) (int, any, error) {
	return http.StatusOK, api.Done{}, err
}

// state is an account for those who look after it.
func (q *request) state(a oneseat.Account) api.AccountState {
	s := api.AccountState{Account: a.Name, Sessions: []api.Session{}, Endings: []api.Ending{}, Limits: ownLimits(a.Limits), Takeover: millis(a.Takeover)}
	for _, one := range a.Sessions {
		s.Sessions = append(s.Sessions, q.session(one))
	}
	for _, one := range a.Streams {
		s.Streams = append(s.Streams, api.Stream{ID: string(one.ID), Session: string(one.Session), Device: deviceOf(one.Device), Started: millis(one.Started), Title: one.Title})
	}
	for _, one := range a.Endings {
		s.Endings = append(s.Endings, endingOf(one))
	}
	for _, b := range a.InForce {
		s.InForce = append(s.InForce, inForce(b))
	}
	if a.Block != nil {
		s.Block = &api.Blocked{Since: millis(a.Block.Since), Until: millis(a.Block.Until), Actor: a.Block.Actor}
	}
	return s
}

func inForce(b oneseat.Bound) api.InForce {
	return api.InForce{Of: b.Name, Max: api.Max(b.Limit), From: string(b.Source)}
}

// ownLimits are the limits of an account; nil: it has none of its own.
func ownLimits(l oneseat.Limits) *api.Limits {
	if l.IsZero() {
		return nil
	}
	out := &api.Limits{}
	if l.Total != 0 {
		out.Total = new(api.Max(l.Total))
	}
	if l.Streams != 0 {
		out.Streams = new(api.Max(l.Streams))
	}
	if l.Programs != 0 {
		out.Programs = new(api.Max(l.Programs))
	}
	classes := func(of map[oneseat.Class]int) (out map[string]api.Max) {
		for class, n := range of {
			if out == nil {
				out = make(map[string]api.Max)
			}
			out[string(class)] = api.Max(n)
		}
		return out
	}
	out.Classes, out.StreamClasses = classes(l.Classes), classes(l.StreamClasses)
	return out
}

func eventOf(e oneseat.Event) api.Event {
	a := api.Event{
		Type: string(e.Type), Account: e.Account, Session: string(e.Session), Parent: string(e.Parent), At: millis(e.At), Reason: string(e.Reason),
		By: string(e.By), Actor: e.Actor, Device: deviceOf(e.Device), ByDevice: deviceOf(e.ByDevice), SameDevice: e.SameDevice, Until: millis(e.Until),
	}
	if e.Limits != nil {
		a.Limits = ownLimits(*e.Limits)
	}
	if e.Bound != nil {
		a.Bound = new(inForce(*e.Bound))
	}
	return a
}
