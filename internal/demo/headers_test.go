package demo_test

import (
	"context"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/oneseat/oneseat"
)

// headersOf are the headers of an answer that are not of its content, sorted, in a line each.
func headersOf(h http.Header) string {
	var all []string
	for name, values := range h {
		if !slices.Contains([]string{"Date", "Content-Length", "Content-Type", "Location", "Set-Cookie", "Vary", "Accept-Ranges"}, name) {
			all = append(all, name+": "+strings.Join(values, " | "))
		}
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

var mounts = regexp.MustCompile(`"(GET|POST) ("\+[\w.]+|[^"]*)`)

// WEB-07, WEB-08, WEB-09: all headers of every answer of the site, compared whole.
func TestEveryAnswerOfTheDemoHasTheseHeadersAndNoOthers(t *testing.T) {
	const (
		plain    = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
		scripted = plain + "script-src 'self'; connect-src 'self'; "
		others   = "\nCross-Origin-Opener-Policy: same-origin\nCross-Origin-Resource-Policy: same-origin\nReferrer-Policy: same-origin\nX-Content-Type-Options: nosniff"
	)
	want := func(cache, policy, ancestors string) string {
		return "Cache-Control: " + cache + "\nContent-Security-Policy: " + policy + "frame-ancestors " + ancestors + others
	}
	f, phone, _ := onStage(t, oneseat.Config{})
	for _, c := range []struct {
		f         *fixture
		ancestors string
	}{{f, "'none'"}, {phone, "http://127.0.0.1:1001"}} {
		site := c.f == f
		member, stranger := c.f.browser(firefox), c.f.browser(safari)
		var tried []string
		try := func(b *browser, request string, status int, policy string) {
			t.Helper()
			method, path, _ := strings.Cut(request, " ")
			a := b.do(b.request(method, path, nil))
			if got, want := headersOf(a.header), want("no-store", policy, c.ancestors); a.status != status || got != want {
				t.Errorf("%s: %d with\n%s\nwant %d with\n%s", request, a.status, got, status, want)
			}
			tried = append(tried, request)
		}
		first := plain
		if !site { // its pages have a script of the stage
			first = scripted
		}
		try(stranger, "GET /login", 200, first)
		try(stranger, "POST /login", 401, first)
		try(stranger, "GET /password", 303, plain)
		try(stranger, "GET /nothing", 404, first)
		try(stranger, "POST /logout", 303, plain)
		member.mustSignIn("ada")
		try(member, "GET /", 200, scripted)
		try(member, "GET /password", 200, scripted)
		try(member, "POST /password", 422, scripted)
		try(member, "GET /oneseat/devices", 200, scripted)
		try(member, "GET /oneseat/session", 200, scripted)
		try(member, "POST /oneseat/active", 200, scripted)
		try(stranger, "GET /oneseat/session", 303, scripted)
		try(stranger, "POST /oneseat/stream/start", 404, scripted) // a demo that counts no streams
		try(stranger, "GET /oneseat/stream/none", 404, scripted)
		try(stranger, "GET /live", 303, plain)
		_, rest, _ := strings.Cut(member.get("/").body, `rel="stylesheet" href="`)
		sheet, _, _ := strings.Cut(rest, `"`)
		if a := stranger.get(sheet); a.status != 200 || headersOf(a.header) != want("public, max-age=31536000, immutable", plain, c.ancestors) {
			t.Errorf("%s: %d with\n%s", sheet, a.status, headersOf(a.header))
		}
		try(member, "POST /logout", 303, plain)
		if !site {
			continue
		}
		try(stranger, "GET /stage", 200, scripted+"frame-src http://127.0.0.1:1002 http://127.0.0.1:1003; ")
		try(stranger, "POST /stage/clear", 204, plain)
		try(stranger, "POST /stage/rush", 200, plain)
		tried = append(tried, "GET /stage/events", `GET "+f.pages.assetPath`) // the first below, for it has no end; the second above
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		resp, err := http.DefaultTransport.RoundTrip(stranger.request(http.MethodGet, "/stage/events", nil).WithContext(ctx))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if got := strings.Replace(headersOf(resp.Header), "X-Accel-Buffering: no\n", "", 1); got != want("no-store", plain, c.ancestors) {
			t.Errorf("GET /stage/events: %s with\n%s", resp.Status, got)
		}
		source, err := os.ReadFile("front.go")
		if err != nil {
			t.Fatal(err)
		}
		named := strings.NewReplacer(`"+SignInPath`, "/login", `"+stream.Path`, "/oneseat/stream/", `"+oneseathttp.Path`, "/oneseat/", "/{$}", "/")
		for _, m := range mounts.FindAllSubmatch(source, -1) {
			request := string(m[1]) + " " + named.Replace(string(m[2]))
			if !slices.ContainsFunc(tried, func(t string) bool { return strings.HasPrefix(t, request) }) {
				t.Errorf("%s was not asked for", request)
			}
		}
	}
}
