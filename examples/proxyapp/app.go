// Package proxyapp puts a guard in front of an application that knows nothing of
// oneseat, and may be written in any language. It is a reverse proxy
// (net/http/httputil). When a session ends, the answer that the application is sending
// to it stops, and so does the application's own request.
//
// The application reads the account from the header X-Account. Only this proxy may
// reach the application: anybody else who does can claim to be any account.
package proxyapp

import (
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

// ours are the headers that the application believes, because this proxy sets
// them.
var ours = []string{"X-Account", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"}

// New returns the proxy. proxies are the addresses of other proxies in front of this
// one, if there are any. The sign-in here verifies nothing. Yours verifies a password
// first.
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
			dropLookalikes(p.Out.Header)
			p.SetXForwarded()
			session, _ := oneseat.SessionFrom(p.In.Context())
			p.Out.Header.Set("X-Account", session.Account)
			dropToken(p.Out)
		},
		ErrorLog: slog.NewLogLogger(seats.Config().Logger.Handler(), slog.LevelInfo), // an answer that was cut is logged too, and is no error
	}))
	return http.NewCrossOriginProtection().Handler(guard.Wrap(mux)), nil
}

// dropLookalikes takes headers out of a request that a client may have sent in the
// place of ours. CGI, PHP and WSGI read "X_Account" and "X-Account" as one name. So
// every spelling goes: only letters and digits are compared.
func dropLookalikes(h http.Header) {
	for name := range h {
		if slices.ContainsFunc(ours, func(o string) bool { return letters(o) == letters(name) }) {
			delete(h, name)
		}
	}
}

// letters returns the letters and digits of a name, in lower case.
func letters(name string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsLetter(c) || unicode.IsDigit(c) {
			return unicode.ToLower(c)
		}
		return -1
	}, name)
}

// dropToken takes oneseat's cookies out of a request, because the application has no
// use for the token.
func dropToken(r *http.Request) {
	cookies := r.Cookies()
	r.Header.Del("Cookie")
	for _, c := range cookies {
		if !strings.Contains(c.Name, "oneseat") { // __Host-oneseat, and others in development or with a Domain
			r.AddCookie(c)
		}
	}
}
