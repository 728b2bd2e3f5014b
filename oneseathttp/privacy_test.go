package oneseathttp_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

// PRV-07: a displaced browser is told the kind of device that did it and when, and not
// from where: either of the two browsers may be a stranger's. Only a live session of the
// account sees networks, in its own list.
func TestADisplacedBrowserIsToldNothingOfTheNetworkOfTheOther(t *testing.T) {
	const from, network = "203.0.113.77", "203.0.113"
	for _, policy := range []oneseat.Policy{oneseat.PolicyDisplace, oneseat.PolicyAsk} {
		t.Run(string(policy), func(t *testing.T) {
			s := newSite(t, oneseat.Config{WhenFull: policy}, oneseathttp.Config{TrustedProxies: prefixes("127.0.0.1/32")})
			s.mux.HandleFunc("GET /over", func(w http.ResponseWriter, r *http.Request) {
				if e, ok := oneseat.EndingFrom(r.Context()); ok {
					_, _ = io.WriteString(w, oneseathttp.NoticeOf(e).Title+oneseathttp.NoticeOf(e).Detail)
				}
				token, err := r.Cookie("oneseat")
				if err == nil {
					_, err = s.seats.Check(r.Context(), token.Value)
				}
				_, _ = io.WriteString(w, err.Error())
			})
			old, newcomer := s.browser(t, firefox), s.browser(t, iphone)
			old.signIn("ada")
			stream := old.events()
			stream.next()
			// The newcomer comes from another network, and ends the old session as the policy says.
			resp := newcomer.do("POST", "/login", url.Values{"account": {"ada"}}, "X-Forwarded-For", from)
			if policy == oneseat.PolicyAsk {
				live, err := s.seats.Sessions(t.Context(), "ada")
				if err != nil || resp.StatusCode != http.StatusConflict {
					t.Fatal(resp.Status, err)
				}
				if _, err := s.staff.End(t.Context(), "ada", oneseat.EndOptions{}, live[0].ID); err != nil {
					t.Fatal(err)
				}
				resp = newcomer.do("POST", "/login", url.Values{"account": {"ada"}}, "X-Forwarded-For", from)
			}
			if resp.StatusCode != http.StatusSeeOther {
				t.Fatal(resp.Status)
			}
			if _, list := newcomer.get("/oneseat/sessions"); !strings.Contains(list, network+".0") {
				t.Fatalf("it comes from nowhere, so nothing would be found: %s", list)
			}
			var told strings.Builder
			for name, data := stream.next(); name != ""; name, data = stream.next() {
				for key, value := range data {
					told.WriteString(name + " " + key + " ")
					if text, ok := value.(string); ok {
						told.WriteString(text + "\n")
					}
				}
			}
			for _, path := range []string{"/me", "/over", "/oneseat/session", "/oneseat/sessions", "/oneseat/devices", "/oneseat/events", "/"} {
				for _, accept := range []string{program, page} {
					resp := old.do("GET", path, nil, "Accept", accept)
					body, err := io.ReadAll(resp.Body)
					if err != nil {
						t.Fatal(err)
					}
					told.WriteString(path + " " + headersOf(resp.Header) + string(body) + "\n")
				}
			}
			for _, word := range []string{"ended reason displaced", "oneseat: session", "Safari on iPhone"} {
				if want := policy == oneseat.PolicyDisplace || word == "oneseat: session"; strings.Contains(told.String(), word) != want {
					t.Errorf("%q is told, or is not: %s", word, told.String())
				}
			}
			if strings.Contains(told.String(), network) {
				t.Errorf("the one displaced is told the network: %s", told.String())
			}
		})
	}
}
