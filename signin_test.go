package oneseat_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

var (
	laptop = oneseat.Device{Label: "Firefox on Linux", Class: "desktop", IP: "192.0.2.0"}
	phone  = oneseat.Device{Label: "Safari on iPhone", Class: "mobile", IP: "198.51.100.0"}
)

func TestTheNewestSignInWinsAndTheOtherIsTold(t *testing.T) {
	a, b, store := newSystem(t, oneseat.Config{})
	first := signIn(t, a, "ada", oneseat.Client{Device: laptop})
	wantLive(t, a, first)
	wantLive(t, b, first)
	second := signIn(t, a, "ada", oneseat.Client{Device: phone})
	ending := wantEnded(t, a, first, oneseat.Displaced)
	if ending.By != second.Session.ID || ending.Device != laptop || ending.ByDevice != phone || ending.Actor != "" {
		t.Errorf("the ending is %+v", ending)
	}
	if !ending.At.Equal(second.Session.Created) || !second.Session.LastSeen.Equal(second.Session.Created) {
		t.Errorf("one step has two times: %v, %+v", ending.At, second.Session)
	}
	wantLive(t, a, second)
	wantLive(t, b, second)
	other := signIn(t, b, "grace", oneseat.Client{})
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
		if e.Type != oneseat.SessionUsedAfterEnd { // in the background
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
			if grants[i], err = r.SignIn(t.Context(), "ada", oneseat.Client{}); err != nil {
				t.Error(err)
				return
			}
			// Whoever came later may have ended it, and nothing else; of many later
			// ones the account forgets its ending.
			_, err = r.Check(t.Context(), string(grants[i].Token))
			over, ok := errors.AsType[*oneseat.EndedError](err)
			if err != nil && !errors.Is(err, oneseat.ErrNoSession) && (!ok || over.Ending.Reason != oneseat.Displaced) {
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
		case ok && over.Ending.Reason == oneseat.Displaced:
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
		want = append([]oneseat.SessionID{signIn(t, r, "ada", oneseat.Client{}).Session.ID}, want...)
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

func TestTheSameBrowserIsRenewedSilently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{WhenFull: oneseat.Refuse})
		first := signIn(t, r, "ada", oneseat.Client{Device: laptop})
		time.Sleep(time.Minute)
		second := signIn(t, r, "ada", oneseat.Client{Token: string(first.Token), Device: laptop})
		ending := wantEnded(t, r, first, oneseat.Renewed)
		if ending.By != second.Session.ID {
			t.Errorf("the ending is %+v", ending)
		}
		if second.Session.ID == first.Session.ID || second.Token == first.Token {
			t.Error("something of the first session was used again")
		}
		wantLive(t, r, second)
		if s := r.Stats(); s.Displaced != 0 {
			t.Errorf("a renewal counts as displaced: %+v", s)
		}
	})
}

// A form that is submitted twice, or a reply that was lost: the browser comes
// with the token that its first try renewed.
func TestASecondSubmitReplacesTheFirstWithinAMinute(t *testing.T) {
	for _, tt := range []struct {
		after time.Duration
		want  oneseat.Reason
	}{
		{0, oneseat.Renewed},
		{time.Minute - time.Microsecond, oneseat.Renewed},
		{time.Minute, oneseat.Displaced},
	} {
		t.Run(tt.after.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newNode(t, memstore.New(), oneseat.Config{})
				before := signIn(t, r, "ada", oneseat.Client{})
				first := signIn(t, r, "ada", oneseat.Client{Token: string(before.Token)})
				time.Sleep(tt.after)
				second := signIn(t, r, "ada", oneseat.Client{Token: string(before.Token)})
				wantEnded(t, r, first, tt.want)
				wantEnded(t, r, before, oneseat.Renewed)
				wantLive(t, r, second)
			})
		})
	}
}

