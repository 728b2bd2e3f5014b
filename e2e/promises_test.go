package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// These are the promises of the tutorial, and what its readers complained of, one by
// one. Those about browsers (7, 9, 10, 15) are also in browsers_test.go, in Chromium
// and on the stage. What the program cannot show is proven over real connections
// elsewhere, under the same names: a handler that is mounted wrongly (13) in
// oneseathttp; applications with scs and gorilla, and sessions older than oneseat (6,
// 14), in examples/.

func TestPromise01ASecondSignInEndsTheFirstAtThatMomentAndTheOrderOfSignInsDecides(t *testing.T) {
	t.Parallel()
	p := start(t)
	first, second := p.person().mustSignIn("ada"), p.person()
	first.expect("ada")
	second.mustSignIn("ada") // and makes no request after that
	for range 5 {
		first.expect("")
	}
	second.expect("ada")

	// The first browser signs in again, and the second one, which makes requests all
	// the time, is signed out.
	first.mustSignIn("ada")
	for range 5 {
		second.expect("")
	}
	first.expect("ada")
}

func TestPromise02AnyNumberOfSimultaneousSignInsLeavesExactlyOneAndNobodyGetsAnError(t *testing.T) {
	t.Parallel()
	p := start(t)
	const people, rounds = 8, 5
	var all [people]*person
	for i := range all {
		all[i] = p.person()
	}
	for round := range rounds {
		each(all[:], func(h *person) {
			if code := h.signIn("ada", "ada"); code != http.StatusSeeOther {
				t.Errorf("round %d: a sign-in got %d", round, code)
			}
		})
		var mu sync.Mutex
		in := 0
		each(all[:], func(h *person) {
			if h.account() == "ada" {
				mu.Lock()
				defer mu.Unlock()
				in++
			}
		})
		if in != 1 {
			t.Errorf("round %d: %d are signed in", round, in)
		}
	}
}

// each has all of them do something at the same time.
func each(all []*person, f func(*person)) {
	var wg sync.WaitGroup
	for _, h := range all {
		wg.Go(func() { f(h) })
	}
	wg.Wait()
}

func TestPromise03SignOutFreesTheSeatAlsoWhileFiveTabsReloadAndNotThatOfAnother(t *testing.T) {
	t.Parallel()
	p := start(t, "--policy", "refuse")
	first, second := p.person(), p.person()
	for range 5 {
		first.mustSignIn("ada")
		if code := second.signIn("ada", "ada"); code != http.StatusConflict {
			t.Errorf("a second sign-in got %d, want 409", code)
		}
		var tabs sync.WaitGroup
		out := make(chan struct{})
		for range 5 {
			tabs.Go(func() {
				for {
					first.get("/")
					select {
					case <-out:
						return
					default:
					}
				}
			})
		}
		if a := first.post("/logout"); a.status != http.StatusSeeOther {
			t.Errorf("sign-out got %d", a.status)
		}
		close(out)
		tabs.Wait()
		first.expect("")
		second.mustSignIn("ada").expect("ada")
		if a := first.post("/logout"); a.status != http.StatusSeeOther { // a browser without a session
			t.Errorf("a second sign-out got %d", a.status)
		}
		second.expect("ada")
		second.post("/logout")
	}
}

func TestPromise03TheSignOutOfTheOneThatIsOutLeavesTheSurvivorAlone(t *testing.T) {
	t.Parallel()
	p := start(t)
	first, second := p.person().mustSignIn("ada"), p.person().mustSignIn("ada")
	first.post("/logout")
	second.expect("ada")
}

func TestPromise04AnEndedCookieIsAnonymousFromThenOn(t *testing.T) {
	t.Parallel()
	p := start(t)
	displaced, leaver := p.person().mustSignIn("ada"), p.person().mustSignIn("grace")
	cookies := []string{displaced.token(), leaver.token()}
	p.person().mustSignIn("ada")
	leaver.post("/logout")
	for _, c := range cookies {
		thief := p.person()
		for path, want := range map[string]int{"/": 0, "/password": http.StatusSeeOther, "/live": http.StatusSeeOther, "/oneseat/sessions": http.StatusSeeOther} {
			req := thief.request(http.MethodGet, path, nil)
			req.AddCookie(&http.Cookie{Name: "oneseat", Value: c})
			if a := thief.send(req); strings.Contains(a.body, `name="account"`) || want != 0 && a.status != want {
				t.Errorf("GET %s with an ended cookie: %d", path, a.status)
			}
		}
	}
}

