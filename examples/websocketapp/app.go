// Package websocketapp echoes over a WebSocket (coder/websocket) behind a guard. When
// the session ends, the client gets a close frame that says why, and the connection is
// closed.
package websocketapp

import (
	"context"
	"errors"
	"net/http"

	"github.com/coder/websocket"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

// New returns the application. Its sign-in verifies nothing. Yours verifies a password
// first.
func New(seats *oneseat.Registry) (http.Handler, error) {
	guard, err := oneseathttp.New(seats, oneseathttp.Config{SignInPath: "/login"})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		if _, err := guard.SignIn(w, r, r.PostFormValue("account")); err != nil {
			http.Error(w, "Please try again.", http.StatusServiceUnavailable)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.Handle("GET /echo", guard.Require(http.HandlerFunc(echo)))
	return http.NewCrossOriginProtection().Handler(guard.Wrap(mux)), nil
}

func echo(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil) // it refuses pages of other sites by itself
	if err != nil {
		return // Accept has answered
	}
	defer conn.CloseNow()
	oneseathttp.OnCut(r, func(cause error) { _ = conn.Close(goodbye(cause)) }) // within a second; then it is closed in any case

	// This is not the request's context. The library drops the connection when its
	// context ends, and then the close frame would not be sent.
	ctx := context.WithoutCancel(r.Context())
	for {
		kind, message, err := conn.Read(ctx)
		if err != nil {
			return // one of the two sides has closed it
		}
		if err := conn.Write(ctx, kind, message); err != nil {
			return
		}
	}
}

// goodbye returns what the close frame says.
func goodbye(cause error) (websocket.StatusCode, string) {
	if over, ok := errors.AsType[*oneseat.EndedError](cause); ok {
		return websocket.StatusPolicyViolation, string(over.Ending.Reason)
	}
	return websocket.StatusTryAgainLater, "" // the site is closing down, or the store does not answer
}