func TestAnyOtherEndedTokenCountsAsNone(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{WhenFull: oneseat.Refuse})
	gone := signIn(t, r, "ada", oneseat.Client{})
	if err := r.SignOut(t.Context(), string(gone.Token)); err != nil {
		t.Fatal(err)
	}
	there := signIn(t, r, "ada", oneseat.Client{})
	for name, token := range map[string]string{
		"signed out": string(gone.Token), "of nobody": forged("ada"), "malformed": "oneseat_x", "none": "",
	} {
		if _, err := r.SignIn(t.Context(), "ada", oneseat.Client{Token: token}); !isLimit(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	wantLive(t, r, there)
}

func isLimit(err error) bool {
	_, ok := errors.AsType[*oneseat.LimitError](err)
	return ok
}

func TestTheSameDeviceGoesFirstAndIsTold(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{Limit: 2})
	idler := signIn(t, r, "ada", oneseat.Client{DeviceID: "d-1"})
	mine := signIn(t, r, "ada", oneseat.Client{DeviceID: "d-2"})
	again := signIn(t, r, "ada", oneseat.Client{DeviceID: "d-2"})
	ending := wantEnded(t, r, mine, oneseat.Displaced)
	if ending.By != again.Session.ID {
		t.Errorf("the ending is %+v", ending)
	}
	wantLive(t, r, idler)
	if s := r.Stats(); s.Displaced != 1 {
		t.Errorf("it is not counted: %+v", s)
	}
}

func TestACopiedDeviceIdBuysNothing(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{WhenFull: oneseat.Refuse})
	mine := signIn(t, r, "ada", oneseat.Client{DeviceID: "d-1"})
	if _, err := r.SignIn(t.Context(), "ada", oneseat.Client{DeviceID: "d-1"}); !isLimit(err) {
		t.Errorf("got %v, want a refusal", err)
	}
	wantLive(t, r, mine)
}

func TestTakeOverDisplacesUnderRefuse(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{WhenFull: oneseat.Refuse})
	lost := signIn(t, r, "ada", oneseat.Client{})
	owner := signIn(t, r, "ada", oneseat.Client{TakeOver: true})
	wantEnded(t, r, lost, oneseat.Displaced)
	wantLive(t, r, owner)
}

func TestSigningInAsAnotherEndsTheFirstAccountsSession(t *testing.T) {
	a, b, store := newSystem(t, oneseat.Config{})
	ada := signIn(t, a, "ada", oneseat.Client{})
	grace := signIn(t, a, "grace", oneseat.Client{Token: string(ada.Token)})
	wantEnded(t, a, ada, oneseat.SignedOut)
	wantLive(t, a, grace)

	// Where that fails, the sign-in stands and the operator hears of it.
	var heard strings.Builder
	log := slog.New(slog.NewTextHandler(&heard, nil))
	f := &faulty{Store: store}
	c := newRegistry(t, f, oneseat.Config{Logger: log})
	f.set(func() {
		f.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
			if k == oneseat.KeyOf(realm, "grace") {
				return oneseat.View{}, errDown
			}
			return next(ctx, k, c)
		}
	})
	alan := signIn(t, c, "alan", oneseat.Client{Token: string(grace.Token)})
	wantLive(t, c, alan)
	wantLive(t, b, grace)
	if !strings.Contains(heard.String(), "another account in the same browser was not ended") {
		t.Errorf("the log says %q", &heard)
	}

	// A token of nobody is nothing to speak of.
	f.up()
	heard.Reset()
	signIn(t, c, "alan", oneseat.Client{Token: forged("ada")})
	if heard.Len() > 0 {
		t.Errorf("the log says %q", &heard)
	}
}

func TestUnlimitedMeansTheCeilingWithTheIdlestGoing(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{Limit: oneseat.Unlimited, WhenFull: oneseat.Refuse})
	var all []oneseat.Grant
	for range oneseat.MaxSeats {
		all = append(all, signIn(t, r, "ada", oneseat.Client{}))
	}
	for _, g := range all {
		wantLive(t, r, g)
	}
	one := signIn(t, r, "ada", oneseat.Client{})
	wantEnded(t, r, all[0], oneseat.Displaced)
	wantLive(t, r, all[1])
	wantLive(t, r, one)
}

