package client

import (
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
)

// What the API says, in the words of the library, and the other way round.

// whole says that an answer has what every answer to its call has. If not, something
// other than oneseat answers at the URL, and what that answers, such as {}, is no yes.
func whole(answer any) bool {
	switch a := answer.(type) {
	case *api.About:
		return a.Realm != ""
	case *api.Checked:
		return a.ID != "" && a.Account != ""
	case *api.Session: // of a confirmation
		return a.ID != "" && a.Account != ""
	case *api.Granted:
		return a.Token != "" && a.Session.ID != "" && a.Session.Account != ""
	case *api.AccountState:
		return a.Account != ""
	case *api.Changes:
		return a.Cursor != ""
	}
	return true
}

func sessionOf(s api.Session) oneseat.Session {
	return oneseat.Session{ID: oneseat.SessionID(s.ID), Account: s.Account, Device: deviceOf(s.Device), Created: s.Created, LastSeen: s.LastSeen, Proved: s.Proved, Lifetime: lifetimeOf(s.Lifetime), Program: s.Program, Seen: deviceOf(s.Seen), Data: s.Data}
}

func lifetimeOf(l api.Lifetime) oneseat.Lifetime {
	span := func(seconds float64) time.Duration {
		return time.Duration(seconds * float64(time.Second)).Round(time.Microsecond)
	}
	return oneseat.Lifetime{Idle: span(l.Idle), Absolute: span(l.Absolute), UntilClosed: l.UntilClosed}
}

func sentLifetime(l oneseat.Lifetime) api.Lifetime {
	return api.Lifetime{Idle: l.Idle.Seconds(), Absolute: l.Absolute.Seconds(), UntilClosed: l.UntilClosed}
}

func sessionsOf(all []api.Session) (out []oneseat.Session) {
	for _, s := range all {
		out = append(out, sessionOf(s))
	}
	return out
}

func deviceOf(d api.SeenDevice) oneseat.Device {
	return oneseat.Device{Label: d.Label, Class: oneseat.Class(d.Class), IP: d.IP}
}

func endingOf(e api.Ending) oneseat.Ending {
	return oneseat.Ending{
		Session: oneseat.SessionID(e.Session), Reason: oneseat.Reason(e.Reason), At: e.At, By: oneseat.SessionID(e.By), Actor: e.Actor,
		Device: deviceOf(e.Device), ByDevice: deviceOf(e.ByDevice), SameDevice: e.SameDevice,
	}
}

func grantOf(g api.Granted) oneseat.Grant {
	out := oneseat.Grant{Session: sessionOf(g.Session), Token: oneseat.Token(g.Token), NewDevice: g.NewDevice}
	for _, d := range g.Displaced {
		out.Displaced = append(out.Displaced, oneseat.Ending{
			Session: oneseat.SessionID(d.ID), Reason: oneseat.ReasonDisplaced, At: d.At, Device: deviceOf(d.Device), By: out.Session.ID, ByDevice: out.Session.Device,
		})
	}
	return out
}

func limitsOf(l *api.Limits) (out oneseat.Limits) {
	if l == nil {
		return out
	}
	if l.Total != nil {
		out.Total = int(*l.Total) // api.Unlimited is oneseat.Unlimited
	}
	if l.Streams != nil {
		out.Streams = int(*l.Streams)
	}
	if l.Programs != nil {
		out.Programs = int(*l.Programs)
	}
	classes := func(of map[string]api.Max) (out map[oneseat.Class]int) {
		for class, n := range of {
			if out == nil {
				out = make(map[oneseat.Class]int)
			}
			out[oneseat.Class(class)] = int(n)
		}
		return out
	}
	out.Classes, out.StreamClasses = classes(l.Classes), classes(l.StreamClasses)
	return out
}

// sent are limits as the API has them; nil: the account has none of its own.
func sent(l oneseat.Limits) *api.Limits {
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

func accountOf(a api.AccountState) oneseat.Account {
	out := oneseat.Account{Name: a.Account, Sessions: sessionsOf(a.Sessions), Limits: limitsOf(a.Limits), Takeover: a.Takeover}
	for _, s := range a.Streams {
		out.Streams = append(out.Streams, oneseat.Stream{ID: oneseat.SessionID(s.ID), Session: oneseat.SessionID(s.Session), Account: a.Account, Device: deviceOf(s.Device), Started: s.Started, Title: s.Title})
	}
	for _, e := range a.Endings {
		out.Endings = append(out.Endings, endingOf(e))
	}
	for _, b := range a.InForce {
		out.InForce = append(out.InForce, oneseat.Bound{Name: b.Of, Limit: int(b.Max), Source: oneseat.Source(b.From)})
	}
	if a.Block != nil {
		out.Block = &oneseat.Block{Since: a.Block.Since, Until: a.Block.Until, Actor: a.Block.Actor}
	}
	return out
}
