package oneseat_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

// since is what the figures that only grow have grown by.
func since(now, before oneseat.Stats) oneseat.Stats {
	return oneseat.Stats{
		Checks: now.Checks - before.Checks, Cached: now.Cached - before.Cached, Ended: now.Ended - before.Ended, Unknown: now.Unknown - before.Unknown, Loads: now.Loads - before.Loads,
		Updates: now.Updates - before.Updates, Touches: now.Touches - before.Touches, SignIns: now.SignIns - before.SignIns,
		Displaced: now.Displaced - before.Displaced, Refused: now.Refused - before.Refused, Asked: now.Asked - before.Asked,
		Cut: now.Cut - before.Cut,
	}
}

// mistyped returns a token with two characters that have changed places, of the secret.
func mistyped(token string) string {
	b := []byte(token)
	for i := len(b) - 20; ; i++ {
		if b[i] != b[i+1] {
			b[i], b[i+1] = b[i+1], b[i]
			return string(b)
		}
	}
}

// Each figure counts what it says, once, and nothing else does.
func TestFiguresCountWhatHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{WhenFull: oneseat.PolicyAsk, Idle: time.Hour, MaxStale: time.Minute})
		synctest.Wait()
		ada := signIn(t, r, "ada", oneseat.SignInRequest{})
		var over oneseat.Grant
		end := func(g oneseat.Grant) {
			if _, err := r.End(t.Context(), g.Session.Account, oneseat.EndOptions{}, g.Session.ID); err != nil {
				t.Fatal(err)
			}
		}
		if lag := r.Stats().LogLag; lag < 0 {
			t.Errorf("the log lags by %v", lag)
		}
		for _, tt := range []struct {
			name string
			do   func()
			want oneseat.Stats
		}{
			{"a sign-in", func() { signIn(t, r, "grace", oneseat.SignInRequest{}) }, oneseat.Stats{SignIns: 1, Updates: 1, Loads: 1}},
			{"a renewal", func() { ada = signIn(t, r, "ada", oneseat.SignInRequest{Token: string(ada.Token)}) }, oneseat.Stats{SignIns: 1, Updates: 1, Loads: 1}},
			{"a renewal by its id", func() {
				ada = signIn(t, r, "ada", oneseat.SignInRequest{Previous: oneseat.Previous{Account: "ada", Session: ada.Session.ID}})
			}, oneseat.Stats{SignIns: 1, Updates: 1, Loads: 1}},
			{"a first use, before the answer", func() { wantLive(t, r, ada) }, oneseat.Stats{Checks: 1, Touches: 1, Updates: 1, Loads: 1}},
			{"a check from memory", func() { fromMemory(t, r, ada) }, oneseat.Stats{Checks: 1, Cached: 1}},
			{"a check by id from memory", func() { _, _ = r.CheckID(t.Context(), "ada", ada.Session.ID) }, oneseat.Stats{Checks: 1, Cached: 1}},
			{"a peek from memory", func() { _, _ = r.Peek(t.Context(), string(ada.Token)) }, oneseat.Stats{Checks: 1, Cached: 1}},
			{"a check of no token", func() { _, _ = r.Check(t.Context(), "nothing") }, oneseat.Stats{Checks: 1, Unknown: 1}},
			{"a fresh check", func() { _, _ = r.CheckFresh(t.Context(), string(ada.Token)) }, oneseat.Stats{Checks: 1, Loads: 1}},
			{"a fresh check of no token", func() { _, _ = r.CheckFresh(t.Context(), "nothing") }, oneseat.Stats{Checks: 1, Unknown: 1}},
			{"a forged token", func() { _, _ = r.Check(t.Context(), forged("ada")) }, oneseat.Stats{Checks: 1, Unknown: 1, Loads: 1}},
			{"a token with a typing error", func() { _, _ = r.Check(t.Context(), mistyped(string(ada.Token))) }, oneseat.Stats{Checks: 1, Unknown: 1}},
			{"a request with a forged token", func() { _, _ = r.CheckAndWatch(t.Context(), forged("ada"), true, new(oneseat.Watch), nil) }, oneseat.Stats{Checks: 1, Unknown: 1, Loads: 1}},
			{"a request with no token", func() { _, _ = r.CheckAndWatch(t.Context(), "nothing", true, new(oneseat.Watch), nil) }, oneseat.Stats{Checks: 1, Unknown: 1}},
			{"somebody is asked", func() { _, _ = r.SignIn(t.Context(), "ada", oneseat.SignInRequest{}) }, oneseat.Stats{Asked: 1, Updates: 1, Loads: 1}},
			{"somebody takes over", func() { over, ada = ada, signIn(t, r, "ada", oneseat.SignInRequest{Override: true}) }, oneseat.Stats{SignIns: 1, Displaced: 1, Updates: 1, Loads: 1}},
			{"a check by id of nobody", func() { _, _ = r.CheckID(t.Context(), "ada", "nobody") }, oneseat.Stats{Checks: 1, Unknown: 1, Loads: 1}},
			{"a session that has ended, which is reported", func() {
				_, _ = r.Check(t.Context(), string(over.Token))
				synctest.Wait()
				time.Sleep(time.Second)
				synctest.Wait()
			}, oneseat.Stats{Checks: 1, Ended: 1, Updates: 1}},
			{"the same, fresh", func() { _, _ = r.CheckFresh(t.Context(), string(over.Token)) }, oneseat.Stats{Checks: 1, Ended: 1, Loads: 1}},
			{"the same, by id", func() { _, _ = r.CheckID(t.Context(), "ada", over.Session.ID) }, oneseat.Stats{Checks: 1, Ended: 1}},
			{"a request with its token", func() { _, _ = r.CheckAndWatch(t.Context(), string(over.Token), true, new(oneseat.Watch), nil) }, oneseat.Stats{Checks: 1, Ended: 1}},
			{"without an answer", func() {
				r.set(func() {
					r.load = func(context.Context, []oneseat.Key, loadFunc) ([]oneseat.View, error) { return nil, errDown }
				})
				_, err := r.CheckFresh(t.Context(), string(ada.Token))
				wantError(t, err, oneseat.ErrStoreUnavailable)
				r.set(func() { r.load = nil })
			}, oneseat.Stats{Checks: 1, Loads: 1}},
			{"a touch before the answer", func() {
				time.Sleep(58 * time.Minute)
				wantLive(t, r, ada)
			}, oneseat.Stats{Checks: 1, Touches: 1, Updates: 1, Loads: 1}},
			{"a touch in the background", func() {
				fromMemory(t, r, ada)
				time.Sleep(10 * time.Minute)
				wantLive(t, r, ada)
				synctest.Wait()
			}, oneseat.Stats{Checks: 2, Cached: 1, Touches: 1, Updates: 1, Loads: 1}},
			{"a request is cut", func() {
				_, cancel := r.Hold(t.Context(), ada.Session)
				defer cancel()
				end(ada)
			}, oneseat.Stats{Cut: 1, Updates: 1, Loads: 1}},
		} {
			// Sweeps read and write by themselves.
			r.set(func() { r.due = func(context.Context, string, int) ([]oneseat.Key, error) { return nil, nil } })
			before := r.Stats()
			tt.do()
			got := since(r.Stats(), before)
			if tt.name == "a touch before the answer" || tt.name == "a touch in the background" {
				got.Loads = tt.want.Loads
			}
			if got != tt.want {
				t.Errorf("%s:\n got %+v\nwant %+v", tt.name, got, tt.want)
			}
		}
	})
}

// Where limits are only observed, what would have been is counted apart.
func TestFiguresOfWhatWouldHaveBeen(t *testing.T) {
	for policy, want := range map[oneseat.Policy]oneseat.Stats{
		oneseat.PolicyDisplace: {SignIns: 2, WouldDisplace: 1},
		oneseat.PolicyRefuse:   {SignIns: 2, WouldRefuse: 1},
	} {
		r := newNode(t, memstore.New(), observing(policy))
		signIn(t, r, "ada", oneseat.SignInRequest{})
		signIn(t, r, "ada", oneseat.SignInRequest{})
		s := r.Stats()
		got := oneseat.Stats{SignIns: s.SignIns, Displaced: s.Displaced, Refused: s.Refused, WouldDisplace: s.WouldDisplace, WouldRefuse: s.WouldRefuse}
		if got != want {
			t.Errorf("%s: got %+v", policy, got)
		}
	}
}
