// Package proxyapp puts a guard in front of an application that knows nothing of
// oneseat, and may be written in any language: a reverse proxy
// (net/http/httputil). When a session ends, what the application is sending to
// it stops, and so does the application's own request.
//
// The application is told who is asking in the header X-Account. It has to
// listen where only this proxy reaches it: whoever else does can say they are
// anybody.
package proxyapp

import (
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

// New returns the proxy. proxies are the addresses of those that stand in front
// of it in turn, if any does. Its sign-in believes everybody: yours verifies a
// password first.
func New(seats *oneseat.Registry, upstream *url.URL, proxies ...netip.Prefix) (http.Handler, error) {
	guard, err := oneseathttp.New(seats, oneseathttp.Config{
		SignInPath:     "/login",
		TrustedProxies: proxies, // for example netip.MustParsePrefix("10.0.0.5/32")
	})
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
	mux.Handle(oneseathttp.Path, guard.Handler())
	mux.Handle("/", guard.Require(&httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(upstream)
			p.SetXForwarded()
			session, _ := oneseat.SessionFrom(p.In.Context())
			p.Out.Header.Set("X-Account", session.Account) // whatever the browser put there
			dropToken(p.Out)
		},
	}))
	return http.NewCrossOriginProtection().Handler(guard.Wrap(mux)), nil
}

// dropToken takes oneseat's cookies out of a request: the application has no
// use for the secret.
func dropToken(r *http.Request) {
	cookies := r.Cookies()
	r.Header.Del("Cookie")
	for _, c := range cookies {
		if !strings.HasPrefix(strings.TrimPrefix(c.Name, "__Host-"), "oneseat") {
			r.AddCookie(c)
		}
	}
}
