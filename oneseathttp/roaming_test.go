package oneseathttp_test

import (
	"fmt"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

// Phones change networks, browsers are updated, and extensions change what they say. So
// neither an address nor an agent that is another than at the sign-in ends a session
// (PRV-06).
func TestABrowserThatIsOnAnotherNetworkOrIsUpdatedStaysSignedIn(t *testing.T) {
	s := unstarted(t, oneseat.Config{}, oneseathttp.Config{TrustedProxies: prefixes("127.0.0.0/8", "::1/128")})
	s.StartTLS()
	b := s.browser(t, firefox)
	b.signIn("ada")
	for i, agent := range []string{firefox, iphone, "curl/8.5.0", "-"} {
		for j, address := range []string{"203.0.113.7", "198.51.100.9", "2001:db8:7::1"} {
			for _, method := range []string{"GET", "POST"} {
				path := map[string]string{"GET": "/me", "POST": "/oneseat/active"}[method]
				b.ua = agent
				resp := b.do(method, path, nil, "X-Forwarded-For", address, "Accept-Language", fmt.Sprint("x-", i, j))
				if resp.StatusCode != 200 {
					t.Errorf("%s %s as %q from %s: %s", method, path, agent, address, resp.Status)
				}
			}
		}
	}
	if live, err := s.seats.Sessions(t.Context(), "ada"); err != nil || len(live) != 1 {
		t.Errorf("%v, %v", live, err)
	}
}
