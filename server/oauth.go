package server

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
)

// oauthCalls are those of RFC 7662 and RFC 7009, by which programs that know OAuth ask
// about a token and end its session. Their bodies are forms.
func oauthCalls() map[string]call {
	return map[string]call{
		api.PathIntrospect: {scope: ScopeCheck, within: checkWithin, form: true, serve: introspect},
		api.PathRevoke:     {scope: ScopeSessions, within: callWithin, form: true, serve: revoke},
	}
}

// token returns the token of a form: its one field "token". Others are not looked at.
func (q *request) token() (string, error) {
	form, err := url.ParseQuery(string(q.body))
	if err != nil || len(form["token"]) != 1 {
		return "", &refusal{status: http.StatusBadRequest, name: "bad-form", detail: "Send one field, token."}
	}
	return form.Get("token"), q.server.byKey.take(q.key.ID, time.Now())
}

// introspect says whether a token is of a live session. Every no is the same (API-03).
// A look is no activity.
func introspect(ctx context.Context, q *request) (int, any, error) {
	token, err := q.token()
	if err != nil {
		return 0, nil, err
	}
	s, err := q.seats.Peek(ctx, token)
	if over(err) {
		return http.StatusOK, api.Introspection{}, nil
	}
	if err != nil {
		return 0, nil, err
	}
	a := api.Introspection{
		Active: true, Subject: s.Account, Session: string(s.ID), Issuer: "urn:oneseat:realm:" + q.key.Realm, TokenType: "Bearer",
		IssuedAt: s.Created.Unix(), Class: string(s.Device.Class),
	}
	if !s.Proved.IsZero() {
		a.AuthTime = s.Proved.Unix()
	}
	if at := q.session(s).Expires; !at.IsZero() {
		a.Expires = at.Unix()
	}
	return http.StatusOK, a, nil
}

// revoke ends the session of a token. A text that is no token counts as revoked.
func revoke(ctx context.Context, q *request) (int, any, error) {
	token, err := q.token()
	if err != nil {
		return 0, nil, err
	}
	if err := q.seats.SignOut(ctx, token); err != nil && !over(err) {
		return 0, nil, err
	}
	return http.StatusOK, api.Done{}, nil
}

// over reports whether an error says that there is no live session.
func over(err error) bool {
	_, ended := errors.AsType[*oneseat.EndedError](err)
	return ended || errors.Is(err, oneseat.ErrNoSession)
}
