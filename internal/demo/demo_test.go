package demo_test

import (
	"bytes"
	"context"
	"errors"
	"image/jpeg"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/demo"
	"github.com/oneseat/oneseat/store/memstore"
)

// moments matches how a page says that something happened while a test ran.
var moments = regexp.MustCompile(`just now|[0-9]+ (seconds|minutes) ago`)

func TestASecondSignInPutsTheFirstBrowserOutAndStopsItsPicture(t *testing.T) {
	f := newSite(t, oneseat.Config{})
	first, second := f.browser(firefox).mustSignIn("ada"), f.browser(safari)
	if got := first.account(); got != "ada" {
		t.Fatalf("the first browser sees the page of %q", got)
	}
	picture := first.watch()

	second.mustSignIn("ada")
	if err := picture.stops(); err == nil {
		t.Error("the picture ended as if it were complete")
	}
	if a := first.get("/"); a.status != http.StatusSeeOther || !strings.HasPrefix(a.location, "/login") {
		t.Errorf("GET / after the ending: %d to %q, want 303 to /login", a.status, a.location)
	}
	a := first.get("/login")
	if a.status != http.StatusOK || !a.has(`data-reason="displaced"`, "signed in on another device", "Safari on iPhone", "a phone", "Reference", "change your password", `name="username"`) {
		t.Errorf("GET /login does not say what happened: %d\n%s", a.status, a.body)
	}
	if !moments.MatchString(a.body) {
		t.Errorf("GET /login does not say when it happened:\n%s", a.body)
	}
	if got := second.account(); got != "ada" {
		t.Errorf("the second browser sees the page of %q", got)
	}
}

func TestSigningInAgainOnTheFirstBrowserTakesTheSeatBack(t *testing.T) {
	f := newSite(t, oneseat.Config{})
	first := f.browser(firefox).mustSignIn("ada")
	second := f.browser(safari).mustSignIn("ada")
	first.mustSignIn("ada")
	if a, b := first.account(), second.account(); a != "ada" || b != "" {
		t.Errorf("the first sees %q, the second %q", a, b)
	}
}

func TestAnybodyMayReadTheFrontPageAndFindsTheWayIn(t *testing.T) {
	f := newSite(t, oneseat.Config{})
	a := f.browser(firefox).get("/")
	if a.status != http.StatusOK || !a.has(`href="/login"`) {
		t.Errorf("%d\n%s", a.status, a.body)
	}
}

func TestOnlyTheMembersPageNamesTheAccountInAMeta(t *testing.T) {
	f := newSite(t, oneseat.Config{WhenFull: oneseat.PolicyRefuse})
	member, stranger := f.browser(firefox).mustSignIn("ada"), f.browser(safari)
	for what, a := range map[string]answer{
		"front page":     stranger.get("/"),
		"sign-in":        stranger.get("/login"),
		"wrong":          stranger.signIn("ada", "no"),
		"full":           stranger.signIn("ada", "ada"),
		"not found":      member.get("/nothing"),
		"sign-in again":  member.get("/login"),
		"password":       member.get("/password"),
		"wrong password": member.post("/password", "current", "no", "new", "x"),
	} {
		if a.has(`name="account"`) {
			t.Errorf("%s: has the meta", what)
		}
	}
	if a := member.get("/"); a.status != http.StatusOK || !a.has(`<meta name="account" content="ada">`, `src="/live"`, "Firefox on Windows", `action="/password"`, `action="/logout"`) {
		t.Errorf("members' page: %d\n%s", a.status, a.body)
	}
}

func TestAWrongPasswordIs401WithTheFormAndNoCookie(t *testing.T) {
	f := newSite(t, oneseat.Config{})
	for _, c := range [][2]string{
		{"ada", "wrong"}, {"ada", ""}, {"ada", "ADA"}, {"", ""}, {"nobody", "nobody"}, {"nobody", ""},
		{"ada\x00", "ada"}, {"ada ", "ada"}, {"\xff", "\xff"}, {"' OR 1=1 --", "x"}, {strings.Repeat("a", 5000), strings.Repeat("b", 5000)},
	} {
		b := f.browser(firefox)
		a := b.signIn(c[0], c[1])
		if a.status != http.StatusUnauthorized || !a.has(`name="username"`, `name="password"`, `role="alert"`) || b.token() != "" {
			t.Errorf("%.20q with %.20q: %d, cookie %t", c[0], c[1], a.status, b.token() != "")
		}
	}
	b := f.browser(firefox)
	if a := b.do(b.request(http.MethodPost, "/login?username=ada&password=ada", url.Values{})); a.status != http.StatusUnauthorized {
		t.Errorf("a password in the URL: %d", a.status)
	}
}