func TestALoweredLimitTrimsAtTheNextSignIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		wide := newNode(t, store, oneseat.Config{Limit: 4})
		var all []oneseat.Grant
		for range 4 {
			all = append(all, signIn(t, wide, "ada", oneseat.Client{}))
			time.Sleep(time.Second)
		}
		narrow := newNode(t, store, oneseat.Config{Limit: 2})
		for _, g := range all {
			wantLive(t, narrow, g)
		}
		newest := signIn(t, narrow, "ada", oneseat.Client{})
		for _, g := range all[:3] {
			wantEnded(t, narrow, g, oneseat.Displaced)
		}
		wantLive(t, narrow, all[3])
		wantLive(t, narrow, newest)
	})
}

func TestARefusalIsNeitherASessionNorAFailedSignIn(t *testing.T) {
	r, b, store := newSystem(t, oneseat.Config{Limit: 2, WhenFull: oneseat.Refuse})
	first := signIn(t, r, "ada", oneseat.Client{Device: laptop})
	second := signIn(t, r, "ada", oneseat.Client{Device: phone})
	g, err := r.SignIn(t.Context(), "ada", oneseat.Client{Device: phone})
	refusal, ok := errors.AsType[*oneseat.LimitError](err)
	if !ok || refusal.Limit != 2 || !slices.Equal(refusal.Live, []oneseat.Session{second.Session, first.Session}) {
		t.Fatalf("got %+v", err)
	}
	if g != (oneseat.Grant{}) {
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
	if last.Type != oneseat.SignInRefused || last.Device != phone || count(events, oneseat.SessionCreated) != 2 {
		t.Errorf("events: %+v", events)
	}
	if s := r.Stats(); s.Refused != 1 || s.SignIns != 2 {
		t.Errorf("stats: %+v", s)
	}
}

func TestOnlyInertCoarseFactsOfADeviceAreKept(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{})
	long := strings.Repeat("é", 40)
	for _, tt := range []struct{ in, want oneseat.Device }{
		{oneseat.Device{}, oneseat.Device{Class: "other"}},
		{laptop, laptop},
		{oneseat.Device{Class: "tv", IP: "192.0.2.77"}, oneseat.Device{Class: "tv", IP: "192.0.2.0"}},
		{oneseat.Device{Class: "TV", IP: "2001:db8:1:2:3:4:5:6"}, oneseat.Device{Class: "other", IP: "2001:db8:1::"}},
		{oneseat.Device{IP: "::ffff:192.0.2.77"}, oneseat.Device{Class: "other", IP: "192.0.2.0"}},
		{oneseat.Device{IP: "fe80::1%eth0"}, oneseat.Device{Class: "other", IP: "fe80::"}},
		{oneseat.Device{IP: "not an address"}, oneseat.Device{Class: "other"}},
		{oneseat.Device{Label: " a\x00b\u202ec\ufffdd\xffe\n "}, oneseat.Device{Label: "abcde", Class: "other"}},
		{oneseat.Device{Label: long}, oneseat.Device{Label: long[:40], Class: "other"}},
		{oneseat.Device{Label: "x" + long}, oneseat.Device{Label: "x" + long[:38], Class: "other"}},
	} {
		if got := signIn(t, r, "ada", oneseat.Client{Device: tt.in}).Session.Device; got != tt.want {
			t.Errorf("%+q: got %+q, want %+q", tt.in, got, tt.want)
		}
	}
}

