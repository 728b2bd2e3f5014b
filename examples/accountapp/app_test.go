package accountapp

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseattest"
)

// club is the application, with the mail that it has sent.
type club struct {
	*oneseattest.Site
	app  *App
	mail []string
}

func open(t *testing.T) *club {
	t.Helper()
	c := &club{Site: oneseattest.New(t, oneseat.Config{Limit: 2})}
	app, err := New(c.Seats, func(to, text string) { c.mail = append(c.mail, to+": "+text) }, "ada")
	if err != nil {
		t.Fatal(err)
	}
	c.app = app
	return c
}

func signIn(t *testing.T, b *oneseattest.Browser, form ...string) *http.Response {
	t.Helper()
	values := url.Values{"account": {"ada"}, "password": {"ada"}}
	for i := 0; i < len(form); i += 2 {
		values.Set(form[i], form[i+1])
	}
	answer := b.Post("/login", values)
	if answer.StatusCode != http.StatusSeeOther {
		t.Fatal(answer.Status)
	}
	return answer
}

// life is how long the browser keeps the token of a sign-in, in seconds; 0: until it is
// closed.
func life(t *testing.T, answer *http.Response) int {
	t.Helper()
	for _, c := range answer.Cookies() {
		if strings.HasSuffix(c.Name, "oneseat") {
			return c.MaxAge
		}
	}
	t.Fatal("no cookie")
	return 0
}

func TestWhoIsNotRememberedIsSignedOutAfterHalfAnHour(t *testing.T) {
	c := open(t)
	short, long := oneseattest.NewBrowser(t, c.app), oneseattest.NewBrowser(t, c.app)
	if s := life(t, signIn(t, short)); s != 0 {
		t.Errorf("without the box the cookie is kept for %d s", s)
	}
	if s := life(t, signIn(t, long, "remember", "yes")); s == 0 {
		t.Error("with the box the browser forgets the cookie")
	}
	c.Clock.Advance(31 * time.Minute)
	if why := oneseattest.Reason(short.Get("/")); why != oneseat.ReasonIdleTimeout {
		t.Errorf("without the box: %q", why)
	}
	if answer := long.Get("/"); answer.StatusCode != http.StatusOK {
		t.Error("with the box:", answer.Status)
	}
}

func TestTheOwnerGetsMailForADeviceThatIsNotKnown(t *testing.T) {
	c := open(t)
	laptop := oneseattest.NewBrowser(t, c.app)
	signIn(t, laptop)
	signIn(t, laptop)
	if len(c.mail) != 1 {
		t.Fatalf("%q", c.mail)
	}
	signIn(t, oneseattest.NewBrowser(t, c.app))
	if len(c.mail) != 2 || !strings.HasPrefix(c.mail[1], "ada: A device that we do not know has signed in: ") {
		t.Errorf("%q", c.mail)
	}
}

func TestThePasswordIsAskedForAgainBeforeTheAccountIsDeleted(t *testing.T) {
	c := open(t)
	b, other := oneseattest.NewBrowser(t, c.app), oneseattest.NewBrowser(t, c.app)
	signIn(t, b, "remember", "yes")
	signIn(t, other, "remember", "yes")
	c.Clock.Advance(time.Hour)
	page := func(path string) *http.Response {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Accept", "text/html")
		return b.Do(r)
	}
	if to := page("/delete").Header.Get("Location"); to != "/confirm?next=%2Fdelete" {
		t.Fatal(to)
	}
	if answer := b.Post("/delete", nil); answer.StatusCode != http.StatusUnauthorized {
		t.Error("without a proof:", answer.Status)
	}
	if answer := b.Post("/confirm", url.Values{"password": {"wrong"}, "next": {"/delete"}}); answer.StatusCode != http.StatusForbidden {
		t.Error("a wrong password:", answer.Status)
	}
	if answer := b.Post("/confirm", url.Values{"password": {"ada"}, "next": {"/delete"}}); answer.Header.Get("Location") != "/delete" {
		t.Fatal(answer.Status)
	}
	if answer := page("/delete"); answer.StatusCode != http.StatusOK {
		t.Fatal(answer.Status)
	}
	if answer := b.Post("/delete", nil); answer.Header.Get("Location") != "/login?deleted=1" {
		t.Fatal(answer.Status)
	}
	if answer := other.Get("/"); answer.StatusCode != http.StatusUnauthorized {
		t.Error("the other device:", answer.Status)
	}
	if as, err := c.Seats.Accounts(t.Context(), oneseat.AccountQuery{}); err != nil || len(as) > 0 {
		t.Errorf("known is %+v, %v", as, err)
	}
	if events, err := c.Seats.Events(t.Context(), oneseat.EventQuery{}); err != nil || len(events) > 0 {
		t.Errorf("the log has %+v, %v", events, err)
	}
	if answer := b.Post("/login", url.Values{"account": {"ada"}, "password": {"ada"}}); answer.StatusCode != http.StatusUnauthorized {
		t.Error("a sign-in to the deleted account:", answer.Status)
	}
}