func TestAWrongPasswordDisturbsNobody(t *testing.T) {
	f := newSite(t, oneseat.Config{})
	first := f.browser(firefox).mustSignIn("ada")
	f.browser(safari).signIn("ada", "wrong")
	if got := first.account(); got != "ada" {
		t.Errorf("the first browser sees %q", got)
	}
}

func TestUnderRefuseTheNewcomerIsToldWhichDeviceHasTheSeat(t *testing.T) {
	f := newSite(t, oneseat.Config{WhenFull: oneseat.PolicyRefuse})
	first, second := f.browser(firefox).mustSignIn("ada"), f.browser(safari)
	a := second.signIn("ada", "ada")
	if a.status != http.StatusConflict || !a.has("Firefox on Windows", "a computer") || second.token() != "" {
		t.Errorf("%d, cookie %t\n%s", a.status, second.token() != "", a.body)
	}
	if got := first.account(); got != "ada" {
		t.Errorf("the first browser sees %q", got)
	}
	first.post("/logout")
	second.mustSignIn("ada")
}

func TestALimitOfTwoSeatsTwo(t *testing.T) {
	f := newSite(t, oneseat.Config{Limit: 2})
	first, second := f.browser(firefox).mustSignIn("ada"), f.browser(safari).mustSignIn("ada")
	if a := first.get("/"); first.account() != "ada" || second.account() != "ada" || !a.has("Also signed in", "Safari on iPhone") {
		t.Errorf("the first browser's page:\n%s", a.body)
	}
	f.browser(firefox).mustSignIn("ada")
	if first.account() == "ada" && second.account() == "ada" {
		t.Error("three are signed in")
	}
}

func TestSignOutEndsTheSessionAndItsPicture(t *testing.T) {
	f := newSite(t, oneseat.Config{})
	b := f.browser(firefox).mustSignIn("ada")
	kept := b.token()
	picture := b.watch()
	// A link or a picture of another site signs nobody out (REV-11).
	for _, path := range []string{"/logout", "/logout/", "/signout", "/password", "/oneseat/sessions/end-others", "/oneseat/redeem", "/stage/clear"} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			if a := b.do(b.request(method, path, nil)); b.account() != "ada" {
				t.Fatalf("%s %s ends the session: %d", method, path, a.status)
			}
		}
	}
	if a := b.post("/logout"); a.status != http.StatusSeeOther {
		t.Errorf("POST /logout: %d", a.status)
	}
	if err := picture.stops(); err == nil {
		t.Error("the picture ended as if it were complete")
	}
	if a := b.get("/"); a.status != http.StatusOK || a.has(`name="account"`) || b.token() != "" {
		t.Errorf("GET / after signing out: %d, cookie %t", a.status, b.token() != "")
	}
	if a := b.post("/logout"); a.status != http.StatusSeeOther {
		t.Errorf("a second POST /logout: %d", a.status)
	}
	thief := f.browser(safari)
	req := thief.request(http.MethodGet, "/", nil)
	req.AddCookie(&http.Cookie{Name: "oneseat", Value: kept})
	if a := thief.do(req); a.has(`name="account"`) {
		t.Error("the old cookie still works")
	}
}

func TestThePictureIsForMembersOnly(t *testing.T) {
	f := newSite(t, oneseat.Config{})
	b := f.browser(firefox)
	for name, c := range map[string]struct {
		accept, dest string
		want         int
	}{
		"page":            {"text/html", "", http.StatusSeeOther},
		"page, stated":    {"text/html", "document", http.StatusSeeOther},
		"image, stated":   {"image/avif,image/webp,*/*;q=0.8", "image", http.StatusSeeOther},
		"program":         {"*/*", "", http.StatusUnauthorized},
		"silent program":  {"", "", http.StatusUnauthorized},
		"script in a tab": {"*/*", "empty", http.StatusUnauthorized},
	} {
		req := b.request(http.MethodGet, "/live", nil)
		req.Header.Set("Accept", c.accept)
		if c.dest != "" {
			req.Header.Set("Sec-Fetch-Dest", c.dest)
		}
		a := b.do(req)
		if a.status != c.want || c.want == http.StatusSeeOther && !strings.HasPrefix(a.location, "/login") {
			t.Errorf("%s: %d to %q, want %d", name, a.status, a.location, c.want)
		}
	}
}

