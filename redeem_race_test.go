package oneseat_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/record"
	"github.com/oneseat/oneseat/store/memstore"
)

// guarded watches every commit of an account and counts those that break the
// bound.
func guarded(t testing.TB, f *faulty, account string, most int) {
	t.Helper()
	key := oneseat.KeyOf(realm, account)
	f.set(func() {
		f.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
			return next(ctx, k, func(v oneseat.View) (oneseat.Change, error) {
				did, err := c(v)
				if k == key && did.Roster != nil && len(record.Of(did.Roster).Seats) > most {
					t.Errorf("%d live of %d were committed", len(record.Of(did.Roster).Seats), most)
				}
				return did, err
			})
		}
	})
}

// LIM-01, LIM-05: tickets redeemed at once leave at most the limit, and each admits
// once, on whichever nodes.
func TestTicketsRedeemedAtOnceLeaveAtMostTheLimit(t *testing.T) {
	for _, limit := range []int{1, 3} {
		for range 10 {
			a, b, store := newSystem(t, oneseat.Config{Limit: limit, WhenFull: oneseat.PolicyAsk})
			guarded(t, a.faulty, "ada", limit)
			guarded(t, b.faulty, "ada", limit)
			var there []oneseat.SessionID
			for range limit {
				there = append(there, signIn(t, a, "ada", oneseat.SignInRequest{}).Session.ID)
			}
			var tickets []oneseat.Ticket
			for range 8 {
				tickets = append(tickets, refused(t, a, "ada", oneseat.SignInRequest{}).Ticket)
			}
			var wg sync.WaitGroup
			start := make(chan struct{})
			var admitted [8]atomic.Int64
			for i := range 32 {
				wg.Go(func() {
					<-start
					g, err := []node{a, b}[i%2].Redeem(t.Context(), tickets[i%8], oneseat.SignInRequest{}, there[i%limit])
					_, full := errors.AsType[*oneseat.LimitError](err)
					_, used := errors.AsType[*oneseat.TicketError](err)
					switch {
					case err == nil:
						admitted[i%8].Add(1)
						wantLive(t, a, g) // nobody chose it to end, because nobody knows it
					case !full && !used:
						t.Error(err)
					}
				})
			}
			close(start)
			wg.Wait()
			n := 0
			for i := range admitted {
				if admitted[i].Load() > 1 {
					t.Errorf("a ticket admitted %d", admitted[i].Load())
				}
				n += int(admitted[i].Load())
			}
			if live := liveIDs(t, store, "ada"); len(live) != limit || n != limit {
				t.Errorf("%d of %d live, %d admitted", len(live), limit, n)
			}
		}
	}
}

// P1, STO: neither does a lost reply admit twice.
func TestTicketsRedeemedAtOnceWithLostReplies(t *testing.T) {
	for round := range 5 {
		a, b, store := newSystem(t, oneseat.Config{Limit: 2, WhenFull: oneseat.PolicyAsk})
		there := []oneseat.SessionID{
			signIn(t, a, "ada", oneseat.SignInRequest{}).Session.ID, signIn(t, a, "ada", oneseat.SignInRequest{}).Session.ID,
		}
		var tickets []oneseat.Ticket
		for range 8 {
			tickets = append(tickets, refused(t, a, "ada", oneseat.SignInRequest{}).Ticket)
		}
		var calls atomic.Int64
		for _, r := range []node{a, b} {
			r.set(func() {
				r.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
					v, err := next(ctx, k, func(v oneseat.View) (oneseat.Change, error) {
						did, err := c(v)
						if did.Roster != nil && len(record.Of(did.Roster).Seats) > 2 {
							t.Errorf("%d live of 2 were committed", len(record.Of(did.Roster).Seats))
						}
						return did, err
					})
					if n := calls.Add(1); err == nil && n%3 != int64(round%3) {
						return oneseat.View{}, oneseat.ErrUnknownOutcome
					}
					return v, err
				}
			})
		}
		var wg sync.WaitGroup
		start := make(chan struct{})
		admitted := make(chan oneseat.Grant, len(tickets))
		for i, ticket := range tickets {
			wg.Go(func() {
				<-start
				g, err := []node{a, b}[i%2].Redeem(t.Context(), ticket, oneseat.SignInRequest{}, there[i/2%2])
				_, full := errors.AsType[*oneseat.LimitError](err)
				switch {
				case err == nil:
					admitted <- g
				case !full && !errors.Is(err, oneseat.ErrUnknownOutcome):
					t.Error(err)
				}
			})
		}
		close(start)
		wg.Wait()
		live := liveIDs(t, store, "ada")
		if n := len(admitted); len(live) != 2 || n > 2 {
			t.Errorf("%d live, %d admitted", len(live), n)
		}
		close(admitted)
		a.up()
		for g := range admitted {
			wantLive(t, a, g)
		}
		if created := count(logged(t, store, "ada"), oneseat.EventSessionCreated); created != 4 {
			t.Errorf("%d sessions were made of 4", created)
		}
	}
}

func TestALostReplyNeitherAdmitsTwiceNorLosesTheTicket(t *testing.T) {
	r := newNode(t, memstore.New(), asking)
	there := signIn(t, r, "ada", oneseat.SignInRequest{})
	key := oneseat.KeyOf(realm, "ada")
	r.loseReplies(key, 2, nil)
	ticket := refused(t, r, "ada", oneseat.SignInRequest{}).Ticket
	if n := len(stored(t, r.Store, "ada").Roster.Pending); n != 1 {
		t.Errorf("%d tickets for one newcomer", n)
	}
	if s := r.Stats(); s.Asked != 1 {
		t.Errorf("stats: %+v", s)
	}
	r.loseReplies(key, 1, nil)
	again := refusedTicket(t, r, ticket) // chooses nobody
	if again.Ticket != ticket {
		t.Error("another ticket")
	}
	r.loseReplies(key, 2, nil)
	got := redeem(t, r, ticket, oneseat.SignInRequest{}, there.Session.ID)
	wantIDs(t, r.Store, "ada", got.Session.ID)
	if n := count(logged(t, r.Store.(oneseat.History), "ada"), oneseat.EventSessionCreated); n != 2 {
		t.Errorf("%d sessions were made", n)
	}

	// Ended before the reply came: it says so, and the ticket is used.
	ticket = refused(t, r, "ada", oneseat.SignInRequest{}).Ticket
	r.loseReplies(key, 1, func() {
		if _, err := newNode(t, r.Store, asking).EndAll(t.Context(), "ada", oneseat.EndOptions{}); err != nil {
			t.Error(err)
		}
	})
	_, err := r.Redeem(t.Context(), ticket, oneseat.SignInRequest{}, got.Session.ID)
	if over, ok := errors.AsType[*oneseat.EndedError](err); !ok || over.Ending.Reason != oneseat.ReasonRevoked {
		t.Errorf("got %v", err)
	}
	wantIDs(t, r.Store, "ada")
}
