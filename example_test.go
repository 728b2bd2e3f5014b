package oneseat_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

func Example() {
	ctx := context.Background()
	seats, err := oneseat.New(memstore.New(), oneseat.Config{}) // one session per account, newest wins
	if err != nil {
		panic(err)
	}
	defer seats.Close()

	laptop, _ := seats.SignIn(ctx, "ada", oneseat.SignInRequest{})
	phone, _ := seats.SignIn(ctx, "ada", oneseat.SignInRequest{Device: oneseat.Device{Label: "Safari on iPhone", Class: "mobile"}})

	_, err = seats.Check(ctx, string(laptop.Token))
	if over, ok := errors.AsType[*oneseat.EndedError](err); ok {
		fmt.Println("laptop:", over.Ending.Reason, "by", over.Ending.ByDevice.Label)
	}
	s, err := seats.Check(ctx, string(phone.Token))
	fmt.Println("phone:", s.Account, err)
	// Output:
	// laptop: displaced by Safari on iPhone
	// phone: ada <nil>
}

func ExampleRegistry_Hold() {
	ctx := context.Background()
	seats, _ := oneseat.New(memstore.New(), oneseat.Config{})
	defer seats.Close()

	first, _ := seats.SignIn(ctx, "ada", oneseat.SignInRequest{})
	stream, stop := seats.Hold(ctx, first.Session)
	defer stop()

	_, _ = seats.SignIn(ctx, "ada", oneseat.SignInRequest{})
	if over, ok := errors.AsType[*oneseat.EndedError](context.Cause(stream)); ok { // and stream.Done() is closed
		fmt.Println("the stream was cut:", over.Ending.Reason)
	}
	// Output: the stream was cut: displaced
}

func ExampleRegistry_SignIn_refused() {
	ctx := context.Background()
	seats, _ := oneseat.New(memstore.New(), oneseat.Config{Limit: 2, WhenFull: oneseat.PolicyRefuse})
	defer seats.Close()

	_, _ = seats.SignIn(ctx, "ada", oneseat.SignInRequest{Device: oneseat.Device{Label: "Firefox on Linux"}})
	_, _ = seats.SignIn(ctx, "ada", oneseat.SignInRequest{Device: oneseat.Device{Label: "Chrome on Windows"}})
	_, err := seats.SignIn(ctx, "ada", oneseat.SignInRequest{})
	if full, ok := errors.AsType[*oneseat.LimitError](err); ok {
		for _, s := range full.Live {
			fmt.Println("signed in:", s.Device.Label)
		}
	}
	// Output:
	// signed in: Chrome on Windows
	// signed in: Firefox on Linux
}

// A wrong use: the text that was typed names the account, so one account has a seat for
// each way of spelling it. Give the id of your own record of the account instead.
func ExampleRegistry_SignIn_spelling() {
	ctx := context.Background()
	seats, _ := oneseat.New(memstore.New(), oneseat.Config{})
	defer seats.Close()

	phone, _ := seats.SignIn(ctx, "alice@example.com", oneseat.SignInRequest{})
	_, _ = seats.SignIn(ctx, "Alice@example.com", oneseat.SignInRequest{})
	_, err := seats.Check(ctx, string(phone.Token))
	fmt.Println("two spellings, both are in:", err == nil)

	const user1815 = "1815" // the key of the row that both spellings find
	phone, _ = seats.SignIn(ctx, user1815, oneseat.SignInRequest{})
	_, _ = seats.SignIn(ctx, user1815, oneseat.SignInRequest{})
	_, err = seats.Check(ctx, string(phone.Token))
	if over, ok := errors.AsType[*oneseat.EndedError](err); ok {
		fmt.Println("one id, the first is:", over.Ending.Reason)
	}
	// Output:
	// two spellings, both are in: true
	// one id, the first is: displaced
}