func TestThePictureMovesAndIsAPicture(t *testing.T) {
	f := newSite(t, oneseat.Config{})
	b := f.browser(firefox).mustSignIn("ada")
	picture := b.watch()
	one, two := picture.frame(), picture.frame()
	if bytes.Equal(one, two) {
		t.Error("two frames are the same")
	}
	for _, frame := range [][]byte{one, two} {
		if img, err := jpeg.Decode(bytes.NewReader(frame)); err != nil || img.Bounds().Dx() < 320 {
			t.Errorf("not a picture to look at: %v", err)
		}
	}
	if a := b.do(b.request(http.MethodHead, "/live", nil)); a.status != http.StatusOK {
		t.Errorf("HEAD /live: %d", a.status)
	}
}

func TestCloseEndsThePicturesCleanlyAndNothingElse(t *testing.T) {
	f := newSite(t, oneseat.Config{})
	b := f.browser(firefox).mustSignIn("ada")
	picture := b.watch()
	f.site.Close()
	f.site.Close()
	if err := picture.stops(); err != nil {
		t.Errorf("the picture broke: %v", err)
	}
	if got := b.account(); got != "ada" {
		t.Errorf("the browser sees %q", got)
	}
}

func TestAChangeOfPasswordGivesThisBrowserANewSessionAndEndsAllOthers(t *testing.T) {
	f := newSite(t, oneseat.Config{Limit: 2})
	mine, other := f.browser(firefox).mustSignIn("ada"), f.browser(safari).mustSignIn("ada")
	myPicture, itsPicture := mine.watch(), other.watch()
	old := mine.token()

	a := mine.post("/password", "current", "ada", "new", "lovelace")
	if a.status != http.StatusSeeOther {
		t.Fatalf("POST /password: %d\n%s", a.status, a.body)
	}
	if page := mine.get(a.location); !page.has(`content="ada"`, "password was changed", `role="status"`) {
		t.Errorf("the page after the change:\n%s", page.body)
	}
	if now := mine.token(); now == "" || now == old {
		t.Error("this browser has no new secret")
	}
	for _, p := range []*picture{myPicture, itsPicture} {
		if err := p.stops(); err == nil {
			t.Error("a picture of before the change ended as if it were complete")
		}
	}
	if told := other.get("/login"); other.account() != "" || !told.has("password of this account was changed", "Firefox on Windows") {
		t.Errorf("the other browser is told:\n%s", told.body)
	}
	if a := other.signIn("ada", "ada"); a.status != http.StatusUnauthorized {
		t.Errorf("the old password: %d", a.status)
	}
	if a := other.signIn("ada", "lovelace"); a.status != http.StatusSeeOther {
		t.Errorf("the new password: %d", a.status)
	}
	if got := mine.account(); got != "ada" {
		t.Errorf("after the other's sign-in the first sees %q", got)
	}
}

func TestAChangeOfPasswordThatIsRefusedChangesNothing(t *testing.T) {
	f := newSite(t, oneseat.Config{Limit: 2})
	mine, other := f.browser(firefox).mustSignIn("ada"), f.browser(safari).mustSignIn("ada")
	for name, c := range map[string]struct {
		current, fresh string
		want           int
	}{
		"wrong current": {"wrong", "lovelace", http.StatusUnauthorized},
		"no current":    {"", "lovelace", http.StatusUnauthorized},
		"no new":        {"ada", "", http.StatusUnprocessableEntity},
		"endless new":   {"ada", strings.Repeat("x", 1025), http.StatusUnprocessableEntity},
	} {
		a := mine.post("/password", "current", c.current, "new", c.fresh)
		if a.status != c.want || !a.has(`name="current"`, `role="alert"`) {
			t.Errorf("%s: %d, want %d with the form", name, a.status, c.want)
		}
	}
	if a, b := mine.account(), other.account(); a != "ada" || b != "ada" {
		t.Errorf("the browsers see %q and %q", a, b)
	}
	f.browser(firefox).mustSignIn("ada")
	if a := f.browser(firefox).post("/password", "current", "ada", "new", "x"); a.status != http.StatusSeeOther || !strings.HasPrefix(a.location, "/login") {
		t.Errorf("without a session: %d to %q", a.status, a.location)
	}
}

