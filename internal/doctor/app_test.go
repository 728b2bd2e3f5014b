package doctor

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"
)

// believer is an application behind a proxy: it takes the account from a header, as CGI
// and WSGI read it.
func believer(w http.ResponseWriter, r *http.Request) {
	for name, values := range r.Header {
		if strings.EqualFold(strings.ReplaceAll(name, "_", "-"), "X-Account") && values[0] != "" {
			fmt.Fprintf(w, "Hello %s", values[0])
			return
		}
	}
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

// proxy passes requests on after it has removed these headers.
func proxy(t *testing.T, to string, removed ...string) string {
	t.Helper()
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	return serveHandler(t, listener(t, "127.0.0.1:0"), &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(target)
		for _, name := range removed {
			delete(p.Out.Header, name)
		}
	}})
}

func TestAnApplicationThatIsReachedPastItsProxyIsFound(t *testing.T) {
	t.Parallel()
	elsewhere := func() []netip.Addr { return []netip.Addr{netip.MustParseAddr("127.0.0.2")} } // as if it were another address of this machine
	narrow := serveHandler(t, listener(t, "127.0.0.1:0"), http.HandlerFunc(believer))
	wide := serveHandler(t, listener(t, "0.0.0.0:0"), http.HandlerFunc(believer))
	strict := serveHandler(t, listener(t, "0.0.0.0:0"), http.RedirectHandler("/login", http.StatusSeeOther))
	public := serveHandler(t, listener(t, "0.0.0.0:0"), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "Hello") }))
	wantFine(t, Subject{Direct: narrow, addresses: elsewhere}, "past-proxy")
	pair, _ := selfSigned(t, time.Now().Add(time.Hour))
	secure := serveHandler(t, tls.NewListener(listener(t, "0.0.0.0:0"), &tls.Config{Certificates: []tls.Certificate{pair}}), http.HandlerFunc(believer))
	wantFound(t, Subject{Direct: "https" + secure[len("http"):], addresses: elsewhere}, "past-proxy", Problem, "127.0.0.2", "lets in every request with the header")
	wantFound(t, Subject{Direct: wide + "/members?page=1", addresses: elsewhere}, "past-proxy", Problem, "127.0.0.2", "lets in every request with the header")
	wantFound(t, Subject{Direct: strict, addresses: elsewhere}, "past-proxy", Warning, "127.0.0.2")
	wantFound(t, Subject{Direct: public, addresses: elsewhere}, "past-proxy", Warning, "cannot be told")
	wantFound(t, Subject{Direct: "unix:/x"}, "past-proxy", Problem, "write https")
	if own := ownAddresses(); len(own) > 0 { // on a machine without a network there is none
		_, port, _ := net.SplitHostPort(wide[len("http://"):])
		wantFound(t, Subject{Direct: "http://" + net.JoinHostPort(own[0].String(), port)}, "past-proxy", Problem, own[0].String())
	}
}

func TestAProxyThatPassesTheHeaderOnIsFound(t *testing.T) {
	t.Parallel()
	app := serveHandler(t, listener(t, "127.0.0.1:0"), http.HandlerFunc(believer))
	wantFine(t, Subject{App: proxy(t, app, "X-Account", "X_account", "X_Account")}, "forged")
	wantFound(t, Subject{App: proxy(t, app)}, "forged", Problem, "X-Account")
	wantFound(t, Subject{App: proxy(t, app, "X-Account")}, "forged", Problem, "X-Account")                                // but X_Account
	wantFine(t, Subject{App: proxy(t, app), Header: "X-Remote-User"}, "forged")                                           // which it does not read
	greets := serveHandler(t, listener(t, "127.0.0.1:0"), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // whoever comes
		fmt.Fprintf(w, "Hello %s", r.Header.Get("X-Account"))
	}))
	wantFound(t, Subject{App: greets}, "forged", Problem)
	public := serveHandler(t, listener(t, "127.0.0.1:0"), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "Hello") }))
	for _, one := range examine(t, Subject{App: public}).Results {
		if one.Check == "forged" && !strings.Contains(one.NotChecked, "needs a sign-in") {
			t.Errorf("%+v", one)
		}
	}
}

func TestACookieWithoutSecureBeyondThisMachineIsFound(t *testing.T) {
	t.Parallel()
	for cookie, c := range map[string]struct {
		peer  string
		state string
	}{
		"oneseat=x; Path=/":               {"192.0.2.9", "found"},
		"__Host-oneseat=x; Path=/;Secure": {"192.0.2.9", "fine"},
		"oneseat=y; Path=/":               {"127.0.0.1", "fine"},
		"other=x":                         {"192.0.2.9", "not checked"},
	} {
		f := pageFacts{url: "x", plain: answer{status: 200, header: http.Header{"Set-Cookie": {cookie}}, peer: netip.MustParseAddr(c.peer)}}
		r := judgeCookies(f)
		state := "fine"
		switch {
		case len(r.Findings) > 0:
			state = "found"
		case r.NotChecked != "":
			state = "not checked"
		}
		if state != c.state {
			t.Errorf("%s: %+v", cookie, r)
		}
	}
}
