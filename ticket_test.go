package oneseat_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

var asking = oneseat.Config{WhenFull: oneseat.PolicyAsk}

// refused signs in where there is no room.
func refused(t testing.TB, r node, account string, from oneseat.SignInRequest) *oneseat.LimitError {
	t.Helper()
	g, err := r.SignIn(t.Context(), account, from)
	full, ok := errors.AsType[*oneseat.LimitError](err)
	if !ok || g.Token != "" || g.Session.ID != "" {
		t.Fatalf("sign-in of %s: %+v, %v; want that it is full", account, g, err)
	}
	return full
}

func redeem(t testing.TB, r node, ticket oneseat.Ticket, from oneseat.SignInRequest, ids ...oneseat.SessionID) oneseat.Grant {
	t.Helper()
	g, err := r.Redeem(t.Context(), ticket, from, ids...)
	if err != nil {
		t.Fatalf("redeem: %v", err)
	}
	return g
}

func wantTicketError(t testing.TB, what string, err error) {
	t.Helper()
	if bad, ok := errors.AsType[*oneseat.TicketError](err); !ok || bad.Problem == "" || !strings.Contains(err.Error(), "sign in again") {
		t.Errorf("%s: %v, want a *TicketError", what, err)
	}
}

// liveIDs are the sessions that the store has of an account, in their order.
func liveIDs(t testing.TB, s oneseat.Store, account string) []oneseat.SessionID {
	t.Helper()
	var ids []oneseat.SessionID
	if ro := stored(t, s, account).Roster; ro != nil {
		for _, seat := range ro.Seats {
			ids = append(ids, seat.ID)
		}
	}
	return ids
}

func wantIDs(t testing.TB, s oneseat.Store, account string, want ...oneseat.SessionID) {
	t.Helper()
	if got := liveIDs(t, s, account); !slices.Equal(got, want) {
		t.Errorf("live are %v, want %v", got, want)
	}
}

// LIM-05: the newcomer gets the list of live sessions, and a ticket, which holds no
// seat. With the ticket, the sessions that it chooses end and it is admitted, in one
// step.
func TestTheTicketLetsTheNewcomerChoose(t *testing.T) {
	a, b, store := newSystem(t, oneseat.Config{Limit: 2, WhenFull: oneseat.PolicyAsk})
	first := signIn(t, a, "ada", oneseat.SignInRequest{Device: laptop})
	second := signIn(t, a, "ada", oneseat.SignInRequest{Device: phone})
	from := oneseat.SignInRequest{Device: oneseat.Device{Label: "TV", Class: "tv"}, DeviceID: deviceID("d")}
	full := refused(t, a, "ada", from)
	if full.Limit != 2 || full.Bound != "total" || !slices.Equal(full.Live, []oneseat.Session{second.Session, first.Session}) || full.Ticket == "" {
		t.Errorf("it says %+v", full)
	}
	if want := "oneseat: sign-in refused: 2 of 2 seats are taken: ask which session is to end, and redeem the ticket"; full.Error() != want {
		t.Errorf("it says %q", full)
	}
	wantIDs(t, store, "ada", first.Session.ID, second.Session.ID)
	if s := a.Stats(); s.Asked != 1 || s.Refused != 0 || s.SignIns != 2 || s.Displaced != 0 {
		t.Errorf("stats: %+v", s)
	}

	got := redeem(t, b, full.Ticket, from, first.Session.ID)
	ending := wantEnded(t, b, first, oneseat.ReasonDisplaced)
	if ending.By != got.Session.ID || ending.ByDevice.Label != "TV" {
		t.Errorf("the ending is %+v", ending)
	}
	if got.Session.Account != "ada" || got.Session.Device.Class != "tv" {
		t.Errorf("admitted is %+v", got.Session)
	}
	wantLive(t, a, second)
	wantLive(t, a, got)
	if s := b.Stats(); s.Asked != 0 || s.SignIns != 1 || s.Displaced != 1 {
		t.Errorf("stats: %+v", s)
	}
	var told []string
	for _, e := range logged(t, store, "ada")[2:] {
		if e.Type != oneseat.EventSessionUsedAfterEnd {
			told = append(told, fmt.Sprint(e.Type, " ", e.Device.Label))
		}
	}
	if want := []string{"signin_asked TV", "session_ended Firefox on Linux", "session_created TV"}; !slices.Equal(told, want) {
		t.Errorf("events: %q, want %q", told, want)
	}
	_, err := a.Redeem(t.Context(), full.Ticket, from, second.Session.ID)
	wantTicketError(t, "used again", err)
	wantLive(t, a, second)
}

