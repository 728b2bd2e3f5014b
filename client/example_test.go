package client_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/client"
	"github.com/oneseat/oneseat/oneseathttp"
)

// A site that has no store of its own: it asks a server.
func Example() {
	url, key, stop := aServer()
	defer stop()

	seats, err := client.New(context.Background(), client.Config{URL: url, Key: key, MaxStale: time.Second})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer seats.Close()
	guard, err := oneseathttp.New(seats, oneseathttp.Config{SignInPath: "/login"}) // as over a registry
	fmt.Println(guard != nil, err)

	laptop, _ := seats.SignIn(context.Background(), "ada", oneseat.SignInRequest{})
	phone, _ := seats.SignIn(context.Background(), "ada", oneseat.SignInRequest{})
	_, err = seats.Check(context.Background(), string(laptop.Token))
	if over, ok := errors.AsType[*oneseat.EndedError](err); ok {
		fmt.Println(over.Ending.Reason)
	}
	s, err := seats.Check(context.Background(), string(phone.Token))
	fmt.Println(s.Account, err)
	// Output:
	// true <nil>
	// displaced
	// ada <nil>
}
