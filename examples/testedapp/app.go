// Package testedapp is a small application for its tests: see docs/howto/testing.md.
package testedapp

import (
	"fmt"
	"net/http"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

// New returns the application over a registry, which may be a test's.
func New(seats *oneseat.Registry) (http.Handler, error) {
	guard, err := oneseathttp.New(seats, oneseathttp.Config{SignInPath: "/login"})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		// A test signs in as any account. Yours checks a password here.
		if _, err := guard.SignIn(w, r, r.PostFormValue("account")); err != nil {
			guard.RefuseSignIn(w, r, err, "/")
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.Handle("GET /{$}", guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, _ := oneseat.SessionFrom(r.Context())
		_, _ = fmt.Fprintf(w, "Hello %s", session.Account)
	})))
	mux.Handle(oneseathttp.Path, guard.Handler())
	return http.NewCrossOriginProtection().Handler(guard.Wrap(mux)), nil
}
