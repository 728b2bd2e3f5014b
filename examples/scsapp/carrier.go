package scsapp

import (
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/oneseat/oneseat/oneseathttp"
)

// InSession carries oneseat's token inside the scs session, for an application whose
// clients can hold only the token of scs. The package comment says what it costs. Two
// requests of one browser that overlap may sign that browser out. They never sign
// another one in.
func InSession(sessions *scs.SessionManager) oneseathttp.Carrier {
	const key = "oneseat"
	return oneseathttp.Carrier{
		Get: func(r *http.Request) string { return sessions.GetString(r.Context(), key) },
		Set: func(_ http.ResponseWriter, r *http.Request, token string, _ time.Duration) {
			sessions.Put(r.Context(), key, token)
		},
		Clear: func(_ http.ResponseWriter, r *http.Request) { sessions.Remove(r.Context(), key) },
	}
}
