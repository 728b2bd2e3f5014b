package e2e

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// candidates are the characters that some program ignores in a name or at its ends:
// white space, control and formatting characters, and combining marks without width.
func candidates() (all []rune) {
	for c := rune(1); c <= 0xffff; c++ {
		if unicode.IsSpace(c) || unicode.In(c, unicode.Cc, unicode.Cf, unicode.Zs, unicode.Zl, unicode.Zp, unicode.White_Space, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) {
			all = append(all, c)
		}
	}
	return all
}

func TestACookieThatASiblingHostPlantsInChromiumSignsNobodyIn(t *testing.T) {
	p := start(t)
	mallory := p.person().mustSignIn("grace").token()
	port := p.address()[strings.LastIndex(p.address(), ":"):]
	sibling, site := "http://evil.members.test"+port, "http://app.members.test"+port

	// Without a browser it is seen that the token is good under this host, in a cookie
	// of ours.
	req := p.person().request(http.MethodGet, "/", nil)
	req.Host = "app.members.test" + port
	req.Header.Set("Cookie", "__Host-oneseat="+mallory)
	if a := p.person().send(req); !strings.Contains(a.body, `content="grace"`) {
		t.Fatalf("%d %s", a.status, a.body)
	}

	home := newProfile(t)
	evil, app := home.tab().open(sibling+"/login"), home.tab().open(site+"/login")
	plant := func(names []string) {
		t.Helper()
		list, err := json.Marshal(names)
		if err != nil {
			t.Fatal(err)
		}
		ok := false
		// Chromium sets a cookie after the assignment has returned; reading the cookies waits for it.
		script := `for (const n of ` + string(list) + `) document.cookie = n + "=` + mallory + `; domain=members.test; path=/"; document.cookie !== null`
		if err := evil.eval(script, &ok); err != nil {
			t.Fatal(err)
		}
	}
	held := func() (names []string) {
		t.Helper()
		cookies := ""
		if err := app.eval("document.cookie", &cookies); err != nil {
			t.Fatal(err)
		}
		for c := range strings.SplitSeq(cookies, "; ") {
			if name, value, _ := strings.Cut(c, "="); value == mallory {
				names = append(names, name)
			}
		}
		return names
	}

	sent := 0
	for batch := range slices.Chunk(candidates(), 40) { // browsers keep about 180 cookies of a site
		var names []string
		for _, c := range batch {
			names = append(names, string(c)+"__Host-oneseat", "__Host-oneseat"+string(c), "__Host-"+string(c)+"oneseat")
		}
		plant(names)
		for _, name := range held() {
			sent++
			if strings.EqualFold(name, "__Host-oneseat") {
				t.Errorf("Chromium lets a sibling host set %+q", name)
			}
		}
		who := ""
		if err := app.open(site+"/").eval(`document.querySelector("meta[name=account]")?.content ?? ""`, &who); err != nil {
			t.Fatal(err)
		}
		if who != "" {
			t.Errorf("one of %+q shows the page of %q", names, who)
		}
		for i, name := range names { // they are forgotten before the next batch
			names[i] = name + "=; max-age=0; domain=members.test; path=/; ignored"
		}
		plant(names)
	}
	if sent < 100 {
		t.Errorf("only %d were planted", sent)
	}
}
