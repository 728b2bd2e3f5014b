package main

import (
	"context"
	"net/http"

	"github.com/oneseat/oneseat"
)

// changePassword gives the account another password, ends its other sessions, and gives
// this browser a new token. So whoever had the old password or the old token can do
// nothing any more.
func (s *site) changePassword(w http.ResponseWriter, r *http.Request) {
	session, _ := oneseat.SessionFrom(r.Context())
	if !s.users.Change(session.Account, r.PostFormValue("current"), r.PostFormValue("new")) {
		http.Error(w, "That is not the current password. Nothing was changed.", http.StatusUnprocessableEntity)
		return
	}
	// From here on everything is done, even if the browser goes away.
	r = r.WithContext(context.WithoutCancel(r.Context()))
	cause := oneseat.EndOptions{Reason: oneseat.ReasonCredentialsChanged, By: session.ID}
	if _, err := s.seats.EndOthers(r.Context(), session.Account, session.ID, cause); err != nil {
		fail(w, r, err)
		return
	}
	if _, err := s.guard.Rotate(w, r); err != nil {
		fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
