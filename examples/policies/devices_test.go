package policies

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

func TestAnIPadThatCallsItselfAMacIsToldByItsScreen(t *testing.T) {
	guard, err := oneseathttp.New(open(t, oneseat.Config{Limit: 9}), oneseathttp.Config{SignInPath: "/login", Device: TellIPads})
	if err != nil {
		t.Fatal(err)
	}
	const (
		safari = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.6 Safari/605.1.15"
		chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/154.0.0.0 Safari/537.36"
	)
	for _, tt := range []struct{ agent, touch, class, label string }{
		{safari, "5", "tablet", "Safari on iPad"},
		{safari, "0", "desktop", "Safari on Mac"},
		{safari, "", "desktop", "Safari on Mac"},
		{safari, "five", "desktop", "Safari on Mac"},
		{chrome, "10", "desktop", "Chrome on Windows"},
	} {
		r := httptest.NewRequest(http.MethodPost, "/login", strings.NewReader(url.Values{"touch": {tt.touch}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("User-Agent", tt.agent)
		if err := r.ParseForm(); err != nil {
			t.Fatal(err)
		}
		session, err := guard.SignIn(httptest.NewRecorder(), r, "ada")
		if err != nil || string(session.Device.Class) != tt.class || session.Device.Label != tt.label {
			t.Errorf("%s on %q points: %v, %v", tt.agent, tt.touch, session.Device, err)
		}
	}
}
