package oneseat_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

var (
	laptop = oneseat.Device{Label: "Firefox on Linux", Class: "desktop", IP: "192.0.2.0"}
	phone  = oneseat.Device{Label: "Safari on iPhone", Class: "mobile", IP: "198.51.100.0"}
)

func TestTheNewestSignInWinsAndTheOtherIsTold(t *testing.T) {
	a, b, store := newSystem(t, oneseat.Config{})
	first := signIn(t, a, "ada", oneseat.SignInRequest{Device: laptop})
	wantLive(t, a, first)
	wantLive(t, b, first)
	second := signIn(t, a, "ada", oneseat.SignInRequest{Device: phone})
	ending := wantEnded(t, a, first, oneseat.ReasonDisplaced)
	if ending.By != second.Session.ID || ending.Device != laptop || ending.ByDevice != phone || ending.Actor != "" {
		t.Errorf("the ending is %+v", ending)
	}
	if !ending.At.Equal(second.Session.Created) || !second.Session.LastSeen.Equal(second.Session.Created) {
		t.Errorf("one step has two times: %v, %+v", ending.At, second.Session)
	}
	wantLive(t, a, second)
	wantLive(t, b, second)
	other := signIn(t, b, "grace", oneseat.SignInRequest{})
	wantLive(t, a, second)
	wantLive(t, a, other)

	live, err := a.Sessions(t.Context(), "ada")
	if err != nil || len(live) != 1 || live[0] != second.Session {
		t.Errorf("sessions: %+v, %v", live, err)
	}
	if live, err := a.Sessions(t.Context(), "nobody"); err != nil || len(live) != 0 {
		t.Errorf("sessions of nobody: %+v, %v", live, err)
	}
	var told []string
	for _, e := range logged(t, store, "ada") {
		if e.Type != oneseat.EventSessionUsedAfterEnd { // in the background
			told = append(told, fmt.Sprint(e.Type, " ", e.Session == first.Session.ID, " ", e.Reason))
		}
	}
	if want := []string{"session_created true ", "session_ended true displaced", "session_created false "}; !slices.Equal(told, want) {
		t.Errorf("events: %q, want %q", told, want)
	}
	if s := a.Stats(); s.SignIns != 2 || s.Displaced != 1 || s.Refused != 0 {
		t.Errorf("stats: %+v", s)
	}
}

func TestSixtyFourSignInsAtOnceLeaveOneLive(t *testing.T) {
	a, b, store := newSystem(t, oneseat.Config{})
	const n = 64
	grants := make([]oneseat.Grant, n)
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			r := []node{a, b}[i%2]
			var err error
			if grants[i], err = r.SignIn(t.Context(), "ada", oneseat.SignInRequest{}); err != nil {
				t.Error(err)
				return
			}
			// Only a later sign-in may have ended it. After many later ones its ending is
			// forgotten.
			_, err = r.Check(t.Context(), string(grants[i].Token))
			over, ok := errors.AsType[*oneseat.EndedError](err)
			if err != nil && !errors.Is(err, oneseat.ErrNoSession) && (!ok || over.Ending.Reason != oneseat.ReasonDisplaced) {
				t.Errorf("straight after its sign-in: %v", err)
			}
		})
	}
	close(start)
	wg.Wait()
	c := newNode(t, store, oneseat.Config{}) // has nothing in memory
	live, displaced, forgotten := 0, 0, 0
	for _, g := range grants {
		_, err := c.Check(t.Context(), string(g.Token))
		over, ok := errors.AsType[*oneseat.EndedError](err)
		switch {
		case err == nil:
			live++
		case ok && over.Ending.Reason == oneseat.ReasonDisplaced:
			displaced++
		case errors.Is(err, oneseat.ErrNoSession):
			forgotten++
		default:
			t.Error(err)
		}
	}
	if live != 1 || displaced != oneseat.MaxEndings || forgotten != n-1-oneseat.MaxEndings {
		t.Errorf("%d live, %d displaced, %d forgotten", live, displaced, forgotten)
	}
	if s, err := c.Sessions(t.Context(), "ada"); err != nil || len(s) != 1 {
		t.Errorf("live: %+v, %v", s, err)
	}
}

func TestSessionsAreListedNewestFirst(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{Limit: 3})
	var want []oneseat.SessionID
	for range 3 {
		want = append([]oneseat.SessionID{signIn(t, r, "ada", oneseat.SignInRequest{}).Session.ID}, want...)
	}
	live, err := r.Sessions(t.Context(), "ada")
	var got []oneseat.SessionID
	for _, s := range live {
		got = append(got, s.ID)
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

func isLimit(err error) bool {
	_, ok := errors.AsType[*oneseat.LimitError](err)
	return ok
}

func TestTakeOverDisplacesUnderRefuse(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{WhenFull: oneseat.PolicyRefuse})
	lost := signIn(t, r, "ada", oneseat.SignInRequest{})
	owner := signIn(t, r, "ada", oneseat.SignInRequest{Override: true})
	wantEnded(t, r, lost, oneseat.ReasonDisplaced)
	wantLive(t, r, owner)
}

