// Package streamapp is a site whose accounts sign in on several devices and watch on
// fewer. docs/howto/streams.md shows it.
package streamapp

import (
	"net/http"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
	"github.com/oneseat/oneseat/oneseathttp/stream"
)

// Config allows five devices signed in, and two watching.
func Config() oneseat.Config {
	return oneseat.Config{Limit: 5, Streams: 2}
}

// New returns the site. checkPassword is the application's: it returns the account, or
// "" for a wrong password.
func New(seats *oneseat.Registry, checkPassword func(r *http.Request) string) (http.Handler, error) {
	guard, err := oneseathttp.New(seats, oneseathttp.Config{SignInPath: "/login"})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		account := checkPassword(r)
		if account == "" {
			http.Error(w, "that was not right", http.StatusUnauthorized)
			return
		}
		if _, err := guard.SignIn(w, r, account); err != nil {
			guard.RefuseSignIn(w, r, err, "/")
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.Handle(oneseathttp.Path, guard.Handler())

	livestream := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := oneseathttp.NewEndless(w, r, "text/plain", []byte("a picture\n")); ok {
			<-r.Context().Done() // a real stream would go on
		}
	})
	streams := stream.New(seats, guard)
	mux.Handle(stream.Path, streams.Handler())
	mux.Handle("GET /live", streams.Require(livestream)) // /live?stream=…, cut when the stream ends
	return guard.Wrap(mux), nil
}