// A wrong use: an id is no secret. An application that takes one from a cookie, a header
// or a URL lets in everybody who has seen a list of sessions. Present the token instead.
func ExampleRegistry_Check_wrongUse() {
	ctx := context.Background()
	seats, _ := oneseat.New(memstore.New(), oneseat.Config{})
	defer seats.Close()

	grant, _ := seats.SignIn(ctx, "ada", oneseat.SignInRequest{})
	_, err := seats.Check(ctx, string(grant.Session.ID)) // not the token
	fmt.Println(errors.Is(err, oneseat.ErrNoSession))
	fmt.Println(grant.Token) // nor does printing a token show it
	// Output:
	// true
	// oneseat_[secret]
}

func ExampleNew_wrongConfiguration() {
	_, err := oneseat.New(memstore.New(), oneseat.Config{Limit: -5, WhenFull: "maybe"})
	fmt.Println(err)
	// Output:
	// oneseat: Config.Limit: -5 is not 1 to 256, nor Unlimited; to keep an account out, block it
	// oneseat: Config.WhenFull: "maybe" is neither PolicyDisplace, PolicyRefuse nor PolicyAsk
}

func ExampleRegistry_EndOthers() {
	ctx := context.Background()
	seats, _ := oneseat.New(memstore.New(), oneseat.Config{Limit: 3})
	defer seats.Close()

	_, _ = seats.SignIn(ctx, "ada", oneseat.SignInRequest{})
	_, _ = seats.SignIn(ctx, "ada", oneseat.SignInRequest{})
	here, _ := seats.SignIn(ctx, "ada", oneseat.SignInRequest{})

	// Ada signs out everywhere else.
	n, _ := seats.EndOthers(ctx, "ada", here.Session.ID, oneseat.EndOptions{By: here.Session.ID})
	live, _ := seats.Sessions(ctx, "ada")
	fmt.Println(n, "ended,", len(live), "left")
	// Output: 2 ended, 1 left
}

// After a change of password, nobody who came with the old one stays. EndAll rests on
// no session: it ends all of them even if this browser was displaced a moment ago.
func ExampleRegistry_EndAll() {
	ctx := context.Background()
	seats, _ := oneseat.New(memstore.New(), oneseat.Config{})
	defer seats.Close()
	here, _ := seats.SignIn(ctx, "ada", oneseat.SignInRequest{})
	attacker, _ := seats.SignIn(ctx, "ada", oneseat.SignInRequest{}) // with the old password

	_, _ = seats.EndAll(ctx, "ada", oneseat.EndOptions{Reason: oneseat.ReasonCredentialsChanged, By: here.Session.ID})
	here, _ = seats.SignIn(ctx, "ada", oneseat.SignInRequest{Override: true})

	_, err := seats.Check(ctx, string(attacker.Token))
	ended, _ := errors.AsType[*oneseat.EndedError](err)
	live, _ := seats.Sessions(ctx, "ada")
	fmt.Println(ended.Ending.Reason, len(live), live[0].ID == here.Session.ID)
	// Output: credentials_changed 1 true
}

// What support does: look through the accounts, end a session, block an account,
// and read what happened to it.
func ExampleRegistry_Accounts() {
	ctx := context.Background()
	seats, _ := oneseat.New(memstore.New(), oneseat.Config{Limit: 2})
	defer seats.Close()
	for _, account := range []string{"ada", "grace", "grace"} {
		_, _ = seats.SignIn(ctx, account, oneseat.SignInRequest{Device: oneseat.Device{Label: "Firefox on Linux"}})
	}

	accounts, _ := seats.Accounts(ctx, oneseat.AccountQuery{})
	for _, a := range accounts {
		fmt.Println(a.Name, "has", len(a.Sessions), "of", a.InForce[0].Limit)
	}

	grace, _ := seats.Account(ctx, "grace")
	n, _ := seats.End(ctx, "grace", oneseat.EndOptions{Actor: "support"}, grace.Sessions[0].ID)
	fmt.Println("ended:", n)
	_ = seats.Block(ctx, "ada", time.Time{}, "support")

	events, _ := seats.Events(ctx, oneseat.EventQuery{Account: "ada"})
	for _, e := range events {
		fmt.Println(e.Account, e.Type, e.Reason, e.Actor)
	}
	// Output:
	// ada has 1 of 2
	// grace has 2 of 2
	// ended: 1
	// ada account_blocked  support
	// ada session_ended account_blocked support
	// ada session_created
}
