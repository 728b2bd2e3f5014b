package ginapp

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/frameworks/internal/apptest"
	"github.com/oneseat/oneseat/examples/internal/accounts"
	"github.com/oneseat/oneseat/oneseathttp"
	"github.com/oneseat/oneseat/store/memstore"
)

func TestTheSecondSignInStopsTheFirstOnesStreamAndItIsToldWhy(t *testing.T) {
	apptest.SecondSignIn(t, func(seats *oneseat.Registry) (http.Handler, error) { return New(seats, accounts.New("ada", "grace")) })
}

func TestAnAdapterThatKeepsGinsOwnWriterIsWarnedOfAndNothingIsAppended(t *testing.T) {
	var log strings.Builder
	seats, err := oneseat.New(memstore.New(), oneseat.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer seats.Close()
	guard, err := oneseathttp.New(seats, oneseathttp.Config{SignInPath: "/login", Carrier: oneseathttp.Bearer()})
	if err != nil {
		t.Fatal(err)
	}
	signIn := func() string {
		grant, err := seats.SignIn(context.Background(), "ada", oneseat.SignInRequest{})
		if err != nil {
			t.Error(err)
		}
		return string(grant.Token)
	}
	app := gin.New()
	app.Use(func(c *gin.Context) {
		guard.Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			c.Request = r
			c.Next()
		})).ServeHTTP(c.Writer, c.Request)
	})
	returned := make(chan struct{})
	app.GET("/", func(c *gin.Context) {
		defer close(returned)
		c.String(http.StatusOK, "all of it")
		c.Writer.Flush()
		signIn()
	})
	server := httptest.NewServer(app)
	defer server.Close()
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	r.Header.Set("Authorization", "Bearer "+signIn())
	resp, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); string(body) != "all of it" || err == nil {
		t.Errorf("%q, %v", body, err)
	}
	<-returned
	server.Close()
	if !strings.Contains(log.String(), "an answer did not pass the guard's writer") {
		t.Error("no warning:", log.String())
	}
}
