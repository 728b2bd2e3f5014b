package oneseathttp_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/oneseat/oneseat/oneseathttp"
)

func TestWhatMakesNoSenseIsRefusedWithWhatToWrite(t *testing.T) {
	seats := registry(t)
	for name, c := range map[string]struct {
		config oneseathttp.Config
		says   string // "": it is accepted
	}{
		"a prefix":                           {oneseathttp.Config{Prefix: "/app/"}, ""},
		"a prefix of two parts":              {oneseathttp.Config{Prefix: "/de/members/"}, ""},
		"a prefix without slashes":           {oneseathttp.Config{Prefix: "app"}, `Config.Prefix: "app" is not a path of this site that begins and ends with a slash: write "/app/"`},
		"a prefix without the last slash":    {oneseathttp.Config{Prefix: "/app"}, `write "/app/"`},
		"a prefix with dots":                 {oneseathttp.Config{Prefix: "/a/../app/"}, `write "/app/"`},
		"a prefix with a query":              {oneseathttp.Config{Prefix: "/app/?x"}, `write "/app/"`},
		"a prefix that is another host":      {oneseathttp.Config{Prefix: "//app/"}, `write "/app/"`},
		"a domain":                           {oneseathttp.Config{Domain: "members.example"}, ""},
		"a domain in a LAN":                  {oneseathttp.Config{Domain: "nas.lan"}, ""},
		"a domain with a dot before":         {oneseathttp.Config{Domain: ".members.example"}, "write members.example"},
		"a domain in capitals":               {oneseathttp.Config{Domain: "Members.example"}, "write members.example"},
		"a cookie's long name":               {oneseathttp.Config{CookieName: strings.Repeat("n", 256)}, ""},
		"a cookie's longer name":             {oneseathttp.Config{CookieName: strings.Repeat("n", 257)}, "CookieName: the name has 257 bytes"},
		"a name of 5,000 bytes":              {oneseathttp.Config{CookieName: strings.Repeat("n", 5000)}, "CookieName: the name has 5000 bytes"},
		"a domain with a port":               {oneseathttp.Config{Domain: "members.example:8080"}, "is no domain: write its name alone"},
		"a URL as domain":                    {oneseathttp.Config{Domain: "https://members.example"}, "is no domain: write its name alone"},
		"a domain with letters beyond ASCII": {oneseathttp.Config{Domain: "müller.example"}, "with xn--"},
		"an address as domain":               {oneseathttp.Config{Domain: "192.0.2.1"}, "is an address"},
		"an address in brackets":             {oneseathttp.Config{Domain: "[::1]"}, "is an address"},
		"a public suffix":                    {oneseathttp.Config{Domain: "com"}, "is a public suffix"},
		"a public suffix of two parts":       {oneseathttp.Config{Domain: "co.uk"}, "such as members.co.uk"},
		"a public suffix of a company":       {oneseathttp.Config{Domain: "github.io"}, "is a public suffix"},
		"localhost as domain":                {oneseathttp.Config{Domain: "localhost"}, "is a public suffix"},

		"an origin":                           {oneseathttp.Config{Origins: []string{"https://www.members.example", "https://members.example:8443"}}, ""},
		"an origin on this machine":           {oneseathttp.Config{Origins: []string{"http://localhost:3000", "http://127.0.0.1", "http://[::1]:3000"}}, ""},
		"an origin with a wildcard":           {oneseathttp.Config{Origins: []string{"https://*.members.example"}}, "has a wildcard: name each origin"},
		"every origin":                        {oneseathttp.Config{Origins: []string{"*"}}, "has a wildcard"},
		"null":                                {oneseathttp.Config{Origins: []string{"null"}}, "is not an origin"},
		"a host":                              {oneseathttp.Config{Origins: []string{"www.members.example"}}, "is not an origin: write the scheme and the host"},
		"an empty origin":                     {oneseathttp.Config{Origins: []string{""}}, "is not an origin"},
		"an origin with a slash":              {oneseathttp.Config{Origins: []string{"https://www.members.example/"}}, "write https://www.members.example"},
		"an origin with a path":               {oneseathttp.Config{Origins: []string{"https://www.members.example/app?x#y"}}, "write https://www.members.example"},
		"an origin with a user":               {oneseathttp.Config{Origins: []string{"https://ada@www.members.example"}}, "write https://www.members.example"},
		"an origin with the port of https":    {oneseathttp.Config{Origins: []string{"https://www.members.example:443"}}, "write https://www.members.example"},
		"an origin in capitals":               {oneseathttp.Config{Origins: []string{"https://WWW.members.example"}}, "write https://www.members.example"},
		"an origin with letters beyond ASCII": {oneseathttp.Config{Origins: []string{"https://müller.example"}}, "with xn--"},
		"an origin by plain http":             {oneseathttp.Config{Origins: []string{"http://www.members.example"}}, "write https"},
		"the same where all is plain http":    {oneseathttp.Config{Origins: []string{"http://nas.lan"}, DangerouslyPlainHTTP: true}, ""},
		"an origin of another kind":           {oneseathttp.Config{Origins: []string{"chrome-extension://abc"}}, "is not an origin"},

		"a frame":                                {oneseathttp.Config{FrameAncestors: []string{"https://lms.example"}}, ""},
		"any frame":                              {oneseathttp.Config{FrameAncestors: []string{"https://*.lms.example"}}, "Config.FrameAncestors: \"https://*.lms.example\" has a wildcard"},
		"frame with a directive":                 {oneseathttp.Config{FrameAncestors: []string{"https://lms.example; script-src *"}}, "Config.FrameAncestors"},
		"a frame and cookies without Secure":     {oneseathttp.Config{FrameAncestors: []string{"https://lms.example"}, DangerouslyPlainHTTP: true}, "SameSite=None by https only"},
		"a domain, a frame, origins, a prefix":   {oneseathttp.Config{Domain: "members.example", FrameAncestors: []string{"https://lms.example"}, Origins: []string{"https://www.members.example"}, Prefix: "/app/"}, ""},
		"plain http":                             {oneseathttp.Config{DangerouslyPlainHTTP: true}, ""},
		"the guard's cookie, wrapped, for hosts": {oneseathttp.Config{Domain: "members.example", Carrier: oneseathttp.Config{Domain: "members.example"}.Cookie()}, ""},
	} {
		c.config.SignInPath = "/login"
		_, err := oneseathttp.New(seats, c.config)
		switch {
		case c.says == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

func TestAllThatIsWrongIsSaidTogether(t *testing.T) {
	_, err := oneseathttp.New(nil, oneseathttp.Config{
		SignInPath: "login", CookieName: "__Host-x", Prefix: "app", Domain: "com", Origins: []string{"*", "null"},
		FrameAncestors: []string{"lms"}, DangerouslyPlainHTTP: true, EventStreams: -1, FinishWithin: -1, TrustedProxies: prefixes("0.0.0.0/0"),
		Carrier:  oneseathttp.Carrier{Get: func(*http.Request) string { return "" }},
		IssuedAt: func(*http.Request) time.Time { return time.Time{} },
	})
	said := fmt.Sprint(err)
	for _, field := range []string{
		"registry", "SignInPath", "CookieName", "Prefix", "Domain", `Origins: "*"`, `Origins: "null"`, `FrameAncestors: "lms"`,
		"SameSite=None", "EventStreams", "FinishWithin", "TrustedProxies", "Carrier", "IssuedAt",
	} {
		if !strings.Contains(said, field) {
			t.Errorf("%s is not in %q", field, said)
		}
	}
}
