package oneseat_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

var (
	firefox = oneseat.Device{Label: "Firefox on Linux", Class: oneseat.ClassDesktop}
	safari  = oneseat.Device{Label: "Safari on iPhone", Class: oneseat.ClassMobile}
)

// The newcomer is shown the live sessions, and chooses which of them ends.
func ExampleRegistry_Redeem() {
	ctx := context.Background()
	seats, _ := oneseat.New(memstore.New(), oneseat.Config{WhenFull: oneseat.PolicyAsk})
	defer seats.Close()

	_, _ = seats.SignIn(ctx, "ada", oneseat.SignInRequest{Device: firefox})
	phone := oneseat.SignInRequest{Device: safari}
	_, err := seats.SignIn(ctx, "ada", phone)
	if full, ok := errors.AsType[*oneseat.LimitError](err); ok {
		fmt.Println("choose:", full.Live[0].Device.Label)
		grant, err := seats.Redeem(ctx, full.Ticket, phone, full.Live[0].ID)
		fmt.Println("signed in:", grant.Session.Device.Label, err)
	}
	// Output:
	// choose: Firefox on Linux
	// signed in: Safari on iPhone <nil>
}

// Limits that are stored with an account count at once: what is over them ends.
func ExampleRegistry_SetLimit() {
	ctx := context.Background()
	seats, _ := oneseat.New(memstore.New(), oneseat.Config{Limit: 3})
	defer seats.Close()
	for range 3 {
		_, _ = seats.SignIn(ctx, "ada", oneseat.SignInRequest{})
	}

	_ = seats.SetLimit(ctx, "ada", oneseat.Limits{Total: 1}, "support")
	ada, _ := seats.Account(ctx, "ada")
	fmt.Println(len(ada.Sessions), "left; the limit is", ada.InForce[0].Limit, "from", ada.InForce[0].Source)
	// Output: 1 left; the limit is 1 from SetLimit
}

// The application knows the plan of an account, and so its limits.
func ExampleConfig_limitFor() {
	ctx := context.Background()
	plans := map[string]int{"grace": 5} // in truth a query
	seats, _ := oneseat.New(memstore.New(), oneseat.Config{
		LimitFor: func(_ context.Context, account string) (oneseat.Limits, error) {
			return oneseat.Limits{Total: plans[account]}, nil // 0 leaves it to Config.Limit
		},
	})
	defer seats.Close()

	for _, name := range []string{"ada", "grace"} {
		account, _ := seats.Account(ctx, name)
		fmt.Println(name, account.InForce[0].Limit, account.InForce[0].Source)
	}
	// Output:
	// ada 1 Config
	// grace 5 LimitFor
}

func ExampleRegistry_Block() {
	ctx := context.Background()
	seats, _ := oneseat.New(memstore.New(), oneseat.Config{})
	defer seats.Close()
	grant, _ := seats.SignIn(ctx, "ada", oneseat.SignInRequest{})

	_ = seats.Block(ctx, "ada", time.Time{}, "support") // until somebody lifts it
	_, err := seats.Check(ctx, string(grant.Token))
	if over, ok := errors.AsType[*oneseat.EndedError](err); ok {
		fmt.Println("ended:", over.Ending.Reason)
	}
	_, err = seats.SignIn(ctx, "ada", oneseat.SignInRequest{})
	_, blocked := errors.AsType[*oneseat.BlockedError](err)
	fmt.Println("blocked:", blocked)

	_ = seats.Unblock(ctx, "ada", "support")
	_, err = seats.SignIn(ctx, "ada", oneseat.SignInRequest{})
	fmt.Println("afterwards:", err)
	// Output:
	// ended: account_blocked
	// blocked: true
	// afterwards: <nil>
}

// Two devices are signed in and one of them may play. The viewer of the second
// decides that the first stops.
func ExampleRegistry_StartStream() {
	ctx := context.Background()
	seats, _ := oneseat.New(memstore.New(), oneseat.Config{Limit: 2, Streams: 1})
	defer seats.Close()
	laptop, _ := seats.SignIn(ctx, "ada", oneseat.SignInRequest{Device: firefox})
	phone, _ := seats.SignIn(ctx, "ada", oneseat.SignInRequest{Device: safari})

	_, _ = seats.StartStream(ctx, laptop.Session, oneseat.Player{ID: "a random id"})
	player := oneseat.Player{ID: "another one"}
	_, err := seats.StartStream(ctx, phone.Session, player)
	if full, ok := errors.AsType[*oneseat.LimitError](err); ok {
		fmt.Println("playing:", full.Streams[0].Device.Label)
		player.Instead = []oneseat.SessionID{full.Streams[0].ID}
		stream, err := seats.StartStream(ctx, phone.Session, player)
		fmt.Println("playing:", stream.Device.Label, err)
	}
	// Output:
	// playing: Firefox on Linux
	// playing: Safari on iPhone <nil>
}

