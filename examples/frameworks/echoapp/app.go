// Package echoapp is an application on echo. docs/howto/echo.md shows it.
package echoapp

import (
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/internal/accounts"
	"github.com/oneseat/oneseat/oneseathttp"
)

// New returns the application.
func New(seats *oneseat.Registry, users *accounts.Table) (http.Handler, error) {
	guard, err := oneseathttp.New(seats, oneseathttp.Config{SignInPath: "/login"})
	if err != nil {
		return nil, err
	}
	app := echo.New()
	app.Use(middleware.Recover())
	app.Use(echo.WrapMiddleware(http.NewCrossOriginProtection().Handler), echo.WrapMiddleware(guard.Wrap))
	app.GET("/login", func(c *echo.Context) error {
		said := "Sign in"
		if e, ok := oneseat.EndingFrom(c.Request().Context()); ok {
			said = oneseathttp.NoticeOf(e).Title
		}
		return c.String(http.StatusOK, said)
	})
	app.POST("/login", func(c *echo.Context) error {
		account := c.FormValue("account")
		if !users.Verify(account, c.FormValue("password")) {
			return c.String(http.StatusUnauthorized, "That name and password do not belong together.")
		}
		if _, err := guard.SignIn(c.Response(), c.Request(), account); err != nil {
			guard.RefuseSignIn(c.Response(), c.Request(), err, "/")
			return nil
		}
		return c.Redirect(http.StatusSeeOther, "/")
	})
	members := app.Group("", echo.WrapMiddleware(guard.Require))
	members.GET("/", func(c *echo.Context) error {
		session, _ := oneseat.SessionFrom(c.Request().Context())
		return c.String(http.StatusOK, "Hello "+session.Account)
	})
	members.GET("/live", live) // cut the moment the account signs in elsewhere
	app.Any(oneseathttp.Path+"*", echo.WrapHandler(guard.Handler()))
	return app, nil
}

func live(c *echo.Context) error {
	picture, ok := oneseathttp.NewEndless(c.Response(), c.Request(), "text/plain", nil)
	for n := 1; ok; n++ {
		ok = picture.Send(fmt.Appendf(nil, "picture %d\n", n)) == nil
		select {
		case <-c.Request().Context().Done():
			return nil
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}