// LIM-05: a ticket passes no check, and no call that takes a token.
func TestATicketIsNoToken(t *testing.T) {
	r := newNode(t, memstore.New(), asking)
	g := signIn(t, r, "ada", oneseat.SignInRequest{})
	ticket := refused(t, r, "ada", oneseat.SignInRequest{}).Ticket
	text := string(ticket)
	if !strings.HasPrefix(text, oneseat.TicketPrefix) {
		t.Fatal("it does not begin with its prefix")
	}
	for _, spelt := range []string{text, oneseat.TokenPrefix + text[len(oneseat.TicketPrefix):]} {
		_, check := r.Check(t.Context(), spelt)
		_, peek := r.Peek(t.Context(), spelt)
		_, rotate := r.Rotate(t.Context(), spelt)
		_, enter := r.CheckAndWatch(t.Context(), spelt, true, new(oneseat.Watch), oneseat.WatcherFunc(func(error) {}))
		for _, err := range []error{check, peek, rotate, enter, r.SignOut(t.Context(), spelt)} {
			wantError(t, err, oneseat.ErrNoSession)
		}
		again := refused(t, r, "ada", oneseat.SignInRequest{Token: spelt}) // it renews nothing
		if len(again.Live) != 1 {
			t.Errorf("live are %+v", again.Live)
		}
	}
	token := string(g.Token)
	for _, spelt := range []string{token, oneseat.TicketPrefix + token[len(oneseat.TokenPrefix):], ""} {
		_, err := r.Redeem(t.Context(), oneseat.Ticket(spelt), oneseat.SignInRequest{}, g.Session.ID)
		wantTicketError(t, "a token", err)
	}
	wantLive(t, r, g)
}

// forgedTicket is one for an account of a realm that nobody ever was given.
func forgedTicket(realm, account string) oneseat.Ticket {
	k := oneseat.KeyOf(realm, account)
	b := append(k[:], bytes.Repeat([]byte{7}, 32)...)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return oneseat.Ticket(oneseat.TicketPrefix + base64.RawURLEncoding.EncodeToString(b))
}

func TestABadTicketIsATypedErrorAndChangesNothing(t *testing.T) {
	a, b, store := newSystem(t, asking)
	mine := oneseat.SignInRequest{DeviceID: deviceID("mine")}
	there := signIn(t, a, "ada", oneseat.SignInRequest{})
	ticket := refused(t, a, "ada", mine).Ticket
	signIn(t, a, "grace", oneseat.SignInRequest{})
	other := refused(t, a, "grace", mine).Ticket
	elsewhere := newNode(t, store, oneseat.Config{WhenFull: oneseat.PolicyAsk, Realm: "another"})
	signIn(t, elsewhere, "ada", oneseat.SignInRequest{})

	raw := func(t oneseat.Ticket) []byte {
		b, _ := base64.RawURLEncoding.DecodeString(string(t[len(oneseat.TicketPrefix):]))
		return b
	}
	spell := func(key, secret []byte) oneseat.Ticket {
		b := slices.Concat(key, secret)
		return oneseat.Ticket(oneseat.TicketPrefix + base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))))
	}
	before := string(encode(t, stored(t, store, "ada").Roster))
	refuse := func(what string, r node, ticket oneseat.Ticket, from oneseat.SignInRequest) {
		t.Helper()
		_, err := r.Redeem(t.Context(), ticket, from, there.Session.ID)
		wantTicketError(t, what, err)
	}
	for i := range raw(ticket) {
		altered := raw(ticket)
		altered[i] ^= 1
		refuse(fmt.Sprint("byte ", i), b, oneseat.Ticket(oneseat.TicketPrefix+base64.RawURLEncoding.EncodeToString(altered)), mine)
		if i < 48 { // with the checksum that goes with it
			refuse(fmt.Sprint("byte ", i, ", summed up"), b, spell(altered[:16], altered[16:48]), mine)
		}
	}
	for i := range ticket {
		refuse(fmt.Sprint("character ", i), b, ticket[:i]+"!"+ticket[i+1:], mine)
		refuse(fmt.Sprint("cut at ", i), b, ticket[:i], mine)
	}
	refuse("of another account, by its secret", b, spell(raw(ticket)[:16], raw(other)[16:48]), mine)
	refuse("of another account, by its key", b, spell(raw(other)[:16], raw(ticket)[16:48]), mine)
	refuse("of another device", b, ticket, oneseat.SignInRequest{DeviceID: deviceID("theirs")})
	refuse("of a device without an id", b, ticket, oneseat.SignInRequest{})
	refuse("of another realm", elsewhere, ticket, mine)
	refuse("of nobody", b, forgedTicket(realm, "nobody"), mine)
	refuse("of the realm's control record", b, forgedTicket(realm, ""), mine)
	if after := string(encode(t, stored(t, store, "ada").Roster)); after != before {
		t.Errorf("the roster was\n%s\nand is\n%s", before, after)
	}
	wantLive(t, a, there)
	redeem(t, b, ticket, mine, there.Session.ID) // and it is as good as ever
}