func TestUnlimitedMeansTheCeilingWithTheIdlestGoing(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{Limit: oneseat.Unlimited, WhenFull: oneseat.PolicyRefuse})
	var all []oneseat.Grant
	for range oneseat.MaxSeats {
		all = append(all, signIn(t, r, "ada", oneseat.SignInRequest{}))
	}
	for _, g := range all {
		wantLive(t, r, g)
	}
	one := signIn(t, r, "ada", oneseat.SignInRequest{})
	wantEnded(t, r, all[0], oneseat.ReasonDisplaced)
	wantLive(t, r, all[1])
	wantLive(t, r, one)
}

func TestALoweredLimitTrimsAtTheNextSignIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		wide := newNode(t, store, oneseat.Config{Limit: 4})
		var all []oneseat.Grant
		for range 4 {
			all = append(all, signIn(t, wide, "ada", oneseat.SignInRequest{}))
			time.Sleep(time.Second)
		}
		narrow := newNode(t, store, oneseat.Config{Limit: 2})
		for _, g := range all {
			wantLive(t, narrow, g)
		}
		newest := signIn(t, narrow, "ada", oneseat.SignInRequest{})
		for _, g := range all[:3] {
			wantEnded(t, narrow, g, oneseat.ReasonDisplaced)
		}
		wantLive(t, narrow, all[3])
		wantLive(t, narrow, newest)
	})
}

func TestARefusalIsNeitherASessionNorAFailedSignIn(t *testing.T) {
	r, b, store := newSystem(t, oneseat.Config{Limit: 2, WhenFull: oneseat.PolicyRefuse})
	first := signIn(t, r, "ada", oneseat.SignInRequest{Device: laptop})
	second := signIn(t, r, "ada", oneseat.SignInRequest{Device: phone})
	g, err := r.SignIn(t.Context(), "ada", oneseat.SignInRequest{Device: phone})
	refusal, ok := errors.AsType[*oneseat.LimitError](err)
	if !ok || refusal.Limit != 2 || !slices.Equal(refusal.Live, []oneseat.Session{second.Session, first.Session}) {
		t.Fatalf("got %+v", err)
	}
	if g.Token != "" || g.Session.ID != "" {
		t.Errorf("a refusal grants %+v", g)
	}
	if want := "oneseat: sign-in refused: 2 of 2 seats are taken: sign out elsewhere first"; err.Error() != want {
		t.Errorf("it says %q", err)
	}
	wantLive(t, r, first)
	wantLive(t, b, second)
	if live, _ := r.Sessions(t.Context(), "ada"); len(live) != 2 {
		t.Errorf("%d live", len(live))
	}
	events := logged(t, store, "ada")
	last := events[len(events)-1]
	if last.Type != oneseat.EventSignInRefused || last.Device != phone || count(events, oneseat.EventSessionCreated) != 2 {
		t.Errorf("events: %+v", events)
	}
	if s := r.Stats(); s.Refused != 1 || s.SignIns != 2 {
		t.Errorf("stats: %+v", s)
	}
}

func TestAPanicInAChangeIsAnErrorOfItsOwn(t *testing.T) {
	_, err := oneseat.RunChange(func(oneseat.View) (oneseat.Change, error) { panic("boom") }, oneseat.View{})
	p, ok := errors.AsType[*oneseat.PanicError](err)
	if !ok || p.Value != "boom" || !strings.Contains(string(p.Stack), "TestAPanicInAChange") {
		t.Fatalf("got %+v", err)
	}
	if err.Error() != "oneseat: panic in a change: boom" {
		t.Errorf("it says %q", err)
	}
	r := newNode(t, memstore.New(), oneseat.Config{})
	r.set(func() {
		r.update = func(context.Context, oneseat.Key, change, updateFunc) (oneseat.View, error) { return oneseat.View{}, p }
	})
	_, err = r.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
	if _, ok := errors.AsType[*oneseat.PanicError](err); !ok || errors.Is(err, oneseat.ErrStoreUnavailable) {
		t.Errorf("got %v", err)
	}
}

func TestAPageHasAHundredRowsUnlessSaid(t *testing.T) {
	for limit, want := range map[int]int{-1: 100, 0: 100, 1: 1, 1000: 1000, 1001: 1000} {
		if got := oneseat.PageLimit(limit); got != want {
			t.Errorf("PageLimit(%d) = %d", limit, got)
		}
	}
}
