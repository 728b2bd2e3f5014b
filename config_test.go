package oneseat_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

// The defaults are documented, and changing one changes what others rely on.
func TestTheDefaultsStayTheSame(t *testing.T) {
	got := described(newRegistry(t, memstore.New(), oneseat.Config{}).Config())
	want, err := os.ReadFile("testdata/defaults.golden")
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the defaults are\n%s\nand were\n%s", got, want)
	}
}

func described(c oneseat.Config) string {
	return fmt.Sprintf("Realm %q\nLimit %d\nWhenFull %q\nIdle %v\nAbsolute %v\nTouchEvery %v\nKeepEndings %v\nAdoptUntil %v\nMaxStale %v\nHoldGrace %v\nDangerouslyAllowWhenStoreIsDown %v\n",
		c.Realm, c.Limit, c.WhenFull, c.Idle, c.Absolute, c.TouchEvery, c.KeepEndings, c.AdoptUntil, c.MaxStale, c.HoldGrace, c.DangerouslyAllowWhenStoreIsDown)
}

func TestEveryImpossibleSettingIsReported(t *testing.T) {
	for _, tt := range []struct {
		c    oneseat.Config
		want []string // fields
	}{
		{oneseat.Config{Realm: strings.Repeat("r", 65)}, []string{"Realm"}},
		{oneseat.Config{Realm: "a\nb"}, []string{"Realm"}},
		{oneseat.Config{Realm: " a"}, []string{"Realm"}},
		{oneseat.Config{Realm: "a\xff"}, []string{"Realm"}},
		{oneseat.Config{Realm: "a\ufffd"}, []string{"Realm"}},
		{oneseat.Config{Limit: -2}, []string{"Limit"}},
		{oneseat.Config{Limit: 257}, []string{"Limit"}},
		{oneseat.Config{WhenFull: "maybe"}, []string{"WhenFull"}},
		{oneseat.Config{Idle: time.Second - 1}, []string{"Idle"}},
		{oneseat.Config{Idle: -2}, []string{"Idle"}},
		{oneseat.Config{Idle: 91 * 24 * time.Hour}, []string{"Idle"}},
		{oneseat.Config{Idle: time.Hour + 1, Absolute: time.Hour}, []string{"Idle"}},
		{oneseat.Config{Absolute: -2}, []string{"Absolute"}},
		{oneseat.Config{Absolute: time.Second - 1, Idle: oneseat.NoTimeout}, []string{"Absolute"}},
		{oneseat.Config{TouchEvery: -1}, []string{"TouchEvery"}},
		{oneseat.Config{TouchEvery: 5*time.Minute + 1}, []string{"TouchEvery"}},
		{oneseat.Config{Idle: oneseat.NoTimeout, TouchEvery: 5*time.Minute + 1}, []string{"TouchEvery"}},
		{oneseat.Config{Idle: 10 * time.Minute, TouchEvery: time.Minute + 1}, []string{"TouchEvery"}},
		{oneseat.Config{KeepEndings: time.Minute - 1}, []string{"KeepEndings"}},
		{oneseat.Config{KeepEndings: -1}, []string{"KeepEndings"}},
		{oneseat.Config{MaxStale: 20*time.Millisecond - 1}, []string{"MaxStale"}},
		{oneseat.Config{MaxStale: time.Minute + 1}, []string{"MaxStale"}},
		{oneseat.Config{MaxStale: -2}, []string{"MaxStale"}},
		{oneseat.Config{HoldGrace: -1}, []string{"HoldGrace"}},
		{
			oneseat.Config{Realm: "\x00", Limit: -7, WhenFull: "x", Idle: 2 * time.Hour, Absolute: time.Hour, TouchEvery: time.Hour, KeepEndings: 1, MaxStale: 1, HoldGrace: -1},
			[]string{"Realm", "Limit", "WhenFull", "Idle", "TouchEvery", "KeepEndings", "MaxStale", "HoldGrace"},
		},
	} {
		r, err := oneseat.New(memstore.New(), tt.c)
		if r != nil || err == nil {
			t.Errorf("%+v was accepted", tt.c)
			continue
		}
		joined, ok := err.(interface{ Unwrap() []error })
		if !ok {
			t.Fatalf("%T", err)
		}
		var fields []string
		for _, e := range joined.Unwrap() {
			c, ok := errors.AsType[*oneseat.ConfigError](e)
			if !ok || c.Problem == "" || !strings.Contains(e.Error(), "Config."+c.Field+": "+c.Problem) {
				t.Errorf("%v", e)
				continue
			}
			fields = append(fields, c.Field)
		}
		if !slices.Equal(fields, tt.want) {
			t.Errorf("reported %q, want %q: %v", fields, tt.want, err)
		}
	}
}

