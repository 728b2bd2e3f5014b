package oneseat_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

// LIM-02: the explanation equals the decision. Whatever happened to the account before,
// a newcomer's sign-in comes to what Explain has just said.
func TestExplainIsWhatTheSignInComesTo(t *testing.T) {
	devices := []oneseat.Class{"desktop", "mobile", "tv", "toaster"}
	limits := rapid.Custom(func(t *rapid.T) oneseat.Limits {
		l := oneseat.Limits{Total: rapid.SampledFrom([]int{0, 0, 1, 2, 3, oneseat.Unlimited}).Draw(t, "total")}
		if l.Total != 0 && rapid.Bool().Draw(t, "classes") {
			l.Classes = map[oneseat.Class]int{rapid.SampledFrom(oneseat.Classes()).Draw(t, "class"): rapid.SampledFrom([]int{1, 2, oneseat.Unlimited}).Draw(t, "of it")}
		}
		return l
	})
	rapid.Check(t, func(rt *rapid.T) {
		clock := &skewed{}
		store := memstore.NewAt(clock.now)
		var plan oneseat.Limits
		said := limits.Draw(rt, "for everybody")
		c := oneseat.Config{
			Limit: said.Total, ClassLimits: said.Classes,
			WhenFull:      rapid.SampledFrom([]oneseat.Policy{oneseat.PolicyDisplace, oneseat.PolicyRefuse, oneseat.PolicyAsk}).Draw(rt, "policy"),
			DisplaceOrder: rapid.SampledFrom([]oneseat.DisplaceOrder{oneseat.DisplaceIdlest, oneseat.DisplaceOldest, oneseat.DisplaceSameClass}).Draw(rt, "who goes"),
			SeatIdle:      rapid.SampledFrom([]time.Duration{0, time.Hour}).Draw(rt, "seat idle"),
			ObserveOnly:   rapid.IntRange(0, 3).Draw(rt, "observe only") == 0,
			Idle:          10 * time.Hour,
			MaxStale:      oneseat.FreshAlways,
			LimitFor:      func(context.Context, string) (oneseat.Limits, error) { return plan, nil },
		}
		r := newNode(t, store, c)
		defer r.Close() // the test's end closes it too
		tokens := []string{"", forged("ada")}
		for n := range rapid.IntRange(1, 12).Draw(rt, "sign-ins") {
			clock.move(time.Duration(rapid.IntRange(1, 90).Draw(rt, "minutes")) * time.Minute)
			if rapid.IntRange(0, 3).Draw(rt, "another plan") == 0 {
				plan = limits.Draw(rt, "plan")
			}
			switch rapid.IntRange(0, 9).Draw(rt, "what") {
			case 0:
				if err := r.SetLimit(t.Context(), "ada", limits.Draw(rt, "stored"), ""); err != nil {
					rt.Fatal(err)
				}
			case 1:
				if err := r.Block(t.Context(), "ada", clock.now().Add(time.Hour), ""); err != nil {
					rt.Fatal(err)
				}
			}
			from := oneseat.SignInRequest{
				Token: rapid.SampledFrom(tokens).Draw(rt, "token"), DeviceID: rapid.SampledFrom([]string{"", deviceID("x"), deviceID("y")}).Draw(rt, "device id"),
				Device:   oneseat.Device{Label: fmt.Sprint(n), Class: rapid.SampledFrom(devices).Draw(rt, "class")},
				Override: rapid.IntRange(0, 4).Draw(rt, "take over") == 0,
			}
			updates, before := r.updates.Load(), len(logged(t, store, "ada"))
			d, err := r.Explain(t.Context(), "ada", from)
			if err != nil || r.updates.Load() != updates {
				rt.Fatalf("explain: %v, %d updates", err, r.updates.Load()-updates)
			}
			g, err := r.SignIn(t.Context(), "ada", from)
			if err == nil {
				tokens = append(tokens, string(g.Token))
			}
			full, isFull := errors.AsType[*oneseat.LimitError](err)
			_, blocked := errors.AsType[*oneseat.BlockedError](err)
			var gone, would []oneseat.SessionID
			var renewed oneseat.SessionID
			refused := false
			for _, e := range logged(t, store, "ada")[before:] {
				switch {
				case e.Type == oneseat.EventSessionEnded && e.Reason == oneseat.ReasonRenewed:
					renewed = e.Session
				case e.Type == oneseat.EventSessionEnded && e.Reason == oneseat.ReasonDisplaced:
					gone = append(gone, e.Session)
				case e.Type == oneseat.EventSessionWouldEnd && e.Reason == oneseat.ReasonDisplaced:
					would = append(would, e.Session)
				case e.Type == oneseat.EventSignInWouldBeRefused:
					refused = true
				}
			}
			ok := false
			switch d.Outcome {
			case oneseat.OutcomeBlocked:
				ok = blocked
			case oneseat.OutcomeRefused, oneseat.OutcomeAsked:
				ok = isFull && full.Limit == d.Limit && full.Bound == d.Bound && (full.Ticket != "") == (d.Outcome == oneseat.OutcomeAsked) && len(gone) == 0
				if d.Observed {
					ok = err == nil && refused && renewed == d.Renews && len(gone) == 0 && len(would) == 0
				}
			case oneseat.OutcomeAdmitted:
				ok = err == nil && renewed == d.Renews && slices.Equal(gone, d.Displaces) && !refused
				if d.Observed {
					ok = err == nil && renewed == d.Renews && slices.Equal(would, d.Displaces) && len(gone) == 0 && !refused
				}
			}
			if !ok || (d.Bound == "") != (d.Limit == 0) || (d.Bound == "") != (d.Source == "") || d.Observed != c.ObserveOnly && d.Outcome != oneseat.OutcomeBlocked {
				rt.Fatalf("it was to be %+v; it came to %v, renewed %s, gone %v, would go %v, would be refused: %v", d, err, renewed, gone, would, refused)
			}
		}
	})
}