// A subscription delivers what happens from now on, to one account or, with "", to all.
// It ends where events may have been missed, as on a registry that has just been made:
// then subscribe again, and read the present state anew.
func ExampleRegistry_Subscribe() {
	ctx := context.Background()
	seats, _ := oneseat.New(memstore.New(), oneseat.Config{Limit: oneseat.Unlimited})
	defer seats.Close()

	for {
		news := seats.Subscribe("ada")
		_, _ = seats.SignIn(ctx, "ada", oneseat.SignInRequest{Device: firefox})
		e, ok := <-news.Events()
		if ok {
			fmt.Println(e.Type, "on", e.Device.Label)
			news.Close()
			return
		}
		if !errors.Is(news.Err(), oneseat.ErrFeedGap) {
			fmt.Println(news.Err())
			return
		}
	}
	// Output: session_created on Firefox on Linux
}

// Support asks what would become of a sign-in, and which limit decides.
func ExampleRegistry_Explain() {
	ctx := context.Background()
	seats, _ := oneseat.New(memstore.New(), oneseat.Config{})
	defer seats.Close()
	_, _ = seats.SignIn(ctx, "ada", oneseat.SignInRequest{})

	is, _ := seats.Explain(ctx, "ada", oneseat.SignInRequest{Device: safari})
	fmt.Println(is.Outcome, "and displaces", len(is.Displaces), "by", is.Bound, is.Limit, "of", is.Source)
	// Output: admitted and displaces 1 by total 1 of Config
}

// The session stays, under a new token. The old one checks for ten seconds more, for
// requests that are on their way.
func ExampleRegistry_Rotate() {
	ctx := context.Background()
	seats, _ := oneseat.New(memstore.New(), oneseat.Config{})
	defer seats.Close()
	before, _ := seats.SignIn(ctx, "ada", oneseat.SignInRequest{})

	after, _ := seats.Rotate(ctx, string(before.Token))
	fmt.Println("the same session:", after.Session.ID == before.Session.ID)
	fmt.Println("the same token:", after.Token == before.Token)
	_, err := seats.Rotate(ctx, string(before.Token))
	fmt.Println("the old one again:", errors.Is(err, oneseat.ErrRotated))
	// Output:
	// the same session: true
	// the same token: false
	// the old one again: true
}

// A session that the application made before it had oneseat gets a seat, but
// never in the place of a later sign-in.
func ExampleRegistry_Adopt() {
	ctx := context.Background()
	seats, _ := oneseat.New(memstore.New(), oneseat.Config{AdoptUntil: time.Now().Add(30 * 24 * time.Hour)})
	defer seats.Close()
	lastWeek := time.Now().Add(-7 * 24 * time.Hour)

	old, err := seats.Adopt(ctx, "ada", lastWeek, oneseat.SignInRequest{Device: firefox})
	fmt.Println("adopted:", old.Session.Device.Label, err)

	_, _ = seats.SignIn(ctx, "grace", oneseat.SignInRequest{})
	_, err = seats.Adopt(ctx, "grace", lastWeek, oneseat.SignInRequest{})
	fmt.Println("has to sign in:", errors.Is(err, oneseat.ErrNoSession))
	// Output:
	// adopted: Firefox on Linux <nil>
	// has to sign in: true
}

// A program that acts on every event keeps its place, and goes on from there
// after a restart.
func ExampleRegistry_EventsSince() {
	ctx := context.Background()
	seats, _ := oneseat.New(memstore.New(), oneseat.Config{})
	defer seats.Close()

	end, _ := seats.EventsSince(ctx, "") // the place from which to go on
	place := end.Next
	_, _ = seats.SignIn(ctx, "ada", oneseat.SignInRequest{})
	_, _ = seats.SignIn(ctx, "ada", oneseat.SignInRequest{})

	for {
		page, err := seats.EventsSince(ctx, place)
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, e := range page.Events {
			fmt.Println(e.Account, e.Type)
		}
		place = page.Next // keep it: these have been dealt with
		if page.End {
			break
		}
	}
	// Output:
	// ada session_created
	// ada session_ended
	// ada session_created
}