func TestATicketIsGoodForFiveMinutes(t *testing.T) {
	for _, tt := range []struct {
		after time.Duration
		good  bool
	}{{5*time.Minute - time.Microsecond, true}, {5 * time.Minute, false}, {time.Hour, false}} {
		synctest.Test(t, func(t *testing.T) {
			r := newNode(t, memstore.New(), oneseat.Config{WhenFull: oneseat.PolicyAsk, MaxStale: time.Minute})
			there := signIn(t, r, "ada", oneseat.SignInRequest{})
			ticket := refused(t, r, "ada", oneseat.SignInRequest{}).Ticket
			time.Sleep(tt.after)
			_, err := r.Redeem(t.Context(), ticket, oneseat.SignInRequest{}, there.Session.ID)
			if !tt.good {
				wantTicketError(t, tt.after.String(), err)
				wantLive(t, r, there)
				if n := len(stored(t, r.Store, "ada").Roster.Pending); n != 0 {
					t.Errorf("after %v %d tickets are kept", tt.after, n)
				}
			} else if err != nil {
				t.Errorf("after %v: %v", tt.after, err)
			}
		})
	}
}

func TestTheSweepDropsTickets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{WhenFull: oneseat.PolicyAsk, MaxStale: time.Minute})
		signIn(t, r, "ada", oneseat.SignInRequest{})
		refused(t, r, "ada", oneseat.SignInRequest{})
		time.Sleep(5*time.Minute - time.Second)
		if n := len(stored(t, r.Store, "ada").Roster.Pending); n != 1 {
			t.Errorf("%d tickets are kept", n)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if n := len(stored(t, r.Store, "ada").Roster.Pending); n != 0 {
			t.Errorf("%d tickets are kept", n)
		}
	})
}

// An end of all other sessions, or a change of the password, also shuts out newcomers
// that were about to choose.
func TestTicketsAreVoidedByWhatEndsEverything(t *testing.T) {
	for name, void := range map[string]func(r node, keep oneseat.SessionID) error{
		"end others": func(r node, keep oneseat.SessionID) error {
			_, err := r.EndOthers(t.Context(), "ada", keep, oneseat.EndOptions{Reason: oneseat.ReasonCredentialsChanged})
			return err
		},
		"end all": func(r node, _ oneseat.SessionID) error {
			_, err := r.EndAll(t.Context(), "ada", oneseat.EndOptions{})
			return err
		},
		"block": func(r node, _ oneseat.SessionID) error {
			return errors.Join(r.Block(t.Context(), "ada", time.Time{}, ""), r.Unblock(t.Context(), "ada", ""))
		},
		"end realm": func(r node, _ oneseat.SessionID) error { return r.EndRealm(t.Context(), "") },
	} {
		t.Run(name, func(t *testing.T) {
			// A session that idles out before the ticket expires: nothing but the ticket
			// changes where nobody else is signed in.
			a, b, store := newSystem(t, oneseat.Config{WhenFull: oneseat.PolicyAsk, Idle: time.Minute})
			there := signIn(t, a, "ada", oneseat.SignInRequest{})
			ticket := refused(t, a, "ada", oneseat.SignInRequest{}).Ticket
			if err := void(a, there.Session.ID); err != nil {
				t.Fatal(err)
			}
			_, err := b.Redeem(t.Context(), ticket, oneseat.SignInRequest{}, there.Session.ID)
			wantTicketError(t, name, err)
			if ids := liveIDs(t, store, "ada"); slices.ContainsFunc(ids, func(id oneseat.SessionID) bool { return id != there.Session.ID }) {
				t.Errorf("live are %v", ids)
			}
		})
	}
	// An end of some sessions does not.
	r := newNode(t, memstore.New(), oneseat.Config{Limit: 2, WhenFull: oneseat.PolicyAsk})
	there := signIn(t, r, "ada", oneseat.SignInRequest{})
	signIn(t, r, "ada", oneseat.SignInRequest{})
	ticket := refused(t, r, "ada", oneseat.SignInRequest{}).Ticket
	if n, err := r.End(t.Context(), "ada", oneseat.EndOptions{}, there.Session.ID); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	redeem(t, r, ticket, oneseat.SignInRequest{})
}