// lateChange lets the password change right after it was found to be right.
type lateChange struct {
	demo.Hashes
	armed atomic.Bool
}

func (h *lateChange) Get(ctx context.Context, name string) (string, error) {
	hash, err := h.Hashes.Get(ctx, name)
	if h.armed.CompareAndSwap(true, false) {
		_, changeErr := h.Replace(ctx, name, hash, hash+"-changed")
		err = errors.Join(err, changeErr)
	}
	return hash, err
}

func TestASignInWithAPasswordThatIsChangedMeanwhileComesToNothing(t *testing.T) {
	hashes := &lateChange{Hashes: demo.MemoryHashes()}
	f := newSite(t, oneseat.Config{}, hashes)
	hashes.armed.Store(true)
	b := f.browser(firefox)
	if a := b.signIn("ada", "ada"); a.status != http.StatusUnauthorized {
		t.Errorf("%d, want 401", a.status)
	}
	if got := b.account(); got != "" {
		t.Errorf("the browser sees %q", got)
	}
}

func TestAfterTheSignInTheBrowserGoesWhereItWantedToGoOnThisSite(t *testing.T) {
	f := newSite(t, oneseat.Config{})
	b := f.browser(firefox)
	if a := b.get("/login?next=%2Fpassword%3Fa%3Db"); !a.has(`name="next" value="/password?a=b"`) {
		t.Errorf("the form does not carry next:\n%s", a.body)
	}
	if a := b.post("/login", "username", "ada", "password", "wrong", "next", "/password"); !a.has(`name="next" value="/password"`) {
		t.Errorf("the form forgot next:\n%s", a.body)
	}
	if a := b.post("/login", "username", "ada", "password", "ada", "next", "/password?a=b"); a.location != "/password?a=b" {
		t.Errorf("next: to %q", a.location)
	}
	if a := b.post("/login", "username", "ada", "password", "ada", "next", "https://evil.example/"); a.location != "/" {
		t.Errorf("next beyond the site: to %q", a.location)
	}
}

func TestAFormPostedFromAnotherSiteDoesNothing(t *testing.T) {
	f := newSite(t, oneseat.Config{})
	b := f.browser(firefox).mustSignIn("ada")
	for path, form := range map[string]url.Values{
		"/login":    {"username": {"grace"}, "password": {"grace"}},
		"/logout":   {},
		"/password": {"current": {"ada"}, "new": {"evil"}},
	} {
		for header, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"} {
			req := b.request(http.MethodPost, path, form)
			req.Header.Set(header, value)
			if a := b.do(req); a.status != http.StatusForbidden {
				t.Errorf("POST %s with %s: %d, want 403", path, header, a.status)
			}
		}
	}
	if got := b.account(); got != "ada" {
		t.Errorf("the browser sees %q", got)
	}
	f.browser(firefox).mustSignIn("ada")
}

func TestHostileUserAgentsAreInertText(t *testing.T) {
	f := newSite(t, oneseat.Config{Limit: 16, WhenFull: oneseat.PolicyRefuse})
	watcher := f.browser(firefox).mustSignIn("grace")
	for name, agent := range map[string]string{
		"script":   `"><script>alert(1)</script>`,
		"template": `{{.Session}} ${7*7} {{"x"}}`,
		"bidi":     "Firefox/1 \u202egro.elpmaxe\u202c\u2066 on Windows",
		"8 KB":     strings.Repeat("Firefox/1 ", 820),
		"tab":      "a\tb",
		"not UTF8": "\xff\xfe",
		"none":     "",
	} {
		b := f.browser(agent)
		b.mustSignIn("grace")
		page := watcher.get("/").body + b.get("/").body
		for _, evil := range []string{"<script>", "\u202e", "\u2066", "{{", "${7", "\xff", strings.Repeat("Firefox/1 ", 9)} {
			if strings.Contains(page, evil) {
				t.Errorf("%s: %q got into a page", name, evil)
			}
		}
	}
}

var (
	module = regexp.MustCompile(`<script type="module" src="/[a-z0-9/.]+"></script>`)
	inline = regexp.MustCompile(`<style|<script|\s(style|on\w+)=`)
)

func TestPagesAreNeitherKeptNorFramedNorHaveAnythingInline(t *testing.T) {
	f := newSite(t, oneseat.Config{})
	member := f.browser(firefox).mustSignIn("ada")
	for _, path := range []string{"/", "/login", "/password", "/nothing"} {
		a := member.get(path)
		if found := inline.FindString(module.ReplaceAllString(a.body, "")); found != "" {
			t.Errorf("%s: has %q inline", path, found)
		}
	}
}