func TestWhatCannotNameAnAccountIsATypedError(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{})
	for _, tt := range []struct{ account, problem string }{
		{"", "it is empty"},
		{strings.Repeat("a", 257), "it is longer than 256 bytes"},
		{strings.Repeat("é", 128) + "é", "it is longer than 256 bytes"},
		{"a\xffb", "it is not valid UTF-8"},
		{"a\x00b", "it holds a control character"},
		{"a\nb", "it holds a control character"},
		{"a\x7f", "it holds a control character"},
		{"a\u0085", "it holds a control character"},
	} {
		for name, err := range accountErrors(t, r, tt.account) {
			e, ok := errors.AsType[*oneseat.AccountError](err)
			if !ok || e.Problem != tt.problem {
				t.Errorf("%s of %q: %v", name, tt.account, err)
			} else if tt.account != "" && strings.Contains(err.Error(), tt.account) {
				t.Errorf("%s repeats the text: %v", name, err)
			}
		}
	}
	if r.updates.Load()+r.loads.Load() != 0 {
		t.Error("the store was asked")
	}
	for _, account := range []string{"a", strings.Repeat("a", 256), strings.Repeat("é", 128), "ada@example.org", "a b:c/d", "名前", " "} {
		for name, err := range accountErrors(t, r, account) {
			if err != nil {
				t.Errorf("%s of %q: %v", name, account, err)
			}
		}
	}
}

// accountErrors calls everything that takes an account.
func accountErrors(t testing.TB, r node, account string) map[string]error {
	g, signIn := r.SignIn(t.Context(), account, oneseat.Client{})
	_, adopt := r.Adopt(t.Context(), account, time.Time{}, oneseat.Client{})
	if errors.Is(adopt, oneseat.ErrNoSession) {
		adopt = nil // it is an account; none is adopted here
	}
	_, check := r.CheckID(t.Context(), account, g.Session.ID)
	_, sessions := r.Sessions(t.Context(), account)
	_, end := r.End(t.Context(), account, oneseat.Cause{}, "x")
	_, others := r.EndOthers(t.Context(), account, g.Session.ID, oneseat.Cause{})
	_, all := r.EndAll(t.Context(), account, oneseat.Cause{})
	return map[string]error{
		"SignIn": signIn, "Adopt": adopt, "CheckID": check, "Sessions": sessions, "End": end, "EndOthers": others, "EndAll": all,
	}
}

func FuzzAccount(f *testing.F) {
	for _, s := range []string{"", "ada", "a\x00b", "a\xff", "名前", strings.Repeat("x", 257), "\u202e", "default\x00ada"} {
		f.Add(s)
	}
	r := newNode(f, memstore.New(), oneseat.Config{})
	f.Fuzz(func(t *testing.T, account string) {
		good := account != "" && len(account) <= 256 && utf8.ValidString(account) && !strings.ContainsFunc(account, unicode.IsControl)
		g, err := r.SignIn(t.Context(), account, oneseat.Client{})
		if _, bad := errors.AsType[*oneseat.AccountError](err); bad == good || good && err != nil {
			t.Fatalf("%q: %v", account, err)
		}
		if good {
			if s := wantLive(t, r, g); s.Account != account {
				t.Errorf("%q became %q", account, s.Account)
			}
		}
	})
}

