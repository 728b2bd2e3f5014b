package oneseathttp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
	"github.com/oneseat/oneseat/store/memstore"
)

// A site with a sign-in and a page for members, and two browsers that sign in as
// the same account, one after the other.
func Example() {
	seats, err := oneseat.New(memstore.New(), oneseat.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer seats.Close()
	guard, err := oneseathttp.New(seats, oneseathttp.Config{SignInPath: "/login"})
	if err != nil {
		log.Fatal(err)
	}

	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		if e, ok := oneseat.EndingFrom(r.Context()); ok {
			_, _ = io.WriteString(w, oneseathttp.NoticeOf(e).Title)
		}
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		// Your check of the password comes first.
		if _, err := guard.SignIn(w, r, r.PostFormValue("account")); err != nil {
			http.Error(w, "try again", http.StatusServiceUnavailable)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.Handle("GET /{$}", guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, _ := oneseat.SessionFrom(r.Context())
		_, _ = io.WriteString(w, "hello, "+session.Account)
	})))
	mux.Handle(oneseathttp.Path, guard.Handler())
	site := httptest.NewTLSServer(http.NewCrossOriginProtection().Handler(guard.Wrap(mux)))
	defer site.Close()

	first, second := newVisitor(site, "Firefox/140.0 Windows"), newVisitor(site, "Safari/605.1 iPhone")
	fmt.Println("first: ", first.post(site.URL+"/login", "ada"))
	fmt.Println("second:", second.post(site.URL+"/login", "ada"))
	fmt.Println("first: ", first.get(site.URL))
	// Output:
	// first:  hello, ada
	// second: hello, ada
	// first:  This account signed in on another device
}

// What is being answered when its session ends is cancelled, and the context
// says why.
func ExampleGuard_Require() {
	seats, _ := oneseat.New(memstore.New(), oneseat.Config{})
	defer seats.Close()
	guard, _ := oneseathttp.New(seats, oneseathttp.Config{SignInPath: "/login"})

	begun, why := make(chan struct{}), make(chan error, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		_, _ = guard.SignIn(w, r, r.PostFormValue("account"))
	})
	mux.Handle("GET /report", guard.Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done() // as a long query would
		why <- context.Cause(r.Context())
	})))
	site := httptest.NewTLSServer(guard.Wrap(mux))
	defer site.Close()

	first, second := newVisitor(site, "Firefox/140.0 Windows"), newVisitor(site, "Safari/605.1 iPhone")
	first.post(site.URL+"/login", "ada")
	go first.get(site.URL + "/report")
	<-begun
	second.post(site.URL+"/login", "ada")
	over, _ := errors.AsType[*oneseat.EndedError](<-why)
	fmt.Println(over.Ending.Reason, "by", over.Ending.ByDevice.Label)
	// Output: displaced by Safari on iPhone
}

// A program carries its token itself, and says what it is.
func ExampleGuard_SignInWith() {
	seats, _ := oneseat.New(memstore.New(), oneseat.Config{})
	defer seats.Close()
	guard, _ := oneseathttp.New(seats, oneseathttp.Config{SignInPath: "/login", Carrier: oneseathttp.Bearer()})

	w, r := httptest.NewRecorder(), httptest.NewRequest("POST", "/token", nil)
	grant, _ := guard.SignInWith(w, r, oneseathttp.SignInOptions{
		Account: "ada",
		Device:  oneseat.Device{Label: "nightly backup", Class: "api"},
	})
	token := string(grant.Token) // send it in the body of your answer

	w, r = httptest.NewRecorder(), httptest.NewRequest("GET", "/me", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, _ := oneseat.SessionFrom(r.Context())
		_, _ = fmt.Fprintf(w, "%s, %s", session.Account, session.Device.Label)
	})).ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body)
	// Output: 200 ada, nightly backup
}

// All that is wrong with a configuration is said at once.
func ExampleNew_wrongConfiguration() {
	_, err := oneseathttp.New(nil, oneseathttp.Config{SignInPath: "https://elsewhere.example/login", CookieName: "a b"})
	fmt.Println(err)
	// Output:
	// oneseathttp: New needs a registry: see oneseat.New
	// oneseathttp: Config.SignInPath: "https://elsewhere.example/login" is not a path of this site, such as /login
	// oneseathttp: Config.CookieName: "a b" cannot name a cookie, or begins with a prefix: the guard adds __Host- itself
}

// The same words on your sign-in page as in the browser's dialog and in the
// answer to a program.
func ExampleNoticeOf() {
	notice := oneseathttp.NoticeOf(oneseat.Ending{
		Reason:   oneseat.ReasonDisplaced,
		ByDevice: oneseat.Device{Label: "Safari on iPhone", Class: "mobile"},
	})
	fmt.Println(notice.Title)
	fmt.Println(notice.Detail)
	// Output:
	// This account signed in on another device
	// It was Safari on iPhone. This account can be signed in on a limited number of devices, so this one was signed out.
}

// Where to go after the sign-in comes with the request: anybody can have made it.
func ExampleLocalPath() {
	for _, next := range []string{"/video/7?t=90", "//evil.example/", `/\evil.example`, "https://evil.example/"} {
		fmt.Println(oneseathttp.LocalPath(next), next)
	}
	// Output:
	// true /video/7?t=90
	// false //evil.example/
	// false /\evil.example
	// false https://evil.example/
}

// visitor is somebody with a browser of their own, for the examples.
type visitor struct {
	agent  string
	client *http.Client
}

func newVisitor(site *httptest.Server, agent string) visitor {
	jar, _ := cookiejar.New(nil) // never fails
	return visitor{agent, &http.Client{Jar: jar, Transport: site.Client().Transport}}
}

func (v visitor) get(address string) string { return v.send(http.MethodGet, address, nil) }

// post posts the form of a sign-in.
func (v visitor) post(address, account string) string {
	return v.send(http.MethodPost, address, strings.NewReader(url.Values{"account": {account}}.Encode()))
}

// send returns what is on the page that the visitor is led to.
func (v visitor) send(method, address string, form io.Reader) string {
	r, err := http.NewRequestWithContext(context.Background(), method, address, form)
	if err != nil {
		return err.Error()
	}
	r.Header.Set("User-Agent", v.agent)
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := v.client.Do(r)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return string(page)
}
