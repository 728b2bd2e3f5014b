package oneseat_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
)

// Under displace a first use is written in the background, however slight it is. From
// then on the session gives way in its order, and not as unused.
func TestTheSlightestUseIsWrittenUnderDisplace(t *testing.T) {
	for name, use := range map[string]func(t *testing.T, r node, g oneseat.Grant) error{
		"a check": func(t *testing.T, r node, g oneseat.Grant) error {
			_, err := r.Check(t.Context(), string(g.Token))
			return err
		},
		"a look in the background": func(t *testing.T, r node, g oneseat.Grant) error {
			_, err := r.Peek(t.Context(), string(g.Token))
			return err
		},
		"an event stream": func(t *testing.T, r node, g oneseat.Grant) error {
			var w oneseat.Watch
			_, err := r.CheckAndWatch(t.Context(), string(g.Token), false, &w, oneseat.WatcherFunc(func(error) {}))
			w.Stop()
			return err
		},
		"a check by its id": func(t *testing.T, r node, g oneseat.Grant) error {
			_, err := r.CheckID(t.Context(), "ada", g.Session.ID)
			return err
		},
	} {
		for _, order := range []oneseat.DisplaceOrder{oneseat.DisplaceIdlest, oneseat.DisplaceOldest, oneseat.DisplaceSameClass} {
			t.Run(fmt.Sprint(name, ", ", order), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					a, b, _ := following(t, oneseat.Config{Limit: 2, DisplaceOrder: order})
					first := signIn(t, a, "ada", oneseat.SignInRequest{})
					rotated, err := a.Rotate(t.Context(), string(first.Token)) // a use that is written at once
					if err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Second)
					second := signIn(t, a, "ada", oneseat.SignInRequest{})
					if err := use(t, b, second); err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
					time.Sleep(20 * time.Second)
					signIn(t, b, "ada", oneseat.SignInRequest{})
					wantEnded(t, b, rotated, oneseat.ReasonDisplaced)
					wantLive(t, b, second)
				})
			})
		}
	}
}