func TestExplainSaysWhoSaidTheLimit(t *testing.T) {
	var plan oneseat.Limits
	r := newNode(t, memstore.New(), oneseat.Config{WhenFull: oneseat.PolicyRefuse, LimitFor: func(_ context.Context, account string) (oneseat.Limits, error) {
		if account == "broken" {
			return oneseat.Limits{}, errDown
		}
		return plan, nil
	}})
	want := func(what string, want oneseat.Decision) {
		t.Helper()
		if got, err := r.Explain(t.Context(), "ada", oneseat.SignInRequest{Device: phone}); err != nil || got.Outcome != want.Outcome || got.Bound != want.Bound || got.Limit != want.Limit || got.Source != want.Source {
			t.Errorf("%s: %+v, %v; want %+v", what, got, err, want)
		}
	}
	want("nobody is there", oneseat.Decision{Outcome: oneseat.OutcomeAdmitted})
	signIn(t, r, "ada", oneseat.SignInRequest{})
	want("the default", oneseat.Decision{Outcome: oneseat.OutcomeRefused, Bound: "total", Limit: 1, Source: oneseat.SourceConfig})
	plan = oneseat.Limits{Total: 2}
	want("the plan", oneseat.Decision{Outcome: oneseat.OutcomeAdmitted})
	signIn(t, r, "ada", oneseat.SignInRequest{Device: phone})
	want("the plan is used up", oneseat.Decision{Outcome: oneseat.OutcomeRefused, Bound: "total", Limit: 2, Source: oneseat.SourceLimitFor})
	if err := r.SetLimit(t.Context(), "ada", oneseat.Limits{Total: 9, Classes: map[oneseat.Class]int{"mobile": 1}}, ""); err != nil {
		t.Fatal(err)
	}
	want("stored, by class", oneseat.Decision{Outcome: oneseat.OutcomeRefused, Bound: "mobile", Limit: 1, Source: oneseat.SourceSetLimit})
	if d, err := r.Explain(t.Context(), "ada", oneseat.SignInRequest{Device: phone, Override: true}); err != nil || d.Outcome != oneseat.OutcomeAdmitted || len(d.Displaces) != 1 {
		t.Errorf("the owner is vouched for: %+v, %v", d, err)
	}

	if _, err := r.Explain(t.Context(), "", oneseat.SignInRequest{}); err == nil {
		t.Error("an account without a name is explained")
	}
	_, err := r.Explain(t.Context(), "broken", oneseat.SignInRequest{})
	wantError(t, err, errDown)
	plan = oneseat.Limits{Total: -5}
	_, err = r.Explain(t.Context(), "ada", oneseat.SignInRequest{})
	if _, ok := errors.AsType[*oneseat.ConfigError](err); !ok {
		t.Errorf("an impossible plan: %v", err)
	}
	plan = oneseat.Limits{}
	if err := r.EndRealm(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	want("the realm was ended", oneseat.Decision{Outcome: oneseat.OutcomeAdmitted})
	r.unreadable()
	_, err = r.Explain(t.Context(), "ada", oneseat.SignInRequest{})
	wantError(t, err, oneseat.ErrStoreUnavailable)
	other := newNode(t, r.Store, oneseat.Config{})
	other.unreadable()
	_, err = other.Explain(t.Context(), "ada", oneseat.SignInRequest{})
	wantError(t, err, oneseat.ErrStoreUnavailable)
}
