package oneseat_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

// on signs in on a device of a class.
func on(t testing.TB, r node, class oneseat.Class) oneseat.Session {
	t.Helper()
	return signIn(t, r, "ada", oneseat.SignInRequest{Device: oneseat.Device{Class: class, Label: string(class)}}).Session
}

// wantStopped wants a stream to have given way to another.
func wantStopped(t testing.TB, r node, s oneseat.Session, stream, by oneseat.Stream) {
	t.Helper()
	err := r.Heartbeat(t.Context(), s, stream.ID)
	over, ok := errors.AsType[*oneseat.EndedError](err)
	if !ok || over.Ending.Reason != oneseat.ReasonDisplaced || over.Ending.By != by.ID {
		t.Errorf("the stream: %v", err)
	}
}

// L6
func TestWhereTheNewestPlaysTheStreamThatStartedFirstGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{Limit: 3, Streams: 2, WhenStreamsFull: oneseat.PolicyDisplace})
		tv, laptop, phone := on(t, r, oneseat.ClassTV), on(t, r, oneseat.ClassDesktop), on(t, r, oneseat.ClassMobile)
		first := play(t, r, tv, "tv")
		time.Sleep(time.Second)
		second := play(t, r, laptop, "laptop")
		time.Sleep(10 * time.Second)
		beat(t, r, tv, first) // it was heard of last, and started first all the same
		third := play(t, r, phone, "phone")
		wantStopped(t, r, tv, first, third)
		wantStreams(t, r, "ada", third.ID, second.ID)

		time.Sleep(20 * time.Second)
		beat(t, r, laptop, second)
		time.Sleep(5 * time.Second) // nothing was heard of the phone for longer than half of StreamIdle
		fourth := play(t, r, tv, "tv")
		wantStopped(t, r, phone, third, fourth)
		wantStreams(t, r, "ada", fourth.ID, second.ID)
		if sessions, err := r.Sessions(t.Context(), "ada"); err != nil || len(sessions) != 3 {
			t.Errorf("%d sessions, %v", len(sessions), err)
		}
	})
}

// L6
func TestTheNewestMayChooseWhatStops(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{Limit: 3, Streams: 2, WhenStreamsFull: oneseat.PolicyDisplace})
	tv, laptop, phone := on(t, r, oneseat.ClassTV), on(t, r, oneseat.ClassDesktop), on(t, r, oneseat.ClassMobile)
	first, second := play(t, r, tv, "tv"), play(t, r, laptop, "laptop")
	third := play(t, r, phone, "phone", second.ID)
	wantStopped(t, r, laptop, second, third)
	wantStreams(t, r, "ada", third.ID, first.ID)
}

// L6
func TestStreamsAreLimitedByClassOfDevice(t *testing.T) {
	for _, policy := range []oneseat.Policy{oneseat.PolicyAsk, oneseat.PolicyDisplace} {
		t.Run(string(policy), func(t *testing.T) {
			r := newNode(t, memstore.New(), oneseat.Config{
				Limit: 5, Streams: 3, WhenStreamsFull: policy, StreamClassLimits: map[oneseat.Class]int{oneseat.ClassTV: 1, oneseat.ClassMobile: oneseat.Unlimited},
			})
			tv, other := on(t, r, oneseat.ClassTV), on(t, r, oneseat.ClassTV)
			phone, laptop := on(t, r, oneseat.ClassMobile), on(t, r, oneseat.ClassDesktop)
			mobile := play(t, r, phone, "phone") // it started before
			first := play(t, r, tv, "tv")
			if policy == oneseat.PolicyAsk {
				_, err := r.StartStream(t.Context(), other, oneseat.Player{ID: "other", Instead: []oneseat.SessionID{mobile.ID}}) // that makes no room for a television
				full, ok := errors.AsType[*oneseat.LimitError](err)
				if !ok {
					t.Fatal(err)
				}
				if full.Bound != "streams_tv" || full.Limit != 1 || len(full.Streams) != 1 || full.Streams[0].ID != first.ID || !strings.Contains(full.Error(), "1 of 1 are playing") {
					t.Errorf("%+v: %v", full, full)
				}
				wantStreams(t, r, "ada", first.ID, mobile.ID)
			}
			var instead []oneseat.SessionID
			if policy == oneseat.PolicyAsk {
				instead = []oneseat.SessionID{first.ID}
			}
			second := play(t, r, other, "other", instead...)
			wantStopped(t, r, tv, first, second)
			third := play(t, r, laptop, "laptop")
			wantStreams(t, r, "ada", third.ID, second.ID, mobile.ID)
			a, err := r.Account(t.Context(), "ada")
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, b := range a.InForce {
				names = append(names, b.Name)
			}
			if got := strings.Join(names, " "); got != "total streams_tv streams" {
				t.Errorf("the limits in force: %s", got)
			}
		})
	}
}

