// Package payapp is a shop whose payments end as their handler says, although their
// session may end in between. docs/howto/payments.md shows it.
package payapp

import (
	"context"
	"fmt"
	"net/http"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/internal/accounts"
	"github.com/oneseat/oneseat/oneseathttp"
)

// Bank takes the money. key names the payment: a bank that is asked twice for one key
// takes the money once.
type Bank func(ctx context.Context, account, key string) error

// New returns the shop.
func New(seats *oneseat.Registry, users *accounts.Table, bank Bank) (http.Handler, error) {
	guard, err := oneseathttp.New(seats, oneseathttp.Config{SignInPath: "/login"})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		account := r.PostFormValue("account")
		if !users.Verify(account, r.PostFormValue("password")) {
			http.Error(w, "That name and password do not belong together.", http.StatusUnauthorized)
			return
		}
		if _, err := guard.SignIn(w, r, account); err != nil {
			guard.RefuseSignIn(w, r, err, "/")
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.Handle("POST /pay", guard.Finish(pay(bank)))
	mux.Handle(oneseathttp.Path, guard.Handler())
	return http.NewCrossOriginProtection().Handler(guard.Wrap(mux)), nil
}

func pay(bank Bank) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, _ := oneseat.SessionFrom(r.Context())
		ctx := context.WithoutCancel(r.Context()) // the browser may go away; the bank has its own time limit
		if err := bank(ctx, session.Account, r.PostFormValue("key")); err != nil {
			http.Error(w, "The bank did not take it. You can try again.", http.StatusBadGateway)
			return
		}
		fmt.Fprintln(w, "Paid. Thank you.")
	})
}