func TestPromise05AStoredSessionThatHasVanishedIsASignInPageAndSigningInAgainWorks(t *testing.T) {
	t.Parallel()
	for name, vanish := range map[string]func(t *testing.T, p *program, backup []byte){
		"purged": func(_ *testing.T, p *program, _ []byte) { p.sql(`DELETE FROM oneseat_rosters WHERE account = 'ada'`) },
		"emptied": func(_ *testing.T, p *program, _ []byte) {
			p.sql(`DELETE FROM oneseat_rosters`, `DELETE FROM oneseat_events`)
		},
		"restored": func(t *testing.T, p *program, backup []byte) {
			if err := os.WriteFile(p.file, backup, 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t)
			p.person().mustSignIn("ada")
			p.stop() // a stop leaves one file
			backup, err := os.ReadFile(p.file)
			if err != nil {
				t.Fatal(err)
			}
			p = restart(t, p.file, p.address())
			h := p.person().mustSignIn("ada")
			h.expect("ada")
			p.stop()
			vanish(t, p, backup)
			p = restart(t, p.file, p.address())
			h.at = p
			signInPage(t, h)
			if a := h.post("/logout"); a.status != http.StatusSeeOther {
				t.Errorf("sign-out: %d", a.status)
			}
			h.mustSignIn("ada").expect("ada")
			p.person().mustSignIn("ada").expect("ada")
			h.expect("")
		})
	}
}

// signInPage expects a browser to be like that of any new visitor.
func signInPage(t *testing.T, h *person) {
	t.Helper()
	if a := h.get("/"); a.status != http.StatusOK && a.status != http.StatusSeeOther || strings.Contains(a.body, `name="account"`) {
		t.Errorf("GET /: %d", a.status)
	}
	if a := h.get("/password"); a.status != http.StatusSeeOther || !strings.HasPrefix(a.location, "/login") {
		t.Errorf("GET /password: %d to %q", a.status, a.location)
	}
	if a := h.get("/login"); a.status != http.StatusOK || !strings.Contains(a.body, `name="password"`) {
		t.Errorf("GET /login: %d", a.status)
	}
}

func TestPromise05RowsThatVanishWhileItRunsDisturbNobody(t *testing.T) {
	t.Parallel()
	p := start(t)
	h := p.person().mustSignIn("ada")
	p.sql(`DELETE FROM oneseat_rosters WHERE account = 'ada'`)
	h.get("/") // answered from memory for up to a minute, or refused; never an error
	h.get("/oneseat/devices")
	h.mustSignIn("ada").expect("ada")
	other := p.person().mustSignIn("ada")
	h.expect("")
	other.expect("ada")
	p.sql(`DELETE FROM oneseat_rosters`, `DELETE FROM oneseat_events`)
	h.mustSignIn("ada").expect("ada")
	other.expect("")
}