// A ticket's data has room when the ticket is given. When it is used, others may have that
// room, unless they are among those that end.
func TestATicketWhoseDataHasNoRoomAnyMoreIsRefused(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{Limit: 65, WhenFull: oneseat.PolicyAsk})
	data := strings.Repeat("x", oneseat.MaxData)
	for range oneseat.MaxAccountData/oneseat.MaxData - 1 {
		signIn(t, r, "ada", oneseat.SignInRequest{Data: data})
	}
	filled, empty := signIn(t, r, "ada", oneseat.SignInRequest{}), signIn(t, r, "ada", oneseat.SignInRequest{})
	full := refused(t, r, "ada", oneseat.SignInRequest{Data: data})
	if err := r.SetData(t.Context(), filled.Session, data); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Redeem(t.Context(), full.Ticket, oneseat.SignInRequest{}, empty.Session.ID); !errors.As(err, new(*oneseat.DataError)) {
		t.Errorf("in the place of a session without data: %v, want a *DataError", err)
	}
	if g, err := r.Redeem(t.Context(), full.Ticket, oneseat.SignInRequest{}, filled.Session.ID); err != nil || g.Session.Data != data {
		t.Errorf("in the place of a session with data: %v", err)
	}
}

// LIM-01, LIM-05: the choice is counted again at commit. An id that frees no seat
// lets nobody in over the limit, whatever it is the id of.
func TestWhoIsNotThereFreesNoSeat(t *testing.T) {
	a, _, store := newSystem(t, oneseat.Config{Limit: 2, WhenFull: oneseat.PolicyAsk, Streams: 1})
	gone := signIn(t, a, "ada", oneseat.SignInRequest{})
	if err := a.SignOut(t.Context(), string(gone.Token)); err != nil {
		t.Fatal(err)
	}
	foreign := signIn(t, a, "grace", oneseat.SignInRequest{})
	first, second := signIn(t, a, "ada", oneseat.SignInRequest{}), signIn(t, a, "ada", oneseat.SignInRequest{})
	stream := play(t, a, first.Session, "p")
	ticket := refused(t, a, "ada", oneseat.SignInRequest{}).Ticket
	for name, ids := range map[string][]oneseat.SessionID{
		"none": nil, "another account's": {foreign.Session.ID}, "one that has ended": {gone.Session.ID}, "nobody's": {"x", ""},
		"a stream": {stream.ID}, "all of these": {foreign.Session.ID, gone.Session.ID, "x", stream.ID, foreign.Session.ID},
	} {
		_, err := a.Redeem(t.Context(), ticket, oneseat.SignInRequest{}, ids...)
		full, ok := errors.AsType[*oneseat.LimitError](err)
		if !ok || full.Ticket != ticket || len(full.Live) != 2 {
			t.Errorf("%s: %v", name, err)
		}
		wantIDs(t, store, "ada", first.Session.ID, second.Session.ID, stream.ID)
	}
	wantLive(t, a, foreign)
	if s := a.Stats(); s.Asked != 7 {
		t.Errorf("stats: %+v", s)
	}
	// Besides one that is there they do no harm; named twice it ends once.
	got := redeem(t, a, ticket, oneseat.SignInRequest{}, first.Session.ID, foreign.Session.ID, gone.Session.ID, stream.ID, first.Session.ID)
	wantIDs(t, store, "ada", second.Session.ID, got.Session.ID)
	wantLive(t, a, foreign)
	if n := count(logged(t, store, "ada"), oneseat.EventSessionEnded); n != 2 {
		t.Errorf("%d ends", n)
	}
}