// Under DisplaceSameClass a stream on a device of the newcomer's class gives way, although
// another one started before.
func TestAStreamGivesWayToOneOfItsClass(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{Limit: 4, Streams: 2, WhenStreamsFull: oneseat.PolicyDisplace, DisplaceOrder: oneseat.DisplaceSameClass})
	tv, phone, other := on(t, r, oneseat.ClassTV), on(t, r, oneseat.ClassMobile), on(t, r, oneseat.ClassMobile)
	first := play(t, r, tv, "tv")
	second := play(t, r, phone, "phone")
	third := play(t, r, other, "other")
	wantStopped(t, r, phone, second, third)
	wantStreams(t, r, "ada", third.ID, first.ID)
}

// An account that is exempt is not limited by a class that was set for everybody.
func TestAnAccountWithStreamsOfItsOwnHasNoClassLimit(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{Limit: 5, Streams: 1, StreamClassLimits: map[oneseat.Class]int{oneseat.ClassTV: 1}})
	one, two := on(t, r, oneseat.ClassTV), on(t, r, oneseat.ClassTV)
	if err := r.SetLimit(t.Context(), "ada", oneseat.Limits{Streams: 2}, "support"); err != nil {
		t.Fatal(err)
	}
	first := play(t, r, one, "one")
	wantStreams(t, r, "ada", play(t, r, two, "two").ID, first.ID)
}

