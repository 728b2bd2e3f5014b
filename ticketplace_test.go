package oneseat_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

// makeKnown gives a browser a session of the account that somebody else displaces, and
// returns the session that sits there then.
func makeKnown(t testing.TB, r node, account, id string) (there oneseat.Grant) {
	t.Helper()
	gone := signIn(t, r, account, oneseat.SignInRequest{DeviceID: id, Override: true})
	there = signIn(t, r, account, oneseat.SignInRequest{Override: true})
	_, err := r.CheckID(t.Context(), account, gone.Session.ID) // by its token, it would be written at any time that it was used after its end
	wantEnding(t, err, gone.Session.ID, oneseat.ReasonDisplaced)
	return there
}

// pending says whether a ticket is good, by redeeming it for nobody.
func pending(t testing.TB, r node, ticket oneseat.Ticket, id string) bool {
	t.Helper()
	_, err := r.Redeem(t.Context(), ticket, oneseat.SignInRequest{DeviceID: id})
	if _, full := errors.AsType[*oneseat.LimitError](err); full {
		return true
	}
	wantTicketError(t, "not pending", err)
	return false
}

// Somebody else who has the password asks again and again, from one browser or from
// many. The owner's ticket stays good, because the account knows its browser.
func TestNobodyPushesOutTheTicketOfABrowserThatIsKnown(t *testing.T) {
	strangers := map[string]func(try int) string{
		"without an id":    func(int) string { return "" },
		"with one id":      func(int) string { return deviceID("stranger") },
		"with ids anew":    func(try int) string { return deviceID(fmt.Sprint("stranger ", try)) },
		"with ids in turn": func(try int) string { return deviceID(fmt.Sprint("stranger ", try%3)) },
	}
	for name, stranger := range strangers {
		for _, before := range []int{0, 1, 7, 8, 20} {
			t.Run(fmt.Sprint(name, ", ", before, " before"), func(t *testing.T) {
				r := newNode(t, memstore.New(), asking)
				there := makeKnown(t, r, "ada", deviceID("mine"))
				for try := range before {
					refused(t, r, "ada", oneseat.SignInRequest{DeviceID: stranger(try)})
				}
				mine := refused(t, r, "ada", oneseat.SignInRequest{DeviceID: deviceID("mine")}).Ticket
				for try := range 20 {
					if full := refused(t, r, "ada", oneseat.SignInRequest{DeviceID: stranger(try)}); full.Ticket == "" {
						t.Fatalf("try %d got no ticket, and those of strangers could have gone", try)
					}
				}
				if n := len(stored(t, r.Store, "ada").Roster.Pending); n != 8 {
					t.Errorf("%d tickets are kept", n)
				}
				redeem(t, r, mine, oneseat.SignInRequest{DeviceID: deviceID("mine")}, there.Session.ID)
			})
		}
	}
}

// The session that makes a browser known may be live: here it has redeemed another of
// its tickets.
func TestABrowserWithASessionIsKnown(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{Limit: 2, WhenFull: oneseat.PolicyAsk})
	mine := oneseat.SignInRequest{DeviceID: deviceID("mine")}
	there := signIn(t, r, "ada", oneseat.SignInRequest{})
	signIn(t, r, "ada", oneseat.SignInRequest{})
	first, second := refused(t, r, "ada", mine).Ticket, refused(t, r, "ada", mine).Ticket
	redeem(t, r, second, mine, there.Session.ID)
	for range 20 {
		refused(t, r, "ada", oneseat.SignInRequest{})
	}
	redeem(t, r, first, mine) // it frees its own seat
}

// Of eight tickets the oldest of the ninth one's browser goes, else the oldest of a
// browser that the account does not know, else there is no ninth: the newcomer is
// refused.
func TestWhichTicketGoesWhereThereAreTooMany(t *testing.T) {
	for name, tt := range map[string]struct {
		from  string // the browsers, in order: k and l are known, u and v are not, - has no id
		ninth string
		goes  int // -1: none
	}{
		"its own":                           {"uvuvuvuv", "v", 1},
		"its own, before an older one":      {"uvukuvuv", "k", 3},
		"its own, the oldest of all":        {"kuvuvuvu", "k", 0},
		"its own, of a known browser":       {"kkkkllll", "l", 4},
		"the oldest unknown":                {"kkuvkkkk", "l", 2},
		"the oldest unknown, to one":        {"kuvvkvvv", "w", 1},
		"without an id none is its own":     {"ku-kkkkk", "-", 1},
		"without an id it is unknown":       {"k-ukkkkk", "l", 1},
		"all are known, of one":             {"kkkkkkkk", "u", -1},
		"all are known, of two":             {"klklklkl", "-", -1},
		"all are known, and so is it":       {"kkkkkkkk", "l", -1},
		"the last is the one that may go":   {"kkkkkkku", "l", 7},
		"the first is the one that may go":  {"ukkkkkkk", "l", 0},
		"the last is of its own, and known": {"kkkkkkkl", "l", 7},
	} {
		t.Run(name, func(t *testing.T) {
			r := newNode(t, memstore.New(), asking)
			id := func(of string) string {
				if of == "-" {
					return ""
				}
				return deviceID(of)
			}
			makeKnown(t, r, "ada", id("k"))
			makeKnown(t, r, "ada", id("l"))
			var tickets []oneseat.Ticket
			for i := range tt.from {
				tickets = append(tickets, refused(t, r, "ada", oneseat.SignInRequest{DeviceID: id(tt.from[i : i+1])}).Ticket)
			}
			if slices.Contains(tickets, "") {
				t.Fatal("one of eight has no ticket")
			}
			refusals := r.Stats().Refused
			ninth := refused(t, r, "ada", oneseat.SignInRequest{DeviceID: id(tt.ninth)}).Ticket
			events := logged(t, r.Store.(oneseat.History), "ada")
			is, of, more := events[len(events)-1].Type, oneseat.EventSignInAsked, r.Stats().Refused-refusals
			if tt.goes < 0 {
				of, more = oneseat.EventSignInRefused, more-1
			}
			if (ninth == "") != (tt.goes < 0) || is != of || more != 0 {
				t.Errorf("the ninth got %q, the event is %s, %d refusals are counted wrongly", ninth, is, more)
			}
			if ninth != "" && !pending(t, r, ninth, id(tt.ninth)) {
				t.Error("the ninth is not pending")
			}
			for i, ticket := range tickets {
				if good := pending(t, r, ticket, id(tt.from[i:i+1])); good != (i != tt.goes) {
					t.Errorf("ticket %d is pending: %v", i, good)
				}
			}
		})
	}
}

// A player's id is no device id, even if a device's id is spelt like one.
func TestAPlayerMakesNoBrowserKnown(t *testing.T) {
	for _, over := range []bool{false, true} {
		r := newNode(t, memstore.New(), oneseat.Config{WhenFull: oneseat.PolicyAsk, Streams: 1})
		there := makeKnown(t, r, "ada", deviceID("k"))
		playing := play(t, r, there.Session, "one of sixteen by")
		if over {
			play(t, r, there.Session, "another", playing.ID)
		}
		first := refused(t, r, "ada", oneseat.SignInRequest{DeviceID: "player one of sixteen by"}).Ticket
		for range 7 {
			refused(t, r, "ada", oneseat.SignInRequest{DeviceID: deviceID("k")})
		}
		refused(t, r, "ada", oneseat.SignInRequest{})
		if pending(t, r, first, "player one of sixteen by") {
			t.Errorf("the ticket of a browser that is named like a player stays (the stream is over: %v)", over)
		}
	}
}