// A session that has just ended may be chosen: somebody else may have been quicker, and
// there is room.
func TestAChosenSessionMayHaveEndedAlready(t *testing.T) {
	r := newNode(t, memstore.New(), asking)
	there := signIn(t, r, "ada", oneseat.SignInRequest{})
	ticket := refused(t, r, "ada", oneseat.SignInRequest{}).Ticket
	if err := r.SignOut(t.Context(), string(there.Token)); err != nil {
		t.Fatal(err)
	}
	wantLive(t, r, redeem(t, r, ticket, oneseat.SignInRequest{}, there.Session.ID))
	wantEnded(t, r, there, oneseat.ReasonSignedOut)

	// The sessions that it chose end even if there is room by now, as documented.
	two := newNode(t, memstore.New(), oneseat.Config{Limit: 2, WhenFull: oneseat.PolicyAsk})
	first, second := signIn(t, two, "ada", oneseat.SignInRequest{}), signIn(t, two, "ada", oneseat.SignInRequest{})
	ticket = refused(t, two, "ada", oneseat.SignInRequest{}).Ticket
	if err := two.SignOut(t.Context(), string(first.Token)); err != nil {
		t.Fatal(err)
	}
	got := redeem(t, two, ticket, oneseat.SignInRequest{}, second.Session.ID)
	wantIDs(t, two.Store, "ada", got.Session.ID)
}

// If the limit was lowered by more, or the account was filled anew, more have to
// be chosen.
func TestAllWhoHaveToGoAreChosenOrNobodyGoes(t *testing.T) {
	store := memstore.New()
	wide := newNode(t, store, oneseat.Config{Limit: 3, WhenFull: oneseat.PolicyAsk})
	var g []oneseat.Grant
	for range 3 {
		g = append(g, signIn(t, wide, "ada", oneseat.SignInRequest{}))
	}
	ticket := refused(t, wide, "ada", oneseat.SignInRequest{}).Ticket
	if err := wide.SetLimit(t.Context(), "ada", oneseat.Limits{Total: 3, Classes: map[oneseat.Class]int{"other": 3, "tv": 1}}, ""); err != nil {
		t.Fatal(err)
	}
	got := redeem(t, wide, ticket, oneseat.SignInRequest{}, g[2].Session.ID, g[1].Session.ID)
	wantIDs(t, store, "ada", g[0].Session.ID, got.Session.ID)
	for _, gone := range g[1:] {
		wantEnded(t, wide, gone, oneseat.ReasonDisplaced)
	}
}

// Only the eight newest are kept: nobody who knows the password can fill the roster
// with tickets.
func TestAnAccountHasEightTicketsAtMost(t *testing.T) {
	r := newNode(t, memstore.New(), asking)
	there := signIn(t, r, "ada", oneseat.SignInRequest{})
	var tickets []oneseat.Ticket
	for range 10 {
		tickets = append(tickets, refused(t, r, "ada", oneseat.SignInRequest{}).Ticket)
	}
	if n := len(stored(t, r.Store, "ada").Roster.Pending); n != 8 {
		t.Fatalf("%d tickets are kept", n)
	}
	for _, old := range tickets[:2] {
		_, err := r.Redeem(t.Context(), old, oneseat.SignInRequest{}, there.Session.ID)
		wantTicketError(t, "the ninth newest", err)
	}
	got := redeem(t, r, tickets[2], oneseat.SignInRequest{}, there.Session.ID)
	for _, ticket := range tickets[3:] {
		next := redeem(t, r, ticket, oneseat.SignInRequest{}, got.Session.ID)
		wantEnded(t, r, got, oneseat.ReasonDisplaced)
		got = next
	}
	if n := len(stored(t, r.Store, "ada").Roster.Pending); n != 0 {
		t.Errorf("%d used tickets are kept", n)
	}
}

// refusedTicket redeems a ticket without choosing anybody.
func refusedTicket(t testing.TB, r node, ticket oneseat.Ticket) *oneseat.LimitError {
	t.Helper()
	_, err := r.Redeem(t.Context(), ticket, oneseat.SignInRequest{})
	full, ok := errors.AsType[*oneseat.LimitError](err)
	if !ok {
		t.Fatalf("redeemed for nobody: %v", err)
	}
	return full
}

