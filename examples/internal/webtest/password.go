package webtest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

// PasswordChange tries an application's change of password, POST /password with the
// fields "current" and "new", against somebody who knows the old password and signs in
// between any two of its steps. In the end that visitor has to be out and the owner in,
// under every policy. c is the application's own configuration.
func PasswordChange(t *testing.T, c oneseat.Config, app func(*oneseat.Registry) (http.Handler, error)) {
	for name, with := range map[string]oneseat.Config{
		"displace":     {WhenFull: oneseat.PolicyDisplace},
		"displace two": {WhenFull: oneseat.PolicyDisplace, Limit: 2},
		"refuse":       {WhenFull: oneseat.PolicyRefuse},
		"refuse two":   {WhenFull: oneseat.PolicyRefuse, Limit: 2},
		"ask":          {WhenFull: oneseat.PolicyAsk},
	} {
		c.WhenFull, c.Limit = with.WhenFull, with.Limit
		open := func(t *testing.T) *change { return openChange(t, c, app) }
		t.Run(name+"/a sign-in while the form is read", func(t *testing.T) { open(t).whileRead() })
		t.Run(name+"/a sign-in that its browser leaves", func(t *testing.T) { open(t).leavesSignIn() })
		t.Run(name+"/a sign-in that cannot be verified again", func(t *testing.T) { open(t).unverified() })
		steps := 0
		t.Run(name+"/steps", func(t *testing.T) { steps = open(t).steps() })
		if steps < 2 {
			t.Errorf("%d steps: this shows nothing", steps)
		}
		t.Run(name+"/a sign-in after the last step", func(t *testing.T) { open(t).before(steps+1, steps) })
		for step := 1; step <= steps; step++ {
			t.Run(fmt.Sprintf("%s/a sign-in before step %d", name, step), func(t *testing.T) { open(t).before(step, steps) })
			t.Run(fmt.Sprintf("%s/left at step %d", name, step), func(t *testing.T) { open(t).gone(step) })
			t.Run(fmt.Sprintf("%s/no store at step %d", name, step), func(t *testing.T) { open(t).unavailable(step) })
			t.Run(fmt.Sprintf("%s/sent twice at step %d", name, step), func(t *testing.T) { open(t).twice(step) })
			t.Run(fmt.Sprintf("%s/sent twice and left at step %d", name, step), func(t *testing.T) { open(t).left(step) })
		}
	}
}

// change is one change of password: ada's, from "ada" to "lovelace".
type change struct {
	t            *testing.T
	store        *Between
	site         *Site
	owner, thief *Browser
	old          string // the owner's token before
}

var changeForm = url.Values{"current": {"ada"}, "new": {"lovelace"}}

func openChange(t *testing.T, c oneseat.Config, app func(*oneseat.Registry) (http.Handler, error)) *change {
	t.Helper()
	h := &change{t: t, store: &Between{Store: memstore.New()}}
	h.site = Open(t, h.store, c, func(seats *oneseat.Registry) (http.Handler, error) {
		site, err := app(seats)
		return h.store.Around(site), err
	})
	h.owner, h.thief = h.site.Browser(Laptop), h.site.Browser(Phone)
	h.owner.SignIn("ada")
	h.owner.Want("/", http.StatusOK, "Hello ada")
	h.old = h.owner.Cookie("oneseat")
	return h
}

// door holds one request up.
type door struct {
	came, through chan struct{}
	open          func() // any number of times
}

func newDoor() *door {
	through := make(chan struct{})
	return &door{make(chan struct{}), through, sync.OnceFunc(func() { close(through) })}
}

func (d *door) pass() {
	close(d.came)
	<-d.through
}

// form is a request of the owner's that posts a form.
func (h *change) form(ctx context.Context, path string, form url.Values) *http.Request {
	h.t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.site.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		h.t.Fatal(err)
	}
	r.Header.Set("User-Agent", Laptop)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// steps is how many updates the change makes.
func (h *change) steps() (n int) {
	h.store.Before(func(*http.Request) error { n++; return nil }) // one request, one goroutine
	h.changes()
	h.store.Before(nil)
	h.end()
	return n
}

// changes sends the form, which has to succeed.
func (h *change) changes() {
	h.t.Helper()
	resp := h.owner.Do(http.MethodPost, "/password", changeForm)
	if to := resp.Header.Get("Location"); resp.StatusCode != http.StatusSeeOther || to != "/" {
		body, _ := io.ReadAll(resp.Body)
		h.t.Errorf("the change is answered %s, to %q: %s", resp.Status, to, body)
	}
}

