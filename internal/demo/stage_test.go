package demo_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/demo"
	"github.com/oneseat/oneseat/oneseathttp"
)

// onStage returns a site with a stage. Its phone and laptop are servers of their own.
func onStage(t *testing.T, c oneseat.Config, with ...any) (site, phone, laptop *fixture) {
	t.Helper()
	f, c := made(t, c, with)
	seats, err := oneseat.New(f.store, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := seats.Close(); err != nil {
			t.Error(err)
		}
	})
	guard := func(name string, device func(*http.Request, oneseat.Device) oneseat.Device) *oneseathttp.Guard {
		g, err := oneseathttp.New(seats, oneseathttp.Config{SignInPath: demo.SignInPath, CookieName: name, Device: device})
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	users, err := demo.NewUsers(t.Context(), f.hashes)
	if err != nil {
		t.Fatal(err)
	}
	s, err := demo.New(demo.Config{
		Registry: seats, Guard: guard("oneseat", nil), Users: users, Limit: 1, WhenFull: c.WhenFull, Logger: c.Logger,
		Stage: &demo.Stage{
			Phone: guard("oneseat-phone", demo.StagePhone), Laptop: guard("oneseat-laptop", demo.StageLaptop),
			Hosts: f.hosts, SitePort: "1001", PhonePort: "1002", LaptopPort: "1003",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	var all [3]*fixture
	for i, h := range []http.Handler{s, s.Phone(), s.Laptop()} {
		all[i] = &fixture{t: t, site: s, server: httptest.NewServer(h)}
	}
	t.Cleanup(func() {
		s.Close()
		for _, f := range all {
			f.server.Close()
		}
	})
	return all[0], all[1], all[2]
}

func TestADeviceOfTheStageIsKnownByWhereItStandsAndMayBeFramedByTheStageOnly(t *testing.T) {
	_, phone, laptop := onStage(t, oneseat.Config{})
	first, second := phone.browser(firefox), laptop.browser(firefox)
	if a := first.get("/"); a.status != http.StatusSeeOther || a.location != "/login" {
		t.Errorf("the phone begins with %d to %q", a.status, a.location)
	}
	a := first.get("/login")
	if !a.has(`value="ada"`, `name="stage" content="http://127.0.0.1:1001" data-device="phone"`) || !strings.HasSuffix(a.header.Get("Content-Security-Policy"), "frame-ancestors http://127.0.0.1:1001") {
		t.Errorf("the phone's sign-in: %v\n%s", a.header, a.body)
	}
	first.mustSignIn("ada")
	second.mustSignIn("ada")
	if told := first.get("/login"); !told.has("the laptop", "a computer") {
		t.Errorf("the phone is told:\n%s", told.body)
	}
	a = second.get("/oneseat/devices")
	if a.status != http.StatusOK || !strings.HasSuffix(a.header.Get("Content-Security-Policy"), "frame-ancestors http://127.0.0.1:1001") {
		t.Errorf("the laptop's devices: %d, %v", a.status, a.header)
	}
	if a := second.get("/stage"); a.status != http.StatusNotFound {
		t.Errorf("a stage on the stage: %d", a.status)
	}
}

func TestARushLeavesOneSurvivorAndEverybodyCanBeSignedOut(t *testing.T) {
	for _, policy := range []oneseat.Policy{oneseat.PolicyDisplace, oneseat.PolicyRefuse} {
		t.Run(string(policy), func(t *testing.T) {
			f, _, _ := onStage(t, oneseat.Config{WhenFull: policy})
			b := f.browser(firefox)
			var came struct{ Asked, Admitted, Refused, Live int }
			if a := b.post("/stage/rush"); a.status != http.StatusOK || json.Unmarshal([]byte(a.body), &came) != nil {
				t.Fatalf("%d %s", a.status, a.body)
			}
			want := 64
			if policy == oneseat.PolicyRefuse {
				want = 1
			}
			if came.Asked != 64 || came.Admitted != want || came.Refused != 64-want || came.Live != 1 {
				t.Errorf("%+v", came)
			}
			if a := b.post("/stage/clear"); a.status != http.StatusNoContent {
				t.Errorf("signing everybody out: %d", a.status)
			}
			b.mustSignIn("ada")
		})
	}
}

func TestTheStageTellsOfARushWhileItIsWatched(t *testing.T) {
	f, _, _ := onStage(t, oneseat.Config{})
	b := f.browser(firefox)
	res, err := b.client.Do(b.request(http.MethodGet, "/stage/events", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	if lines.Scan(); !strings.HasPrefix(lines.Text(), "retry: ") {
		t.Errorf("it begins with %q", lines.Text())
	}
	other := f.browser(firefox)
	rush := other.request(http.MethodPost, "/stage/rush", nil)
	var rushed sync.WaitGroup
	defer rushed.Wait()
	rushed.Go(func() {
		if a, err := other.try(rush); err != nil || a.status != http.StatusOK {
			t.Errorf("the rush: %d, %v", a.status, err)
		}
	})
	for in, out := 0, 0; in < 64 || out < 63; {
		if !lines.Scan() {
			t.Fatalf("it ended after %d and %d: %v", in, out, lines.Err())
		}
		in += strings.Count(lines.Text(), `"session_created"`)
		out += strings.Count(lines.Text(), `"session_ended"`)
	}
	f.site.Close()
	for lines.Scan() { // to the end
	}
	if err := lines.Err(); err != nil {
		t.Errorf("the stream broke: %v", err)
	}
}

func TestTheStageIsNotForOtherSites(t *testing.T) {
	f, _, _ := onStage(t, oneseat.Config{})
	b := f.browser(firefox).mustSignIn("ada")
	for _, path := range []string{"/stage/rush", "/stage/clear"} {
		req := b.request(http.MethodPost, path, nil)
		req.Header.Set("Sec-Fetch-Site", "cross-site")
		if a := b.do(req); a.status != http.StatusForbidden {
			t.Errorf("POST %s: %d", path, a.status)
		}
	}
	if got := b.account(); got != "ada" {
		t.Errorf("the browser sees %q", got)
	}
}

func TestHEADOfWhatIsEndlessEndsAndLeavesTheConnectionUsable(t *testing.T) {
	f, _, _ := onStage(t, oneseat.Config{})
	b := f.browser(firefox)
	one := &http.Transport{MaxConnsPerHost: 1} // a request that does not end keeps the next one waiting
	t.Cleanup(one.CloseIdleConnections)
	b.client.Transport, b.client.Timeout = one, patience
	b.mustSignIn("ada")
	for _, path := range []string{"/stage/events", "/oneseat/events", "/live"} {
		if a := b.do(b.request(http.MethodHead, path, nil)); a.status != http.StatusOK || a.body != "" {
			t.Errorf("HEAD %s: %d %q", path, a.status, a.body)
		}
		if a := b.get("/"); a.status != http.StatusOK {
			t.Errorf("GET / after HEAD %s: %d", path, a.status)
		}
	}
}