// Under PolicyAsk a renewal, and an owner that is vouched for, are not asked. An
// adoption gets no ticket. Under the other policies no newcomer gets one.
func TestWhoIsNotAsked(t *testing.T) {
	store := memstore.New()
	r := newNode(t, store, oneseat.Config{WhenFull: oneseat.PolicyAsk, AdoptUntil: time.Now().Add(time.Hour)})
	first := signIn(t, r, "ada", oneseat.SignInRequest{})
	second := signIn(t, r, "ada", oneseat.SignInRequest{Token: string(first.Token)})
	wantEnded(t, r, first, oneseat.ReasonRenewed)
	_, err := r.Adopt(t.Context(), "ada", time.Now().Add(-time.Hour), oneseat.SignInRequest{})
	wantError(t, err, oneseat.ErrNoSession)
	if n := len(stored(t, store, "ada").Roster.Pending); n != 0 {
		t.Errorf("%d tickets", n)
	}
	signIn(t, r, "grace", oneseat.SignInRequest{}) // of whom nothing has ended
	_, err = r.Adopt(t.Context(), "grace", time.Now().Add(-time.Hour), oneseat.SignInRequest{})
	wantError(t, err, oneseat.ErrNoSession)
	if n := len(stored(t, store, "grace").Roster.Pending); n != 0 {
		t.Errorf("%d tickets", n)
	}
	third := signIn(t, r, "ada", oneseat.SignInRequest{Override: true})
	wantEnded(t, r, second, oneseat.ReasonDisplaced)
	ticket := refused(t, r, "ada", oneseat.SignInRequest{}).Ticket

	// A ticket outlives a change of the policy; nobody else gets one.
	refusing := newNode(t, store, oneseat.Config{WhenFull: oneseat.PolicyRefuse})
	if full := refused(t, refusing, "ada", oneseat.SignInRequest{}); full.Ticket != "" {
		t.Error("a ticket, and nobody is asked")
	}
	if full := refusedTicket(t, refusing, ticket); full.Ticket != "" || refusing.Stats().Asked != 0 || refusing.Stats().Refused != 2 {
		t.Errorf("it says %+v, %+v", full, refusing.Stats())
	}
	fourth := redeem(t, refusing, ticket, oneseat.SignInRequest{}, third.Session.ID)
	wantEnded(t, refusing, third, oneseat.ReasonDisplaced)
	wantLive(t, refusing, fourth)
}

// A redeemed ticket signs the browser in to its account, and ends the session of another
// account that the browser had before.
func TestRedeemingInABrowserOfAnotherAccountEndsThatSession(t *testing.T) {
	r := newNode(t, memstore.New(), asking)
	grace := signIn(t, r, "grace", oneseat.SignInRequest{})
	there := signIn(t, r, "ada", oneseat.SignInRequest{})
	from := oneseat.SignInRequest{Token: string(grace.Token)}
	ticket := refused(t, r, "ada", from).Ticket
	wantLive(t, r, grace)
	redeem(t, r, ticket, from, there.Session.ID)
	wantEnded(t, r, grace, oneseat.ReasonSignedOut)
}

// USR-05: a forged ticket shows nothing of an account. It costs one read, and reaches
// neither the store's writer nor the application.
func TestForgedTicketsLearnNothing(t *testing.T) {
	var asked atomic.Int64
	r := newNode(t, memstore.New(), oneseat.Config{WhenFull: oneseat.PolicyAsk, LimitFor: func(context.Context, string) (oneseat.Limits, error) {
		asked.Add(1)
		return oneseat.Limits{}, nil
	}})
	signIn(t, r, "signed in", oneseat.SignInRequest{})
	signIn(t, r, "asked", oneseat.SignInRequest{})
	refused(t, r, "asked", oneseat.SignInRequest{})
	if err := r.Block(t.Context(), "blocked", time.Time{}, ""); err != nil {
		t.Fatal(err)
	}
	updates, loads, before := r.updates.Load(), r.loads.Load(), asked.Load()
	says := map[string]bool{}
	for _, account := range []string{"signed in", "asked", "blocked", "nobody", ""} {
		_, err := r.Redeem(t.Context(), forgedTicket(realm, account), oneseat.SignInRequest{}, "x")
		wantTicketError(t, account, err)
		says[err.Error()] = true
	}
	if len(says) != 1 {
		t.Errorf("it tells them apart: %v", says)
	}
	if r.updates.Load() != updates || r.loads.Load() != loads+5 || asked.Load() != before {
		t.Errorf("%d updates, %d reads, the application was asked %d times", r.updates.Load()-updates, r.loads.Load()-loads, asked.Load()-before)
	}
	mistyped := []byte(forgedTicket(realm, "asked"))
	mistyped[30] ^= 1
	for _, ticket := range []oneseat.Ticket{"oneseat_ticket_x", oneseat.Ticket(mistyped)} {
		_, err := r.Redeem(t.Context(), ticket, oneseat.SignInRequest{})
		wantTicketError(t, "malformed", err)
	}
	if r.loads.Load() != loads+5 {
		t.Error("a malformed ticket is looked for")
	}
	r.unreadable()
	_, err := r.Redeem(t.Context(), forgedTicket(realm, "asked"), oneseat.SignInRequest{})
	wantError(t, err, oneseat.ErrStoreUnavailable)
}

