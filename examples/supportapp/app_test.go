package supportapp

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/internal/accounts"
	"github.com/oneseat/oneseat/examples/internal/webtest"
	"github.com/oneseat/oneseat/store/memstore"
)

// world is the site, with ada and "grace hopper" as members and kim as staff.
type world struct {
	*webtest.Site
	staff *oneseat.Registry
	users *accounts.Table

	mu    sync.Mutex
	looks []Look
	deaf  bool // nothing can be written down
}

func open(t *testing.T, c oneseat.Config) *world {
	t.Helper()
	w := &world{users: accounts.New("ada", "grace hopper")}
	store := memstore.New()
	var err error
	if w.staff, err = oneseat.New(store, oneseat.Config{Realm: "staff", Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.staff.Close() })
	w.Site = webtest.Open(t, store, c, func(members *oneseat.Registry) (http.Handler, error) {
		return New(Config{
			Members: members, Staff: w.staff, Users: w.users, Team: accounts.New("kim"),
			Known: func(member string) bool { return member == "ada" || member == "grace hopper" },
			Audit: func(_ context.Context, l Look) error {
				w.mu.Lock()
				defer w.mu.Unlock()
				if w.deaf {
					return errors.New("no database")
				}
				w.looks = append(w.looks, l)
				return nil
			},
		})
	})
	return w
}

func (w *world) support() *webtest.Browser {
	b := w.Browser(webtest.Laptop)
	b.Post("/support/login", http.StatusSeeOther, "account", "kim", "password", "kim")
	return b
}

func TestALookTakesNoSeatAndEndsNobodysSession(t *testing.T) {
	for _, policy := range []oneseat.Policy{oneseat.PolicyDisplace, oneseat.PolicyRefuse} {
		w := open(t, oneseat.Config{WhenFull: policy})
		ada := w.Browser(webtest.Phone)
		ada.SignIn("ada")
		ada.Want("/", http.StatusOK, "Hello ada", "Change it")
		before, err := w.Seats.Account(t.Context(), "ada")
		if err != nil {
			t.Fatal(err)
		}
		kim := w.support()
		kim.Want("/support/as/ada/", http.StatusOK, "Hello ada", "kim, you see the page of ada")
		kim.Want("/support/as/ada/orders", http.StatusOK, "Orders of ada")
		kim.Want("/support/as/grace%20hopper/", http.StatusOK, "Hello grace hopper") // who is not signed in
		after, err := w.Seats.Account(t.Context(), "ada")
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(before, after) {
			t.Errorf("%s: before %+v, after %+v", policy, before, after)
		}
		if g, err := w.Seats.Account(t.Context(), "grace hopper"); err != nil || len(g.Sessions) > 0 || len(g.Endings) > 0 {
			t.Errorf("%s: %+v, %v", policy, g, err)
		}
		ada.Want("/", http.StatusOK, "Hello ada")
	}
}

func TestEveryLookIsWrittenDownBefore(t *testing.T) {
	w := open(t, oneseat.Config{})
	kim := w.support()
	kim.Want("/support/as/ada/orders", http.StatusOK)
	if len(w.looks) != 1 || w.looks[0].Staff != "kim" || w.looks[0].Member != "ada" || w.looks[0].Page != "/support/as/ada/orders" || w.looks[0].Session == "" || w.looks[0].At.IsZero() {
		t.Errorf("written down: %+v", w.looks)
	}
	w.deaf = true
	if status, body := kim.Get("/support/as/ada/orders"); status != http.StatusServiceUnavailable || strings.Contains(body, "Orders") {
		t.Errorf("%d %s", status, body)
	}
}

func TestALookChangesNothing(t *testing.T) {
	w := open(t, oneseat.Config{Limit: 2})
	ada, other := w.Browser(webtest.Phone), w.Browser(webtest.Phone)
	ada.SignIn("ada")
	other.SignIn("ada")
	live, err := w.Seats.Sessions(t.Context(), "ada")
	if err != nil {
		t.Fatal(err)
	}
	kim := w.support()
	for _, path := range []string{"password", "login", "oneseat/sessions/end-others", "oneseat/sessions/" + string(live[0].ID) + "/end", "orders", ""} {
		resp := kim.Do("POST", "/support/as/ada/"+path, url.Values{"current": {"ada"}, "new": {"kims"}})
		if resp.StatusCode != http.StatusMethodNotAllowed && resp.StatusCode != http.StatusNotFound {
			t.Errorf("POST %s: %s", path, resp.Status)
		}
	}
	for _, path := range []string{"oneseat/devices", "oneseat/sessions", "oneseat/events", "../../password"} {
		if status, body := kim.Get("/support/as/ada/" + path); status == http.StatusOK {
			t.Errorf("GET %s: %s", path, body)
		}
	}
	// In the members' part of the site kim is nobody.
	kim.Post("/password", http.StatusUnauthorized, "current", "ada", "new", "kims")
	kim.Post("/oneseat/sessions/end-others", http.StatusUnauthorized)
	// In the staff's own part kim ends kim's sessions only.
	kim.Post("/support/oneseat/sessions/"+string(live[0].ID)+"/end", http.StatusOK)
	if !w.users.Verify("ada", "ada") {
		t.Error("the password is another")
	}
	for _, b := range []*webtest.Browser{ada, other} {
		b.Want("/", http.StatusOK, "Hello ada")
	}
}

func TestOnlyStaffLooks(t *testing.T) {
	w := open(t, oneseat.Config{})
	ada := w.Browser(webtest.Phone)
	ada.SignIn("ada")
	for path, token := range map[string]string{"/support/as/grace%20hopper/": ada.Cookie("oneseat"), "/support/as/ada/": "", "/support/as/nobody/": ada.Cookie("oneseat")} {
		ada.Plant("staff", token) // a member's token is none of the staff's
		ada.Want(path, http.StatusUnauthorized, "no_session")
	}
	kim := w.support()
	kim.Want("/support/as/nobody/", http.StatusNotFound)
	kim.Want("/support/as/ada/", http.StatusOK)
	w.support() // kim, somewhere else
	kim.Want("/support/as/ada/", http.StatusUnauthorized, "displaced")
	if len(w.looks) != 1 {
		t.Errorf("written down: %+v", w.looks)
	}
}
