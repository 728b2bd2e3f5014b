// Package fiberapp is an application on fiber. docs/howto/fiber.md shows it. fiber is
// built on fasthttp, whose requests no guard can cut.
package fiberapp

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"

	"github.com/gofiber/fiber/v3"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/internal/accounts"
	"github.com/oneseat/oneseat/oneseathttp"
)

// New returns the application by itself, over the registry. It asks which session a
// request belongs to, and ends a live answer when that session ends. It has neither
// the guard's pages nor its script.
func New(seats *oneseat.Registry, users *accounts.Table) *fiber.App {
	app := fiber.New()
	app.Post("/login", func(c fiber.Ctx) error {
		account := c.FormValue("account")
		if !users.Verify(account, c.FormValue("password")) {
			return c.Status(http.StatusUnauthorized).SendString("That name and password do not belong together.")
		}
		grant, err := seats.SignIn(c.Context(), account, oneseat.SignInRequest{
			Token: c.Cookies(cookie), Device: oneseat.Device{Label: "a browser", IP: c.IP()},
		})
		if err != nil {
			return c.Status(http.StatusConflict).SendString(err.Error())
		}
		c.Cookie(&fiber.Cookie{Name: cookie, Value: string(grant.Token), Path: "/", HTTPOnly: true, Secure: c.Secure(), SameSite: "Lax"})
		return c.Redirect().Status(http.StatusSeeOther).To("/")
	})
	members := app.Group("/", func(c fiber.Ctx) error {
		session, err := seats.Check(c.Context(), c.Cookies(cookie))
		if err != nil {
			return c.Status(http.StatusUnauthorized).SendString(err.Error()) // an *oneseat.EndedError says why
		}
		c.Locals(sessionKey{}, session)
		return c.Next()
	})
	members.Get("/", func(c fiber.Ctx) error {
		session, _ := c.Locals(sessionKey{}).(oneseat.Session)
		return c.SendString("Hello " + session.Account)
	})
	members.Get("/live", func(c fiber.Ctx) error {
		session, _ := c.Locals(sessionKey{}).(oneseat.Session)
		conn := c.RequestCtx().Conn()
		return c.SendStreamWriter(func(w *bufio.Writer) {
			ctx, cancel := seats.Hold(context.Background(), session)
			defer cancel()
			defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // a write may be waiting
			defer func() {
				if ctx.Err() != nil {
					_ = conn.Close() // before fiber writes the end of the answer, which would make it look complete
				}
			}()
			for n := 1; ctx.Err() == nil; n++ {
				fmt.Fprintf(w, "picture %d\n", n)
				if w.Flush() != nil {
					return
				}
				select {
				case <-ctx.Done():
				case <-time.After(100 * time.Millisecond):
				}
			}
		})
	})
	return app
}

const cookie = "seat"

type sessionKey struct{}

// Behind returns a handler with a guard in front of an application that is served in
// this process and reached by dial. The application gets the account in the header
// X-Account, from the guard only.
func Behind(seats *oneseat.Registry, users *accounts.Table, dial func() (net.Conn, error)) (http.Handler, error) {
	guard, err := oneseathttp.New(seats, oneseathttp.Config{SignInPath: "/login"})
	if err != nil {
		return nil, err
	}
	app := &httputil.ReverseProxy{
		Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return dial() }},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: "app"})
			session, _ := oneseat.SessionFrom(r.In.Context())
			r.Out.Header.Set("X-Account", session.Account)
		},
		FlushInterval: -1,
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		if e, ok := oneseat.EndingFrom(r.Context()); ok {
			fmt.Fprintln(w, oneseathttp.NoticeOf(e).Title)
		}
		fmt.Fprintln(w, "Sign in")
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		account := r.PostFormValue("account")
		if !users.Verify(account, r.PostFormValue("password")) {
			http.Error(w, "That name and password do not belong together.", http.StatusUnauthorized)
			return
		}
		if _, err := guard.SignIn(w, r, account); err != nil {
			guard.RefuseSignIn(w, r, err, "/")
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.Handle(oneseathttp.Path, guard.Handler())
	mux.Handle("/", guard.Require(app)) // its endless answers are cut
	return http.NewCrossOriginProtection().Handler(guard.Wrap(mux)), nil
}