func TestAssetsMayBeKeptForEver(t *testing.T) {
	f := newSite(t, oneseat.Config{})
	b := f.browser(firefox)
	_, rest, _ := strings.Cut(b.get("/").body, `rel="stylesheet" href="`)
	path, _, _ := strings.Cut(rest, `"`)
	a := b.get(path)
	if a.status != http.StatusOK || !strings.Contains(a.header.Get("Cache-Control"), "immutable") || !strings.HasPrefix(a.header.Get("Content-Type"), "text/css") {
		t.Errorf("%s: %d, %v", path, a.status, a.header)
	}
	if a := b.get(strings.TrimSuffix(path, "site.css") + "base.html"); a.status != http.StatusNotFound {
		t.Errorf("what is no asset: %d", a.status)
	}
}

func TestWhatCannotBeReadIsSaidSo(t *testing.T) {
	f := newSite(t, oneseat.Config{})
	b := f.browser(firefox)
	if a := b.post("/login", "username", "ada", "password", strings.Repeat("x", 70<<10)); a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a form of 70 KB: %d", a.status)
	}
	req := b.request(http.MethodPost, "/login?%zz", url.Values{"username": {"ada"}, "password": {"ada"}})
	if a := b.do(req); a.status != http.StatusBadRequest {
		t.Errorf("a form that cannot be read: %d", a.status)
	}
	if a := b.get("/nothing"); a.status != http.StatusNotFound || !a.has("<html") {
		t.Errorf("no such page: %d", a.status)
	}
	if a := b.do(b.request(http.MethodDelete, "/login", nil)); a.status != http.StatusMethodNotAllowed {
		t.Errorf("DELETE /login: %d", a.status)
	}
}

// outage is a store that can be made to give no answer.
type outage struct {
	oneseat.Store
	down atomic.Bool
}

var errDown = errors.New("the disk is on fire")

func (s *outage) Load(ctx context.Context, keys ...oneseat.Key) ([]oneseat.View, error) {
	if s.down.Load() {
		return nil, errDown
	}
	return s.Store.Load(ctx, keys...)
}

func (s *outage) Update(ctx context.Context, key oneseat.Key, change func(oneseat.View) (oneseat.Change, error)) (oneseat.View, error) {
	if s.down.Load() {
		return oneseat.View{}, errDown
	}
	return s.Store.Update(ctx, key, change)
}

func TestWhenTheStoreGivesNoAnswerNobodyComesInAndNothingIsLost(t *testing.T) {
	store := &outage{Store: memstore.New()}
	f := newSite(t, oneseat.Config{MaxStale: oneseat.FreshAlways}, store)
	member, newcomer := f.browser(firefox).mustSignIn("ada"), f.browser(safari)

	store.down.Store(true)
	a := newcomer.signIn("grace", "grace")
	if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" || !a.has("try again") || a.has("fire") || newcomer.token() != "" {
		t.Errorf("sign-in: %d, cookie %t\n%s", a.status, newcomer.token() != "", a.body)
	}
	if got := member.account(); got != "" {
		t.Errorf("a member was let in, as %q", got)
	}
	if a := member.post("/logout"); a.status != http.StatusServiceUnavailable || member.token() == "" {
		t.Errorf("sign-out: %d, cookie %t", a.status, member.token() != "")
	}

	store.down.Store(false)
	if got := member.account(); got != "ada" {
		t.Errorf("afterwards the member sees %q", got)
	}
	newcomer.mustSignIn("grace")
}

func TestManySignInsAtOnceLeaveOneAndNoErrors(t *testing.T) {
	f := newSite(t, oneseat.Config{})
	const n = 16
	var all [n]*browser
	for i := range all {
		all[i] = f.browser(firefox)
	}
	var wg sync.WaitGroup
	for _, b := range all {
		wg.Go(func() {
			req := b.request(http.MethodPost, "/login", url.Values{"username": {"ada"}, "password": {"ada"}})
			if a, err := b.try(req); err != nil || a.status != http.StatusSeeOther {
				t.Errorf("sign-in: %d, %v", a.status, err)
			}
		})
	}
	wg.Wait()
	in := 0
	for _, b := range all {
		if b.account() == "ada" {
			in++
		}
	}
	if in != 1 {
		t.Errorf("%d are signed in", in)
	}
}