func TestEndEndsSomeAndCountsThem(t *testing.T) {
	a, b, store := newSystem(t, oneseat.Config{Limit: 5})
	var g []oneseat.Grant
	for i := range 5 {
		g = append(g, signIn(t, a, "ada", oneseat.Client{Device: oneseat.Device{Label: fmt.Sprint("device ", i)}}))
	}
	other := signIn(t, a, "grace", oneseat.Client{})

	// By and Actor are for the record; ids that are not the account's are ignored.
	cause := oneseat.Cause{By: g[0].Session.ID, Actor: "ada\x00 herself" + strings.Repeat("!", 200)}
	n, err := a.End(t.Context(), "ada", cause, g[1].Session.ID, other.Session.ID, "x")
	if n != 1 || err != nil {
		t.Fatal(n, err)
	}
	ending := wantEnded(t, a, g[1], oneseat.Revoked)
	if ending.By != g[0].Session.ID || ending.ByDevice.Label != "device 0" || ending.Device.Label != "device 1" {
		t.Errorf("the ending is %+v", ending)
	}
	if want := "ada herself" + strings.Repeat("!", 37); ending.Actor != want {
		t.Errorf("actor %q (%d)", ending.Actor, len(ending.Actor))
	}
	if n, err := a.End(t.Context(), "ada", cause, g[1].Session.ID); n != 0 || err != nil {
		t.Error("again:", n, err)
	}
	if n, err := a.End(t.Context(), "ada", cause); n != 0 || err != nil {
		t.Error("nobody:", n, err)
	}
	wantLive(t, a, other)
	wantLive(t, a, g[2])

	n, err = a.EndOthers(t.Context(), "ada", g[2].Session.ID, oneseat.Cause{Reason: oneseat.CredentialsChanged})
	if n != 3 || err != nil {
		t.Fatal(n, err)
	}
	wantLive(t, a, g[2])
	wantEnded(t, a, g[0], oneseat.CredentialsChanged)
	wantEnded(t, a, g[4], oneseat.CredentialsChanged)

	n, err = b.EndAll(t.Context(), "ada", oneseat.Cause{Reason: oneseat.SignedOut})
	if n != 1 || err != nil {
		t.Fatal(n, err)
	}
	wantEnded(t, b, g[2], oneseat.SignedOut)
	if n, err := b.EndAll(t.Context(), "ada", oneseat.Cause{}); n != 0 || err != nil {
		t.Error("again:", n, err)
	}
	if n, err := b.EndAll(t.Context(), "nobody", oneseat.Cause{}); n != 0 || err != nil {
		t.Error("nobody:", n, err)
	}
	if got := count(logged(t, store, "ada"), oneseat.SessionEnded); got != 5 {
		t.Errorf("%d events", got)
	}

	updates := b.updates.Load()
	for _, why := range []oneseat.Reason{oneseat.Displaced, oneseat.Renewed, oneseat.IdleTimeout, oneseat.RealmEnded, "bored"} {
		if n, err := b.EndAll(t.Context(), "grace", oneseat.Cause{Reason: why}); n != 0 || err == nil {
			t.Errorf("%s is a reason to give: %d, %v", why, n, err)
		}
	}
	if b.updates.Load() != updates {
		t.Error("the store was asked")
	}
	wantLive(t, b, other)
}

func TestSignOutEndsItsOwnSessionOnly(t *testing.T) {
	a, b, _ := newSystem(t, oneseat.Config{Limit: 2})
	mine, other := signIn(t, a, "ada", oneseat.Client{}), signIn(t, a, "ada", oneseat.Client{})
	if err := a.SignOut(t.Context(), string(mine.Token)); err != nil {
		t.Fatal(err)
	}
	ending := wantEnded(t, a, mine, oneseat.SignedOut)
	if ending.By != mine.Session.ID {
		t.Errorf("the ending is %+v", ending)
	}
	wantLive(t, a, other)
	if err := b.SignOut(t.Context(), string(mine.Token)); err != nil {
		t.Error("again:", err)
	}
	for _, token := range []string{"", "oneseat_x", forged("ada"), forged("nobody"), string(mine.Session.ID)} {
		wantError(t, a.SignOut(t.Context(), token), oneseat.ErrNoSession)
	}
	a.unwritable()
	wantError(t, a.SignOut(t.Context(), string(other.Token)), oneseat.ErrStoreUnavailable)
	n, err := a.EndAll(t.Context(), "ada", oneseat.Cause{})
	wantError(t, err, oneseat.ErrStoreUnavailable)
	if n != 0 {
		t.Errorf("%d were ended", n)
	}
	wantLive(t, b, other)
}

