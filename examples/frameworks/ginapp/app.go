// Package ginapp is an application on gin. docs/howto/gin.md shows it.
package ginapp

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

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
	app := gin.New()
	app.Use(gin.Recovery())
	app.GET("/login", func(c *gin.Context) {
		if e, ok := oneseat.EndingFrom(c.Request.Context()); ok {
			c.String(http.StatusOK, "%s\n", oneseathttp.NoticeOf(e).Title)
		}
		c.String(http.StatusOK, "Sign in\n")
	})
	app.POST("/login", func(c *gin.Context) {
		account := c.PostForm("account")
		if !users.Verify(account, c.PostForm("password")) {
			c.String(http.StatusUnauthorized, "That name and password do not belong together.")
			return
		}
		if _, err := guard.SignIn(c.Writer, c.Request, account); err != nil {
			guard.RefuseSignIn(c.Writer, c.Request, err, "/")
			return
		}
		c.Redirect(http.StatusSeeOther, "/")
	})
	members := app.Group("/", Adapt(guard.Require))
	members.GET("/", func(c *gin.Context) {
		session, _ := oneseat.SessionFrom(c.Request.Context())
		c.String(http.StatusOK, "Hello %s\n", session.Account)
	})
	members.GET("/live", live) // cut the moment the account signs in elsewhere
	app.Any(oneseathttp.Path+"*any", gin.WrapH(guard.Handler()))
	return http.NewCrossOriginProtection().Handler(guard.Wrap(app)), nil
}

func live(c *gin.Context) {
	n := 0
	c.Stream(func(w io.Writer) bool {
		n++
		_, err := fmt.Fprintf(w, "picture %d\n", n)
		select {
		case <-c.Request.Context().Done():
			return false
		case <-time.After(100 * time.Millisecond):
			return err == nil
		}
	})
}
