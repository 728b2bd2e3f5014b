// Package chiapp is an application on chi. docs/howto/chi.md shows it.
package chiapp

import (
	"fmt"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/internal/accounts"
	"github.com/oneseat/oneseat/oneseathttp"
)

// New returns the application.
func New(seats *oneseat.Registry, users *accounts.Table) (http.Handler, error) {
	guard, err := oneseathttp.New(seats, oneseathttp.Config{SignInPath: "/login"})
	if err != nil {
		return nil, err
	}
	r := chi.NewRouter()
	r.Use(middleware.Recoverer, middleware.Compress(5)) // around the guard, because their writers have Unwrap
	r.Use(http.NewCrossOriginProtection().Handler, guard.Wrap)
	r.Get("/login", func(w http.ResponseWriter, r *http.Request) {
		if e, ok := oneseat.EndingFrom(r.Context()); ok {
			fmt.Fprintln(w, oneseathttp.NoticeOf(e).Title)
		}
		fmt.Fprintln(w, "Sign in")
	})
	r.Post("/login", func(w http.ResponseWriter, r *http.Request) {
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
	r.Group(func(r chi.Router) {
		r.Use(guard.Require)
		r.Get("/", func(w http.ResponseWriter, r *http.Request) {
			session, _ := oneseat.SessionFrom(r.Context())
			fmt.Fprintln(w, "Hello", session.Account)
		})
		r.Get("/live", live) // cut the moment the account signs in elsewhere
	})
	r.Handle(oneseathttp.Path+"*", guard.Handler())
	return r, nil
}

func live(w http.ResponseWriter, r *http.Request) {
	picture, ok := oneseathttp.NewEndless(w, r, "text/plain", nil)
	for n := 1; ok; n++ {
		ok = picture.Send(fmt.Appendf(nil, "picture %d\n", n)) == nil
		select {
		case <-r.Context().Done():
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}