// "Nothing was done" is said only where that is certain: not when the first
// reply was lost and the store went down then.
func TestALostReplyBeforeAnOutageIsStillUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{})
		for name, do := range map[string]func(oneseat.Grant) error{
			"SignIn":  func(oneseat.Grant) error { return second(a.SignIn(t.Context(), "ada", oneseat.Client{})) },
			"SignOut": func(g oneseat.Grant) error { return a.SignOut(t.Context(), string(g.Token)) },
			"Rotate":  func(g oneseat.Grant) error { return second(a.Rotate(t.Context(), string(g.Token))) },
			"EndAll":  func(oneseat.Grant) error { return second(a.EndAll(t.Context(), "ada", oneseat.Cause{})) },
		} {
			g := signIn(t, b, "ada", oneseat.Client{})
			a.loseReplies(oneseat.KeyOf(realm, "ada"), 1, a.unwritable)
			err := do(g)
			if !errors.Is(err, oneseat.ErrUnknownOutcome) || errors.Is(err, oneseat.ErrStoreUnavailable) {
				t.Errorf("%s: %v", name, err)
			}
			a.up()
		}
	})
}

// What a retry counts is what the call ended, not what was left for it.
func TestEndWhoseReplyWasLostCountsWhatItEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, store := following(t, oneseat.Config{Limit: 5})
		for range 3 {
			signIn(t, b, "ada", oneseat.Client{})
		}
		a.loseReplies(oneseat.KeyOf(realm, "ada"), 2, func() { signIn(t, b, "ada", oneseat.Client{}) })
		n, err := a.EndAll(t.Context(), "ada", oneseat.Cause{Actor: "support"})
		if n != 5 || err != nil {
			t.Errorf("%d were ended, %v, want three, and two that came in between", n, err)
		}
		if got := count(logged(t, store, "ada"), oneseat.SessionEnded); got != 5 {
			t.Errorf("%d events", got)
		}
	})
}

// P1 and P2 when the store's replies are lost.
func TestASignInWhoseReplyWasLostAdmitsOnce(t *testing.T) {
	for lost := 1; lost <= 4; lost++ {
		synctest.Test(t, func(t *testing.T) {
			a, b, store := following(t, oneseat.Config{Limit: 3})
			signIn(t, b, "ada", oneseat.Client{})
			a.loseReplies(oneseat.KeyOf(realm, "ada"), lost, nil)
			g := signIn(t, a, "ada", oneseat.Client{})
			wantLive(t, a, g)
			wantLive(t, b, g)
			if live, _ := a.Sessions(t.Context(), "ada"); len(live) != 2 {
				t.Errorf("%d lost: %d live", lost, len(live))
			}
			if n := count(logged(t, store, "ada"), oneseat.SessionCreated); n != 2 {
				t.Errorf("%d lost: %d created", lost, n)
			}
		})
	}
}

func TestASignInWithoutAnyReplyIsUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, store := following(t, oneseat.Config{})
		before := signIn(t, a, "ada", oneseat.Client{})
		wantLive(t, a, before)
		a.loseReplies(oneseat.KeyOf(realm, "ada"), 99, nil)
		began := time.Now()
		_, err := a.SignIn(t.Context(), "ada", oneseat.Client{})
		wantError(t, err, oneseat.ErrUnknownOutcome)
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %v", took)
		}
		if n := count(logged(t, store, "ada"), oneseat.SessionCreated); n != 2 {
			t.Errorf("%d created", n)
		}
		// What this node had cached is not believed any more.
		wantEnded(t, a, before, oneseat.Displaced)
		wantEnded(t, b, before, oneseat.Displaced)
	})
}

func TestASignInThatWasEndedBeforeItsReplyCameSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{})
		var last oneseat.Grant
		a.loseReplies(oneseat.KeyOf(realm, "ada"), 1, func() { last = signIn(t, b, "ada", oneseat.Client{}) })
		_, err := a.SignIn(t.Context(), "ada", oneseat.Client{})
		over, ok := errors.AsType[*oneseat.EndedError](err)
		if !ok || over.Ending.Reason != oneseat.Displaced || over.Ending.By != last.Session.ID {
			t.Fatalf("got %v", err)
		}
		wantLive(t, a, last)
	})
}