// whileRead has the thief sign in when the change was admitted and before its form
// has been read.
func (h *change) whileRead() {
	form := &asked{from: strings.NewReader(changeForm.Encode()), first: func() {
		resp := h.thief.Do(http.MethodPost, "/login", url.Values{"account": {"ada"}, "password": {"ada"}})
		if resp.StatusCode != http.StatusSeeOther && resp.StatusCode != http.StatusConflict {
			h.t.Errorf("the sign-in: %s", resp.Status)
		}
	}}
	r := h.form(h.t.Context(), "/password", changeForm)
	r.Body, r.ContentLength = io.NopCloser(form), -1
	r.Header.Set("Expect", "100-continue") // the server says so when its handler reads
	h.owner.Transport.(*http.Transport).ExpectContinueTimeout = time.Hour
	resp, err := h.owner.Client.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	if to := resp.Header.Get("Location"); resp.StatusCode != http.StatusSeeOther || to != "/" {
		body, _ := io.ReadAll(resp.Body)
		h.t.Errorf("the change is answered %s, to %q: %s", resp.Status, to, body)
	}
	h.end()
}

// asked calls first when it is first read.
type asked struct {
	from  io.Reader
	first func()
}

func (a *asked) Read(b []byte) (int, error) {
	if a.first != nil {
		a.first()
		a.first = nil
	}
	return a.from.Read(b)
}

// before has the thief pass the check of the old password before the change, sign in
// before one of the steps of the change, and be verified once more after the last step.
func (h *change) before(step, steps int) {
	signsIn, verified := newDoor(), newDoor()
	thiefs, owners := 0, 0
	over := make(chan struct{})
	h.store.Before(func(r *http.Request) error {
		switch r.UserAgent() {
		case Phone:
			if thiefs++; thiefs <= 2 {
				[]*door{signsIn, verified}[thiefs-1].pass()
			}
		case Laptop:
			if owners++; owners == step {
				signsIn.open()
				select {
				case <-verified.came:
				case <-over: // there was no room
				}
			}
		}
		return nil
	})
	go func() {
		defer close(over)
		_ = h.thief.Do(http.MethodPost, "/login", url.Values{"account": {"ada"}, "password": {"ada"}}) // whatever is said
	}()
	<-signsIn.came
	h.changes()
	signsIn.open()
	verified.open()
	<-over
	h.store.Before(nil)
	if _, body := h.owner.Get("/"); step > steps && strings.Contains(body, string(oneseat.ReasonDisplaced)) {
		h.owner.Post("/login", http.StatusSeeOther, "account", "ada", "password", "lovelace") // it came after all of that
	}
	h.end()
}

// leavesSignIn has the thief's browser leave its sign-in before the password is
// verified once more. A client that closes one direction of its connection would still
// read the answer.
func (h *change) leavesSignIn() {
	ctx, leave := context.WithCancel(h.t.Context())
	n := 0
	h.store.Before(func(r *http.Request) error {
		if r.UserAgent() != Phone {
			return nil
		}
		switch n++; n {
		case 1: // it has passed the check of the old password
			h.changes()
			h.owner.Post("/logout", http.StatusSeeOther) // so that there is room
		case 2:
			leave()
			<-r.Context().Done()
		}
		return nil
	})
	r := h.form(ctx, "/login", url.Values{"account": {"ada"}, "password": {"ada"}})
	r.Header.Set("User-Agent", Phone)
	if resp, err := h.thief.Client.Do(r); err == nil {
		_ = resp.Body.Close()
		h.t.Errorf("it was answered %s", resp.Status)
	}
	h.store.Wait()
	h.store.Before(nil)
	h.owner.Post("/login", http.StatusSeeOther, "account", "ada", "password", "lovelace")
	h.end()
}

// unverified has the thief sign in. The store stops answering before the password is
// verified once more.
func (h *change) unverified() {
	n := 0
	h.store.Before(func(r *http.Request) error {
		if r.UserAgent() != Phone {
			return nil
		}
		if n++; n > 1 {
			return fmt.Errorf("on fire: %w", oneseat.ErrStoreUnavailable)
		}
		h.changes()
		h.owner.Post("/logout", http.StatusSeeOther) // so that there is room
		return nil
	})
	h.thief.Post("/login", http.StatusServiceUnavailable, "account", "ada", "password", "ada")
	if h.thief.Cookie("oneseat") != "" {
		h.t.Error("whoever knows the old password was given a session")
	}
}

