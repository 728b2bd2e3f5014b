package fiberapp

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"testing"

	"github.com/gofiber/fiber/v3"
	"github.com/valyala/fasthttp/fasthttputil"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/frameworks/internal/apptest"
	"github.com/oneseat/oneseat/examples/internal/accounts"
	"github.com/oneseat/oneseat/examples/internal/webtest"
	"github.com/oneseat/oneseat/store/memstore"
)

// listen serves an application of fiber until the test ends.
func listen(t *testing.T, app *fiber.App, l net.Listener) {
	t.Helper()
	served := make(chan error, 1)
	go func() { served <- app.Listener(l, fiber.ListenConfig{DisableStartupMessage: true}) }() // ends with l
	t.Cleanup(func() {
		_ = l.Close()
		<-served //nolint:errcheck // it was closed
	})
}

func TestNobodyButTheGuardSaysWhoIsAsking(t *testing.T) {
	s := webtest.Open(t, memstore.New(), oneseat.Config{}, func(seats *oneseat.Registry) (http.Handler, error) {
		app := fiber.New()
		app.Get("/", func(c fiber.Ctx) error { return c.SendString("Hello " + c.Get("X-Account")) })
		l := fasthttputil.NewInmemoryListener()
		listen(t, app, l)
		return Behind(seats, accounts.New("ada"), l.Dial)
	})
	b := s.Browser(webtest.Laptop)
	b.SignIn("ada")
	for _, header := range [][]string{{"X-Account", "grace"}, {"x-account", "grace"}, {"Connection", "X-Account"}} {
		if _, body := b.Get("/", header...); body != "Hello ada" {
			t.Errorf("%v: %q", header, body)
		}
	}
}

func TestBehindAGuardTheSecondSignInStopsTheFirstOnesStreamAndItIsToldWhy(t *testing.T) {
	apptest.SecondSignIn(t, func(seats *oneseat.Registry) (http.Handler, error) {
		app := fiber.New()
		app.Get("/", func(c fiber.Ctx) error { return c.SendString("Hello " + c.Get("X-Account")) })
		app.Get("/live", func(c fiber.Ctx) error {
			return c.SendStreamWriter(func(w *bufio.Writer) { // it knows nothing of sessions
				_, _ = w.WriteString("picture 1\npicture 2\n")
				for w.Flush() == nil {
					_, _ = w.WriteString("picture\n")
				}
			})
		})
		l := fasthttputil.NewInmemoryListener()
		listen(t, app, l)
		return Behind(seats, accounts.New("ada", "grace"), l.Dial)
	})
}

func TestByItselfHoldStopsTheStreamAndTheNextRequestIsRefused(t *testing.T) {
	seats, err := oneseat.New(memstore.New(), oneseat.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = seats.Close() })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listen(t, New(seats, accounts.New("ada")), l)
	site := "http://" + l.Addr().String()
	browser := func() *http.Client {
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		c := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		resp, err := c.PostForm(site+"/login", url.Values{"account": {"ada"}, "password": {"ada"}})
		if err != nil || resp.StatusCode != http.StatusSeeOther {
			t.Fatal(resp, err)
		}
		_ = resp.Body.Close()
		return c
	}
	get := func(c *http.Client, path string) *http.Response {
		resp, err := c.Get(site + path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		return resp
	}
	laptop := browser()
	head, err := laptop.Head(site + "/live")
	if err != nil || head.StatusCode != http.StatusOK {
		t.Fatal("HEAD:", head, err)
	}
	_ = head.Body.Close()
	live := bufio.NewReader(get(laptop, "/live").Body)
	if line, err := live.ReadString('\n'); err != nil || line != "picture 1\n" {
		t.Fatalf("%q, %v", line, err)
	}
	phone := browser()
	if _, err := io.ReadAll(live); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the stream ended with %v", err)
	}
	if resp := get(laptop, "/"); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("the laptop: %s", resp.Status)
	}
	if body, err := io.ReadAll(get(phone, "/").Body); string(body) != "Hello ada" || err != nil {
		t.Errorf("the phone: %q, %v", body, err)
	}
}