// The first try was committed and ended, and so many have ended since that the
// roster cannot tell any more: to admit again could admit twice.
func TestARetryThatTheRosterHasForgottenStaysUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, store := following(t, oneseat.Config{})
		a.loseReplies(oneseat.KeyOf(realm, "ada"), 1, func() {
			for range oneseat.MaxEndings + 1 {
				time.Sleep(time.Millisecond)
				signIn(t, b, "ada", oneseat.Client{})
			}
		})
		before := len(logged(t, store, "ada"))
		_, err := a.SignIn(t.Context(), "ada", oneseat.Client{})
		wantError(t, err, oneseat.ErrUnknownOutcome)
		if n := len(logged(t, store, "ada")) - before; n != 1+2*(oneseat.MaxEndings+1) {
			t.Errorf("%d events: the retry changed something", n)
		}
	})
}

// The same, where the roster itself was erased in between.
func TestARetryAfterTheRosterWasErasedStaysUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, store := following(t, oneseat.Config{})
		a.loseReplies(oneseat.KeyOf(realm, "ada"), 1, func() { deleteRow(t, store, "ada") })
		_, err := a.SignIn(t.Context(), "ada", oneseat.Client{})
		wantError(t, err, oneseat.ErrUnknownOutcome)
		if v := stored(t, store, "ada"); v.Roster != nil {
			t.Errorf("the retry wrote %+v", v.Roster)
		}
	})
}

// What was forgotten before the first try says nothing of it.
func TestARetryOnARosterThatForgotLongAgoIsAdmitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, store := following(t, oneseat.Config{})
		for range oneseat.MaxEndings + 2 {
			signIn(t, b, "ada", oneseat.Client{})
		}
		if stored(t, store, "ada").Roster.Forgotten.IsZero() {
			t.Fatal("nothing was forgotten")
		}
		time.Sleep(time.Second)
		first := true
		a.set(func() {
			a.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
				if first && k == oneseat.KeyOf(realm, "ada") { // the request was lost, not the reply
					first = false
					return oneseat.View{}, oneseat.ErrUnknownOutcome
				}
				return next(ctx, k, c)
			}
		})
		wantLive(t, b, signIn(t, a, "ada", oneseat.Client{}))
	})
}

func TestTheReplyThatNeverComesIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{})
		r.set(func() {
			r.update = func(ctx context.Context, _ oneseat.Key, _ change, _ updateFunc) (oneseat.View, error) {
				<-ctx.Done()
				return oneseat.View{}, ctx.Err()
			}
		})
		began := time.Now()
		_, err := r.SignIn(t.Context(), "ada", oneseat.Client{})
		wantError(t, err, oneseat.ErrStoreUnavailable)
		if took := time.Since(began); took != 6*time.Second {
			t.Errorf("it took %v", took)
		}

		// Unknown outcomes are not tried again when the caller has gone.
		r.set(func() {
			r.update = func(ctx context.Context, _ oneseat.Key, _ change, _ updateFunc) (oneseat.View, error) {
				<-ctx.Done()
				return oneseat.View{}, oneseat.ErrUnknownOutcome
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began, updates := time.Now(), r.updates.Load()
		_, err = r.SignIn(ctx, "ada", oneseat.Client{})
		wantError(t, err, oneseat.ErrUnknownOutcome)
		if took, n := time.Since(began), r.updates.Load()-updates; took != time.Second || n != 1 {
			t.Errorf("%d tries in %v", n, took)
		}
	})
}

func TestACallerThatGoesAwayGetsItsContextsError(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{})
	g := signIn(t, r, "ada", oneseat.Client{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := r.SignIn(ctx, "grace", oneseat.Client{})
	wantError(t, err, context.Canceled)
	wantError(t, r.SignOut(ctx, string(g.Token)), context.Canceled)
	_, err = r.Rotate(ctx, string(g.Token))
	wantError(t, err, context.Canceled)
	_, err = r.Sessions(ctx, "ada")
	wantError(t, err, context.Canceled)
	wantError(t, r.Ping(ctx), context.Canceled)
	wantError(t, r.EndRealm(ctx, ""), context.Canceled)
	wantLive(t, r, g)
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
	_, err = r.SignIn(t.Context(), "ada", oneseat.Client{})
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