func TestTheEdgesOfWhatIsPossibleAreAccepted(t *testing.T) {
	for _, tt := range []struct{ c, want oneseat.Config }{
		{oneseat.Config{Realm: strings.Repeat("r", 64), Limit: 1}, oneseat.Config{}},
		{oneseat.Config{Realm: "Büro 7", Limit: oneseat.MaxSeats}, oneseat.Config{}},
		{oneseat.Config{Limit: oneseat.Unlimited, WhenFull: oneseat.PolicyRefuse}, oneseat.Config{}},
		{oneseat.Config{Idle: time.Second, Absolute: time.Second}, oneseat.Config{TouchEvery: 100 * time.Millisecond}},
		{oneseat.Config{Absolute: time.Hour}, oneseat.Config{Idle: time.Hour, TouchEvery: 5 * time.Minute}},
		{oneseat.Config{Absolute: 20 * 24 * time.Hour}, oneseat.Config{Idle: 14 * 24 * time.Hour}},
		{oneseat.Config{Absolute: oneseat.NoTimeout}, oneseat.Config{Idle: 14 * 24 * time.Hour}},
		{oneseat.Config{Absolute: oneseat.NoTimeout, Idle: 100 * 365 * 24 * time.Hour}, oneseat.Config{TouchEvery: 5 * time.Minute}},
		{oneseat.Config{Idle: oneseat.NoTimeout}, oneseat.Config{TouchEvery: 5 * time.Minute}},
		{oneseat.Config{Idle: 10 * time.Minute}, oneseat.Config{TouchEvery: time.Minute}},
		{oneseat.Config{Idle: 10 * time.Minute, TouchEvery: time.Minute}, oneseat.Config{}},
		{oneseat.Config{TouchEvery: time.Nanosecond, KeepEndings: time.Minute, MaxStale: 20 * time.Millisecond, HoldGrace: 1}, oneseat.Config{}},
		{oneseat.Config{MaxStale: time.Minute}, oneseat.Config{}},
		{oneseat.Config{MaxStale: oneseat.FreshAlways}, oneseat.Config{}},
	} {
		r, err := oneseat.New(memstore.New(), tt.c)
		if err != nil {
			t.Errorf("%+v: %v", tt.c, err)
			continue
		}
		got := r.Config()
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if got.Logger == nil || got.Clock == nil {
			t.Error("no logger, or no clock")
		}
		for _, d := range []struct{ got, given, want time.Duration }{
			{got.Idle, tt.c.Idle, tt.want.Idle}, {got.Absolute, tt.c.Absolute, tt.want.Absolute}, {got.TouchEvery, tt.c.TouchEvery, tt.want.TouchEvery},
			{got.KeepEndings, tt.c.KeepEndings, 0}, {got.MaxStale, tt.c.MaxStale, 0}, {got.HoldGrace, tt.c.HoldGrace, 0},
		} {
			if d.given != 0 && d.got != d.given || d.given == 0 && d.want != 0 && d.got != d.want {
				t.Errorf("%+v became %+v", tt.c, got)
			}
		}
		if tt.c.Limit != 0 && got.Limit != tt.c.Limit || tt.c.Realm != "" && got.Realm != tt.c.Realm {
			t.Errorf("%+v became %+v", tt.c, got)
		}
	}
}

func TestNewNeedsAStore(t *testing.T) {
	_, err := oneseat.New(nil, oneseat.Config{Limit: -7})
	if err == nil || !strings.Contains(err.Error(), "New needs a store") || !strings.Contains(err.Error(), "Config.Limit") {
		t.Errorf("got %v", err)
	}
}

// New does not talk to the store: a server starts before its database.
func TestNewStartsWithoutItsStore(t *testing.T) {
	f := &faulty{Store: memstore.New()}
	f.down()
	r := newRegistry(t, f, oneseat.Config{})
	if b := r.Stats().LogLag; b != -1 { // not yet
		t.Errorf("behind by %v before the log was ever read", b)
	}
	wantError(t, r.Ping(t.Context()), oneseat.ErrStoreUnavailable)
	f.up()
	if err := r.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	wantLive(t, r, signIn(t, r, "ada", oneseat.SignInRequest{}))
}

func TestTheClockOfTheMachineIsBothClocks(t *testing.T) {
	clock := newRegistry(t, memstore.New(), oneseat.Config{}).Config().Clock
	wall, mono := clock()
	for next := mono; next == mono; {
		_, next = clock()
	}
	wall2, mono2 := clock()
	if mono2 <= mono || wall2.Before(wall) || wall2.String() != wall2.Round(0).String() {
		t.Errorf("%v %v, then %v %v", wall, mono, wall2, mono2)
	}
}

func TestTheRequestsHolder(t *testing.T) {
	h := &oneseat.RequestInfo{}
	ctx := oneseat.NewContext(t.Context(), h)
	if s, ok := oneseat.SessionFrom(ctx); ok || s != (oneseat.Session{}) {
		t.Error(s, ok)
	}
	if e, ok := oneseat.EndingFrom(ctx); ok || e != (oneseat.Ending{}) {
		t.Error(e, ok)
	}
	h.Session, h.Ending = &oneseat.Session{ID: "a"}, &oneseat.Ending{Session: "b"}
	if s, ok := oneseat.SessionFrom(ctx); !ok || s.ID != "a" {
		t.Error(s, ok)
	}
	if e, ok := oneseat.EndingFrom(ctx); !ok || e.Session != "b" {
		t.Error(e, ok)
	}
	for _, from := range []func(context.Context){
		func(ctx context.Context) { oneseat.SessionFrom(ctx) }, func(ctx context.Context) { oneseat.EndingFrom(ctx) },
	} {
		func() {
			defer func() {
				if p := fmt.Sprint(recover()); !strings.Contains(p, "guard.Wrap(mux)") {
					t.Errorf("it says %q", p)
				}
			}()
			from(t.Context())
		}()
	}
}

func TestAReferenceIsShortEnoughToBeRead(t *testing.T) {
	for id, want := range map[oneseat.SessionID]string{"": "", "ABCDEFG": "ABCDEFG", "ABCDEFGH": "ABCD-EFGH", "ABCDEFGHIJKL": "ABCD-EFGH"} {
		if got := (oneseat.Ending{Session: id}).Reference(); got != want {
			t.Errorf("%q: %q, want %q", id, got, want)
		}
	}
}
