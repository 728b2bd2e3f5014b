package oneseat_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

func TestTheSameBrowserIsRenewedSilently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{WhenFull: oneseat.PolicyRefuse})
		first := signIn(t, r, "ada", oneseat.SignInRequest{Device: laptop})
		time.Sleep(time.Minute)
		second := signIn(t, r, "ada", oneseat.SignInRequest{Token: string(first.Token), Device: laptop})
		ending := wantEnded(t, r, first, oneseat.ReasonRenewed)
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
		{0, oneseat.ReasonRenewed},
		{time.Minute - time.Microsecond, oneseat.ReasonRenewed},
		{time.Minute, oneseat.ReasonDisplaced},
	} {
		t.Run(tt.after.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newNode(t, memstore.New(), oneseat.Config{})
				before := signIn(t, r, "ada", oneseat.SignInRequest{})
				first := signIn(t, r, "ada", oneseat.SignInRequest{Token: string(before.Token)})
				time.Sleep(tt.after)
				second := signIn(t, r, "ada", oneseat.SignInRequest{Token: string(before.Token)})
				wantEnded(t, r, first, tt.want)
				wantEnded(t, r, before, oneseat.ReasonRenewed)
				wantLive(t, r, second)
			})
		})
	}
}

func TestAnyOtherEndedTokenCountsAsNone(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{WhenFull: oneseat.PolicyRefuse})
	gone := signIn(t, r, "ada", oneseat.SignInRequest{})
	if err := r.SignOut(t.Context(), string(gone.Token)); err != nil {
		t.Fatal(err)
	}
	there := signIn(t, r, "ada", oneseat.SignInRequest{})
	for name, token := range map[string]string{
		"signed out": string(gone.Token), "of nobody": forged("ada"), "malformed": "oneseat_x", "none": "",
	} {
		if _, err := r.SignIn(t.Context(), "ada", oneseat.SignInRequest{Token: token}); !isLimit(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	wantLive(t, r, there)
}

func TestTheSameDeviceGoesFirstAndIsTold(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{Limit: 2})
	idler := signIn(t, r, "ada", oneseat.SignInRequest{DeviceID: deviceID("d-1")})
	mine := signIn(t, r, "ada", oneseat.SignInRequest{DeviceID: deviceID("d-2")})
	again := signIn(t, r, "ada", oneseat.SignInRequest{DeviceID: deviceID("d-2")})
	ending := wantEnded(t, r, mine, oneseat.ReasonDisplaced)
	if ending.By != again.Session.ID {
		t.Errorf("the ending is %+v", ending)
	}
	wantLive(t, r, idler)
	if s := r.Stats(); s.Displaced != 1 {
		t.Errorf("it is not counted: %+v", s)
	}
}

func TestSigningInAsAnotherEndsTheFirstAccountsSession(t *testing.T) {
	a, b, store := newSystem(t, oneseat.Config{})
	ada := signIn(t, a, "ada", oneseat.SignInRequest{})
	grace := signIn(t, a, "grace", oneseat.SignInRequest{Token: string(ada.Token)})
	wantEnded(t, a, ada, oneseat.ReasonSignedOut)
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
	alan := signIn(t, c, "alan", oneseat.SignInRequest{Token: string(grace.Token)})
	wantLive(t, c, alan)
	wantLive(t, b, grace)
	if !strings.Contains(heard.String(), "another account in the same browser was not ended") {
		t.Errorf("the log says %q", &heard)
	}

	// A token of nobody is nothing to speak of, whether the account is known or not, nor is
	// that of a session that has ended. Each registry reports the first failure in a minute.
	for _, token := range []string{forged("ada"), forged("nobody"), string(ada.Token), string(ada.Token[:20])} {
		heard.Reset()
		fresh := newRegistry(t, store, oneseat.Config{Logger: log})
		signIn(t, fresh, "alan", oneseat.SignInRequest{Token: token})
		if heard.Len() > 0 {
			t.Errorf("the log says %q", &heard)
		}
	}
}

// A device id frees one seat at most. A newcomer that renews a session has its seat, and
// frees no other by the id: here the browser is of another class now, and that class is
// full.
func TestARenewalFreesNoSeatByItsDeviceID(t *testing.T) {
	for _, policy := range []oneseat.Policy{oneseat.PolicyRefuse, oneseat.PolicyAsk} {
		r := newNode(t, memstore.New(), oneseat.Config{
			Limit: 2, WhenFull: policy,
			ClassLimits: map[oneseat.Class]int{oneseat.ClassDesktop: 1, oneseat.ClassMobile: 1},
		})
		id := deviceID("d")
		desktop := signIn(t, r, "ada", oneseat.SignInRequest{Device: laptop, DeviceID: id})
		mobile := signIn(t, r, "ada", oneseat.SignInRequest{Device: phone, DeviceID: id})
		refused(t, r, "ada", oneseat.SignInRequest{Device: phone, DeviceID: id, Token: string(desktop.Token)})
		wantLive(t, r, desktop)
		wantLive(t, r, mobile)
	}
}