func TestPromise06AnAccountNeverSeenAndSessionsOlderThanTheInstallationWork(t *testing.T) {
	t.Parallel()
	p := start(t)
	h := p.person().mustSignIn("alan") // nobody has signed in as alan before
	h.expect("alan")
	p.stop()
	// Accounts and cookies were there before. oneseat's tables were not.
	p.sql(`DROP VIEW IF EXISTS signed_in`, `DROP VIEW IF EXISTS history`, `DROP VIEW IF EXISTS oneseat_recount`)
	db := p.open()
	rows, err := db.QueryContext(t.Context(), `SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'oneseat_%'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var drop []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		drop = append(drop, "DROP TABLE "+name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	p.sql(append(drop, `DROP VIEW IF EXISTS playing`, `PRAGMA user_version = 0`)...)
	p = restart(t, p.file, p.address())
	h.at = p
	signInPage(t, h)
	h.mustSignIn("alan").expect("alan")
	p.person().mustSignIn("alan").expect("alan")
	h.expect("")
}

func TestPromise07SixTabsOpenedAtATakeoverAllAnswer(t *testing.T) {
	t.Parallel()
	p := start(t)
	first, second := p.person(), p.person()
	for range 6 {
		first.mustSignIn("ada")
		var tabs sync.WaitGroup
		second.mustSignIn("ada")
		for range 6 {
			tabs.Go(func() { second.expect("ada") })
			tabs.Go(func() { first.expect("") })
		}
		tabs.Wait()
	}
}

func TestPromise08AChangeOfPasswordGivesThisBrowserANewSessionAndEndsAllOthers(t *testing.T) {
	t.Parallel()
	p := start(t, "--limit", "2")
	mine, other := p.person().mustSignIn("ada"), p.person().mustSignIn("ada")
	old := mine.token()
	// Four more tabs of this browser are being loaded all the while. One that asks
	// before the answer to the change has arrived may be sent to the sign-in page.
	var tabs sync.WaitGroup
	var loaded atomic.Int32
	changed := make(chan struct{})
	for range 4 {
		tabs.Go(func() {
			for {
				before := mine.token() == old
				res, err := mine.client.Do(mine.request(http.MethodGet, "/", nil))
				var page []byte
				if err == nil {
					page, err = io.ReadAll(res.Body)
					_ = res.Body.Close()
				}
				switch {
				case err != nil && !before:
					t.Errorf("a tab: %v", err)
				case err == nil && !strings.Contains(string(page), `content="ada"`) && !(before && strings.HasPrefix(res.Header.Get("Location"), "/login")):
					t.Errorf("a tab: %s", res.Status)
				}
				loaded.Add(1)
				select {
				case <-changed:
					return
				default:
				}
			}
		})
	}
	until(t, "the tabs are being loaded", func() bool { return loaded.Load() > 8 })
	if a := mine.post("/password", "current", "ada", "new", "lovelace"); a.status != http.StatusSeeOther || a.location != "/?changed" {
		t.Errorf("the change: %d to %q", a.status, a.location)
	}
	close(changed)
	tabs.Wait()
	mine.expect("ada")
	if now := mine.token(); now == old || now == "" {
		t.Error("this browser has no new secret")
	}
	other.expect("")
	if a := other.get("/login"); !strings.Contains(a.body, `data-reason="credentials_changed"`) {
		t.Error("the other is not told why")
	}
	if code := other.signIn("ada", "ada"); code != http.StatusUnauthorized {
		t.Errorf("the old password got %d", code)
	}
	if code := other.signIn("ada", "lovelace"); code != http.StatusSeeOther {
		t.Errorf("the new password got %d", code)
	}
	mine.expect("ada")
	other.expect("ada")
	if a := mine.post("/logout"); a.status != http.StatusSeeOther {
		t.Errorf("sign-out: %d", a.status)
	}
}

func TestPromise09ALiveStreamThatIsFlowingStopsWithNoRequestFromItsViewer(t *testing.T) {
	t.Parallel()
	p := start(t)
	viewer := p.person().mustSignIn("ada")
	picture := viewer.stream("/live")
	if _, err := io.ReadFull(picture, make([]byte, 10_000)); err != nil {
		t.Fatal(err)
	}
	p.person().mustSignIn("ada")
	if n, err := io.Copy(io.Discard, picture); err == nil {
		t.Errorf("%d bytes more, and then the end; want a broken transfer", n)
	}
}

func TestPromise10WithoutABrowserTheEndIsTheLastEventAndTheRefusalsReason(t *testing.T) {
	t.Parallel()
	p := start(t)
	first := p.person().mustSignIn("ada")
	events := first.stream("/oneseat/events")
	p.person().mustSignIn("ada")
	told, err := io.ReadAll(events)
	if err != nil {
		t.Errorf("the stream broke: %v", err)
	}
	for _, want := range []string{"event: session\n", "event: ended\n", `"reason":"displaced"`, `"device":"Firefox on Linux"`, `"class":"desktop"`, `"reference":"`, `"at":"`} {
		if !strings.Contains(string(told), want) {
			t.Errorf("no %s in %s", want, told)
		}
	}
	req := first.request(http.MethodGet, "/oneseat/sessions", nil)
	req.Header.Set("Accept", "application/json")
	if a := first.send(req); a.status != http.StatusUnauthorized || !strings.Contains(a.body, `"reason":"displaced"`) {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestPromise11AThousandPageViewsAreAtMostOneWrite(t *testing.T) {
	t.Parallel()
	p := start(t)
	h := p.person().mustSignIn("ada")
	h.expect("ada")
	db := p.open()
	defer db.Close()
	conn, err := db.Conn(t.Context()) // data_version is the connection's
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	before, roster := writes(t, conn)
	var all [4]*person
	for i := range all {
		all[i] = h
	}
	each(all[:], func(h *person) {
		for range 250 {
			if a := h.get("/password"); a.status != http.StatusOK {
				t.Errorf("a page view: %d", a.status)
			}
		}
	})
	after, rosterAfter := writes(t, conn)
	// In this touch interval the sign-in was the only write.
	if after != before || rosterAfter != roster {
		t.Errorf("1000 page views within a touch interval were written: data version %d then %d, roster %s then %s", before, after, roster, rosterAfter)
	}
}

// writes returns a number that changes when others have committed to the database, and
// the version of ada's roster.
func writes(t *testing.T, conn *sql.Conn) (data int, roster string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	if err := conn.QueryRowContext(ctx, `PRAGMA data_version`).Scan(&data); err != nil {
		t.Fatal(err)
	}
	if err := conn.QueryRowContext(ctx, `SELECT version FROM oneseat_rosters WHERE account = 'ada'`).Scan(&roster); err != nil {
		t.Fatal(err)
	}
	return data, roster
}

func TestPromise12AccountIDsOfAnyKindWork(t *testing.T) {
	t.Parallel()
	p := start(t)
	db := p.open()
	defer db.Close()
	for _, name := range []string{
		"42", "0", "-7", "3fa85f64-5717-4562-b3fc-2c963f66afa6", "ada.lovelace+test@example.org", "ADA", "Ωmega 🐈", "a/b?c=d&e#f",
		`"quoted" <b>`, "it's", "null", "-", "..", strings.Repeat("ä", 128),
	} {
		if _, err := db.ExecContext(t.Context(), `INSERT INTO demo_users (name, hash) SELECT ?, hash FROM demo_users WHERE name = 'ada'`, name); err != nil {
			t.Fatal(err)
		}
		first, second := p.person(), p.person()
		for who, h := range []*person{first, second} {
			if code := h.signIn(name, "ada"); code != http.StatusSeeOther {
				t.Errorf("%.20q, sign-in %d: %d", name, who+1, code)
			}
		}
		if a := second.get("/password"); a.status != http.StatusOK {
			t.Errorf("%.20q: the second gets %d", name, a.status)
		}
		if a := first.get("/password"); a.status != http.StatusSeeOther {
			t.Errorf("%.20q: the first gets %d", name, a.status)
		}
		if a := second.get("/oneseat/devices"); a.status != http.StatusOK || !strings.Contains(a.body, "this device") {
			t.Errorf("%.20q: its devices: %d", name, a.status)
		}
	}
}

func TestPromise14ADisplacedBrowserThatPlantsTheSurvivorsIDIsRefused(t *testing.T) {
	t.Parallel()
	p := start(t)
	displaced, survivor := p.person().mustSignIn("ada"), p.person().mustSignIn("ada")
	_, rest, _ := strings.Cut(survivor.get("/").body, `<meta name="oneseat-session" content="`)
	id, _, ok := strings.Cut(rest, `"`)
	if !ok || len(id) < 16 {
		t.Fatalf("the survivor's id is %q", id)
	}
	old := displaced.token()
	for _, value := range []string{id, old + id, id + old, old + "." + id, fmt.Sprintf("%s; oneseat=%s", old, id)} {
		for _, path := range []string{"/password", "/password?session=" + id, "/oneseat/session?id=" + id, "/live?session=" + id} {
			req := p.person().request(http.MethodGet, path, nil)
			req.Header.Set("Cookie", "oneseat="+value+"; oneseat-device="+id+"; __Host-oneseat="+id)
			req.Header.Set("Authorization", "Bearer "+id)
			req.Header.Set("X-Session-Id", id)
			if a := displaced.send(req); a.status != http.StatusSeeOther || !strings.HasPrefix(a.location, "/login") {
				t.Errorf("GET %s with a planted id: %d", path, a.status)
			}
		}
		req := p.person().request(http.MethodPost, "/oneseat/sessions/"+id+"/end", nil)
		req.Header.Set("Cookie", "oneseat="+value)
		displaced.send(req)
	}
	survivor.expect("ada")
}

func TestPromise15SigningInAsAnotherEndsTheFirstAccountsSessionThereAndBothGoOn(t *testing.T) {
	t.Parallel()
	p := start(t, "--policy", "refuse")
	shared, own := p.person().mustSignIn("ada"), p.person()
	adas := shared.token()
	shared.mustSignIn("grace").expect("grace")
	own.mustSignIn("ada").expect("ada") // the seat is free, or this would be refused
	shared.expect("grace")
	req := p.person().request(http.MethodGet, "/password", nil)
	req.AddCookie(&http.Cookie{Name: "oneseat", Value: adas})
	if a := p.person().send(req); a.status != http.StatusSeeOther {
		t.Errorf("ada's first session: %d", a.status)
	}
	shared.post("/logout")
	shared.mustSignIn("alan").expect("alan")
	own.expect("ada")
}