// P7: a ticket is as precious as a password. Nothing shows one, and the database
// has its hash only.
func TestATicketIsShownByNothing(t *testing.T) {
	var heard bytes.Buffer
	r := newNode(t, memstore.New(), oneseat.Config{WhenFull: oneseat.PolicyAsk, Logger: slog.New(slog.NewJSONHandler(&heard, nil))})
	signIn(t, r, "ada", oneseat.SignInRequest{})
	full := refused(t, r, "ada", oneseat.SignInRequest{DeviceID: "canary-device-id"})
	again := refused(t, r, "ada", oneseat.SignInRequest{})
	var shown bytes.Buffer
	for _, v := range []any{full, *full, full.Ticket, &full.Ticket, []oneseat.Ticket{full.Ticket}, map[string]oneseat.Ticket{"t": full.Ticket}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			fmt.Fprintf(&shown, verb+"\n", v)
		}
		if err := json.NewEncoder(&shown).Encode(v); err != nil {
			t.Fatal(err)
		}
		slog.New(slog.NewTextHandler(&shown, nil)).Info("asked", "is", v)
		slog.New(slog.NewJSONHandler(&shown, nil)).Info("asked", "is", v)
	}
	if !strings.Contains(shown.String(), "oneseat_ticket_[secret]") {
		t.Error("nothing says that there is a ticket")
	}
	_, used := r.Redeem(t.Context(), again.Ticket, oneseat.SignInRequest{DeviceID: deviceID("another")})
	wantTicketError(t, "another device", used)
	roster := encode(t, stored(t, r.Store, "ada").Roster)
	events, err := json.Marshal(logged(t, r.Store.(oneseat.History), ""))
	if err != nil {
		t.Fatal(err)
	}
	places := map[string]string{
		"printed": shown.String(), "errors": fmt.Sprintf("%+v %#v %+v %#v", full, full, used, used),
		"the stored roster": string(roster), "the events": string(events), "the log": heard.String(),
	}
	for _, ticket := range []oneseat.Ticket{full.Ticket, again.Ticket} {
		text := string(ticket)
		raw, _ := base64.RawURLEncoding.DecodeString(text[len(oneseat.TicketPrefix):])
		secret := raw[16:48]
		for where, what := range places {
			for _, canary := range []string{
				text, text[len(oneseat.TicketPrefix)+24:], fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), string(secret),
				base64.StdEncoding.EncodeToString(secret), base64.RawURLEncoding.EncodeToString(secret), fmt.Sprintf("%x", text), "canary-device-id",
			} {
				if strings.Contains(what, canary) {
					t.Errorf("%s: a ticket is shown", where)
				}
			}
		}
	}
	// The hash redeems nothing, and the events do not even hold that.
	for _, p := range stored(t, r.Store, "ada").Roster.Pending {
		hash, _ := p.Secret.MarshalText()
		for _, text := range []string{string(hash), oneseat.TicketPrefix + string(hash)} {
			_, err := r.Redeem(t.Context(), oneseat.Ticket(text), oneseat.SignInRequest{})
			wantTicketError(t, "a hash", err)
		}
		if strings.Contains(places["the events"], string(hash)) {
			t.Error("the events show a digest")
		}
	}
}
