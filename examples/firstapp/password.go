package main

import (
	"context"
	"net/http"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

// changePassword gives the account another password, ends all its sessions, and signs
// this browser in. It is served under guard.Finish. So the end of its own session does
// not stop it half-way; somebody with the old password can bring that about at any
// moment.
func (s *site) changePassword(w http.ResponseWriter, r *http.Request) {
	r = r.WithContext(context.WithoutCancel(r.Context())) // a browser that goes away does not stop it
	session, _ := oneseat.SessionFrom(r.Context())
	if !s.users.Change(session.Account, r.PostFormValue("current"), r.PostFormValue("new")) {
		http.Error(w, "That is not the current password. Nothing was changed.", http.StatusUnprocessableEntity)
		return
	}
	options := oneseat.EndOptions{Reason: oneseat.ReasonCredentialsChanged, By: session.ID}
	if _, err := s.seats.EndAll(r.Context(), session.Account, options); err != nil {
		fail(w, r, err)
		return
	}
	owner := oneseathttp.SignInOptions{Account: session.Account, Override: true}
	if _, err := s.guard.SignInWith(w, r, owner); err != nil {
		s.guard.RefuseSignIn(w, r, err, "/")
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