// L6
func TestWhatPlaysIsShown(t *testing.T) {
	store := memstore.New()
	r := newNode(t, store, oneseat.Config{Limit: 2})
	tv, phone := on(t, r, oneseat.ClassTV), on(t, r, oneseat.ClassMobile)
	title := func(player, title string) oneseat.Stream {
		t.Helper()
		s, err := r.StartStream(t.Context(), tv, oneseat.Player{ID: player, Title: title})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := title("tv", "Cosmos, episode 1")
	if full := fullOfStreams(t, r, phone, "phone"); full.Streams[0].Title != "Cosmos, episode 1" {
		t.Errorf("%+v", full.Streams)
	}
	for said, kept := range map[string]string{
		"Cosmos, episode 2":                      "Cosmos, episode 2", // the same player goes on to the next
		"<script>\x00\u202e\"日本\"\\ & more\n":    "script日本  more",
		strings.Repeat("é", 40):                  strings.Repeat("é", 32),
		strings.Repeat("e", 65):                  strings.Repeat("e", 64),
		"\xff\xfe":                               "",
		"مرحبا":                                  "مرحبا",
		strings.Repeat("\u200b", 1000) + " name": "name",
	} {
		if again := title("tv", said); again.ID != first.ID || again.Title != kept {
			t.Errorf("%q is kept as %q, of %s", said, again.Title, again.ID)
		}
	}
	title("tv", "a film that nobody has to know of")
	all, err := r.Streams(t.Context(), "ada")
	if err != nil || len(all) != 1 || all[0].Title != "a film that nobody has to know of" {
		t.Fatal(all, err)
	}
	records, err := store.Events(t.Context(), oneseat.EventQuery{Realm: "default", Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := json.Marshal(records); err != nil || strings.Contains(string(b), "nobody has to know") || strings.Contains(string(b), "Cosmos") {
		t.Errorf("an event says what plays: %s, %v", b, err)
	}
	if err := r.StopStream(t.Context(), tv, first.ID); err != nil {
		t.Fatal(err)
	}
	if b := string(encode(t, stored(t, store, "ada").Roster)); strings.Contains(b, "nobody has to know") {
		t.Errorf("it is kept after the end: %s", b)
	}
}

// C10
func TestWhatPlaysAStreamKeepsItWithoutHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{Idle: time.Hour})
		mine := signIn(t, r, "ada", oneseat.SignInRequest{}).Session
		stream := play(t, r, mine, "p")
		synctest.Wait()
		before := r.Stats()
		for range 100 { // 10 minutes of a film, in pieces of 6 seconds
			time.Sleep(6 * time.Second)
			got, err := r.PlayStream(t.Context(), mine, stream.ID)
			if err != nil || got.ID != stream.ID {
				t.Fatal(got, err)
			}
		}
		synctest.Wait()
		if n := r.Stats().Updates - before.Updates; n < 600/45 || n > 600/15 {
			t.Errorf("%d updates in 10 minutes", n)
		}
		if got, err := r.Sessions(t.Context(), "ada"); err != nil || !got[0].LastSeen.Equal(mine.LastSeen) {
			t.Errorf("the session was seen at %v, %v", got, err)
		}
		time.Sleep(30*time.Second - 1) // a long piece, just in time
		if _, err := r.PlayStream(t.Context(), mine, stream.ID); err != nil {
			t.Fatal(err)
		}
		for range 4 { // a check keeps nothing
			time.Sleep(10 * time.Second)
			if _, err := r.CheckStream(t.Context(), mine, stream.ID); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(5 * time.Second)
		for what, play := range map[string]func() (oneseat.Stream, error){
			"play":  func() (oneseat.Stream, error) { return r.PlayStream(t.Context(), mine, stream.ID) },
			"check": func() (oneseat.Stream, error) { return r.CheckStream(t.Context(), mine, stream.ID) },
		} {
			if _, err := play(); err == nil {
				t.Errorf("%s: the stream did not lapse", what)
			}
		}
	})
}

// What plays is in use, for the order in which sessions give way.
func TestASessionThatPlaysIsNotTheIdlest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{Limit: 2, Streams: 1})
		tv := signIn(t, r, "ada", oneseat.SignInRequest{})
		phone := signIn(t, r, "ada", oneseat.SignInRequest{})
		stream := play(t, r, tv.Session, "tv")
		time.Sleep(15 * time.Second)
		wantLive(t, r, phone)
		time.Sleep(10 * time.Second)
		if _, err := r.PlayStream(t.Context(), tv.Session, stream.ID); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		signIn(t, r, "ada", oneseat.SignInRequest{})
		wantEnded(t, r, phone, oneseat.ReasonDisplaced)
		wantLive(t, r, tv)
	})
}

func TestAStreamIsPlayedByItsOwnSessionOnly(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{Limit: 2})
	mine, other := on(t, r, oneseat.ClassTV), on(t, r, oneseat.ClassMobile)
	stream := play(t, r, mine, "p")
	for name, s := range map[string]oneseat.Session{"another session": other, "none": {Account: "ada"}, "the stream itself": asSession(stream)} {
		if _, err := r.PlayStream(t.Context(), s, stream.ID); !errors.Is(err, oneseat.ErrNoSession) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := r.PlayStream(t.Context(), mine, mine.ID); !errors.Is(err, oneseat.ErrNoSession) {
		t.Error(err)
	}
}
