// Package apiapp is an API that browsers and programs use alike, on the same routes. A
// browser brings its token in the cookie. A program brings it in the header
// Authorization.
package apiapp

import (
	"encoding/json"
	"net/http"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/internal/accounts"
	"github.com/oneseat/oneseat/oneseathttp"
)

// New returns the API.
func New(seats *oneseat.Registry, users *accounts.Table) (http.Handler, error) {
	config := oneseathttp.Config{SignInPath: "/login"}
	config.Carrier = oneseathttp.Either(oneseathttp.Bearer(), config.Cookie())
	guard, err := oneseathttp.New(seats, config)
	if err != nil {
		return nil, err
	}
	verified := func(w http.ResponseWriter, r *http.Request) (account string, ok bool) {
		account = r.PostFormValue("account")
		if ok = users.Verify(account, r.PostFormValue("password")); !ok {
			http.Error(w, "That name and password do not belong together.", http.StatusUnauthorized)
		}
		return account, ok
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) { // of browsers: the cookie is set
		account, ok := verified(w, r)
		if !ok {
			return
		}
		if _, err := guard.SignIn(w, r, account); err != nil {
			guard.RefuseSignIn(w, r, err, "/")
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) { // of programs
		account, ok := verified(w, r)
		if !ok {
			return
		}
		grant, err := seats.SignIn(r.Context(), account, oneseat.SignInRequest{
			Program:  true,
			DeviceID: r.PostFormValue("device_id"), // of its installation
			Device:   oneseat.Device{Label: r.PostFormValue("name"), Class: oneseat.ClassAPI},
		})
		if err != nil {
			guard.RefuseSignIn(w, r, err, "/")
			return
		}
		writeJSON(w, map[string]string{"token": string(grant.Token)})
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		if err := guard.SignOut(w, r); err != nil {
			http.Error(w, "Please try again.", http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.Handle("GET /me", guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, _ := oneseat.SessionFrom(r.Context())
		writeJSON(w, map[string]string{"account": session.Account})
	})))
	mux.Handle(oneseathttp.Path, guard.Handler())
	return http.NewCrossOriginProtection().Handler(guard.Wrap(mux)), nil
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // an error is the client's connection
}