// gone sends the form and leaves before one of the steps, while the thief is signed in,
// where there is room for two.
func (h *change) gone(step int) {
	if h.site.Seats.Config().Limit == 2 {
		h.thief.SignIn("ada")
	}
	ctx, leave := context.WithCancel(h.t.Context())
	n := 0
	h.store.Before(func(r *http.Request) error {
		if n++; n == step {
			leave()
			<-r.Context().Done()
		}
		return nil
	})
	if resp, err := h.owner.Client.Do(h.form(ctx, "/password", changeForm)); err == nil {
		_ = resp.Body.Close()
		h.t.Errorf("it was answered %s", resp.Status)
	}
	h.store.Wait()
	h.store.Before(nil)
	h.owner.Post("/login", http.StatusSeeOther, "account", "ada", "password", "lovelace")
	h.end()
}

// unavailable sends the form while the store does not answer from one of the steps on,
// and again when it does.
func (h *change) unavailable(step int) {
	n := 0
	h.store.Before(func(*http.Request) error {
		if n++; n >= step {
			return fmt.Errorf("on fire: %w", oneseat.ErrStoreUnavailable)
		}
		return nil
	})
	before := h.owner.Cookie("oneseat")
	h.owner.Post("/password", http.StatusServiceUnavailable, "current", "ada", "new", "lovelace")
	if now := h.owner.Cookie("oneseat"); now != before {
		h.t.Error("an answer without a session has changed the cookie")
	}
	h.store.Before(nil)
	h.again()
	if status, _ := h.owner.Get("/"); status != http.StatusOK {
		h.owner.Post("/login", http.StatusSeeOther, "account", "ada", "password", "lovelace")
	}
	h.end()
}

// twice sends the form a second time while the first is held up before one of its
// steps. The browser takes both answers.
func (h *change) twice(step int) {
	first, over := h.hold(step), make(chan struct{})
	go func() {
		defer close(over)
		h.changes()
	}()
	select {
	case <-first.came:
	case <-over:
	}
	h.again()
	first.open()
	<-over
	h.store.Before(nil)
	h.end()
}

// left sends the form a second time, as a browser does: it leaves the first. If it is
// signed out by that, the new password signs it in.
func (h *change) left(step int) {
	first, over := h.hold(step), make(chan struct{})
	ctx, leave := context.WithCancel(h.t.Context())
	r := h.form(ctx, "/password", changeForm)
	go func() {
		defer close(over)
		if resp, err := h.owner.Client.Do(r); err == nil {
			_ = resp.Body.Close()
		}
	}()
	select {
	case <-first.came:
	case <-over:
	}
	leave()
	<-over
	h.again()
	first.open()
	h.store.Wait()
	h.store.Before(nil)
	if status, _ := h.owner.Get("/"); status != http.StatusOK {
		h.owner.Post("/login", http.StatusSeeOther, "account", "ada", "password", "lovelace")
	}
	h.end()
}

// hold holds the next request up before one of its steps, and no later one.
func (h *change) hold(step int) *door {
	at, n := newDoor(), 0
	h.store.Before(func(*http.Request) error {
		if n++; n == step {
			h.store.Before(nil)
			at.pass()
		}
		return nil
	})
	return at
}

// again sends the form once more. Its session may have ended by the first.
func (h *change) again() {
	h.t.Helper()
	if resp := h.owner.Do(http.MethodPost, "/password", changeForm); resp.StatusCode != http.StatusSeeOther && resp.StatusCode != http.StatusUnauthorized {
		body, _ := io.ReadAll(resp.Body)
		h.t.Errorf("the second form: %s: %s", resp.Status, body)
	}
}

// end checks what has to be true in the end.
func (h *change) end() {
	h.t.Helper()
	h.owner.Want("/", http.StatusOK, "Hello ada")
	if status, body := h.thief.Get("/"); status != http.StatusUnauthorized {
		h.t.Errorf("whoever knows the old password is in: %d %s", status, body)
	}
	h.thief.Post("/login", http.StatusUnauthorized, "account", "ada", "password", "ada")
	copied := h.site.Browser(Laptop)
	copied.Plant("oneseat", h.old)
	if status, _ := copied.Get("/"); status != http.StatusUnauthorized {
		h.t.Errorf("the secret of before the change is good: %d", status)
	}
	h.owner.Want("/", http.StatusOK, "Hello ada")
	all, err := h.site.Seats.Sessions(h.t.Context(), "ada")
	if err != nil {
		h.t.Fatal(err)
	}
	for _, s := range all {
		if s.Device.Label != "Firefox on Linux" {
			h.t.Errorf("live: %+v", s)
		}
	}
}
