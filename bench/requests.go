package main

import (
	"context"
	"net/http"
	"net/http/httptest"

	"github.com/alexedwards/scs/v2"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

// empty does nothing. It is a variable, so that the compiler cannot know and
// leave out what a handler makes necessary.
var empty http.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})

// require compares a guard around an empty handler with what the standard
// library needs for a request that can be cancelled with a cause and has a
// cookie, and with scs around the same handler.
func require() {
	seats := newRegistry(oneseat.Config{})
	defer seats.Close()
	guard := must(oneseathttp.New(seats, oneseathttp.Config{SignInPath: "/login"}))
	r := httptest.NewRequest(http.MethodGet, "https://members.example/", nil)
	w := httptest.NewRecorder()
	must(guard.SignIn(w, r, "ada"))
	r.AddCookie(w.Result().Cookies()[1])
	guarded := guard.Wrap(guard.Require(empty))

	manager := scs.New()
	manager.Cookie.Name = "session"
	in := httptest.NewRecorder()
	manager.LoadAndSave(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		manager.Put(r.Context(), "account", "ada")
	})).ServeHTTP(in, httptest.NewRequest(http.MethodGet, "https://members.example/", nil))
	withSCS := httptest.NewRequest(http.MethodGet, "https://members.example/", nil)
	withSCS.AddCookie(in.Result().Cookies()[0])
	loaded := manager.LoadAndSave(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_ = manager.GetString(r.Context(), "account")
	}))

	through := func() { guarded.ServeHTTP(w, r) }
	compare("A request through a guard, empty handler",
		side{"WithCancelCause, WithContext, cookie", func() {
			ctx, cancel := context.WithCancelCause(r.Context())
			if _, err := r.Cookie("__Host-oneseat"); err != nil {
				panic(err)
			}
			empty.ServeHTTP(w, r.WithContext(ctx))
			cancel(nil)
		}},
		side{"Guard.Wrap and Require", through})
	// By itself: what scs leaves to the collector would be paid for by the others.
	compare("The same beside scs, both with a cookie and a store in memory",
		side{"scs LoadAndSave, memory store", func() {
			loaded.ServeHTTP(httptest.NewRecorder(), withSCS)
		}},
		side{"Guard.Wrap and Require", func() {
			guarded.ServeHTTP(httptest.NewRecorder(), r)
		}})
}
