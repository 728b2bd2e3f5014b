package prefixapp

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/internal/accounts"
	"github.com/oneseat/oneseat/examples/internal/webtest"
	"github.com/oneseat/oneseat/store/memstore"
)

// proxy passes requests on, to an application that browsers find beneath the prefix.
func proxy(strips bool) func(to *url.URL) http.Handler {
	return func(to *url.URL) http.Handler {
		p := http.Handler(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host
			r.SetXForwarded()
		}})
		if strips {
			p = http.StripPrefix("/club", p)
		}
		mux := http.NewServeMux()
		mux.Handle("/club/", p)
		return mux
	}
}

func TestTheApplicationWorksBeneathItsPrefix(t *testing.T) {
	for name, strips := range map[string]bool{"a proxy that removes the prefix": true, "one that leaves it": false} {
		t.Run(name, func(t *testing.T) {
			site := webtest.Open(t, memstore.New(), oneseat.Config{}, func(seats *oneseat.Registry) (http.Handler, error) {
				app, err := New(seats, accounts.New("ada"))
				if !strips && err == nil {
					app = Unstripped(app)
				}
				return app, err
			}).Behind(proxy(strips))
			laptop, phone := site.Browser(webtest.Laptop), site.Browser(webtest.Phone)
			resp := laptop.Do("GET", "/club/?x=1", nil, "Accept", "text/html")
			if to := resp.Header.Get("Location"); to != "/club/login?next=%2Fclub%2F%3Fx%3D1&reason=no_session" {
				t.Errorf("a browser without a session is sent to %q", to)
			}
			laptop.Want("/club/login", http.StatusOK, `value="/club/"`)
			laptop.Post("/club/login", http.StatusSeeOther, "account", "ada", "password", "ada", "next", "/club/")
			laptop.Want("/club/", http.StatusOK, "Hello ada", "/club/oneseat/oneseat.js")
			laptop.Want("/club/oneseat/oneseat.js", http.StatusOK, "EventSource")
			laptop.Want("/club/oneseat/devices", http.StatusOK, `<a href="/club/">Back</a>`)
			if laptop.Cookie("__Host-club") == "" {
				t.Error("the cookie has another name")
			}
			phone.Post("/club/login", http.StatusSeeOther, "account", "ada", "password", "ada", "next", "//evil.example")
			resp = laptop.Do("GET", "/club/", nil, "Accept", "text/html")
			if to := resp.Header.Get("Location"); to != "/club/login?reason=displaced" {
				t.Errorf("a browser whose session has ended is sent to %q", to)
			}
		})
	}
}
