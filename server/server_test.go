package server_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
	"github.com/oneseat/oneseat/server"
)

func TestASecondSignInEndsTheFirstWhichIsToldWhy(t *testing.T) {
	w := newWorld(t, oneseat.Config{})
	first := w.signIn("ada")
	var s api.Session
	w.want(200, api.PathCheck, token(first), &s)
	if s.ID != first.Session.ID || s.Account != "ada" || s.Expires.IsZero() {
		t.Errorf("%+v", s)
	}
	second := w.signIn("ada")
	if len(second.Displaced) != 1 || second.Displaced[0].ID != first.Session.ID {
		t.Errorf("displaced %+v", second.Displaced)
	}
	var p api.Problem
	w.want(410, api.PathCheck, token(first), &p)
	if p.Ending == nil || p.Ending.Reason != "displaced" || p.Ending.By != second.Session.ID || p.Ending.Title == "" || p.Type != api.ProblemPrefix+"session-ended" {
		t.Errorf("%+v", p)
	}
	w.want(200, api.PathCheck, token(second), &s)
	var ended api.Ended
	for _, want := range []int{1, 0} {
		if w.want(200, api.PathSignOut, token(second), &ended); ended.Ended != want {
			t.Errorf("sign-out ended %d", ended.Ended)
		}
	}
	w.want(410, api.PathCheck, token(second), &p)
}

func TestTheSameBrowserIsRenewedByWhatItsSiteKeeps(t *testing.T) {
	w := newWorld(t, oneseat.Config{WhenFull: oneseat.PolicyRefuse})
	first := w.signIn("ada")
	var g api.Granted
	w.want(201, api.PathSignIn, fmt.Sprintf(`{"account":"ada","previous":{"account":"ada","session":%q}}`, first.Session.ID), &g)
	var p api.Problem
	if w.want(410, api.PathCheck, token(first), &p); p.Ending.Reason != "renewed" || len(g.Displaced) != 0 {
		t.Errorf("%+v, displaced %+v", p.Ending, g.Displaced)
	}
	w.want(409, api.PathSignIn, `{"account":"ada"}`, &p)
	if p.Limit != 1 || p.Full != "total" || len(p.Live) != 1 || p.Live[0].ID != g.Session.ID || p.Ticket != "" {
		t.Errorf("%+v", p)
	}
	w.want(201, api.PathSignIn, `{"account":"ada","take_over":true}`, &g)
	w.want(200, api.PathEnd, `{"account":"ada","all":true}`, &struct{}{})
	w.want(404, api.PathSignIn, `{"account":"ada","adopt":{"issued":"2020-01-01T00:00:00Z"}}`, &p)
	if problem := strings.TrimPrefix(p.Type, api.ProblemPrefix); problem != "no-seat" {
		t.Error(problem)
	}
}

func TestWhoIsAskedRedeemsATicket(t *testing.T) {
	w := newWorld(t, oneseat.Config{WhenFull: oneseat.PolicyAsk})
	first := w.signIn("ada")
	var p api.Problem
	w.want(409, api.PathSignIn, `{"account":"ada","device":{"id":"0123456789abcdef"}}`, &p)
	var g api.Granted
	w.want(201, api.PathRedeem, fmt.Sprintf(`{"ticket":%q,"end":[%q],"device":{"id":"0123456789abcdef"}}`, p.Ticket, first.Session.ID), &g)
	w.want(410, api.PathCheck, token(first), &struct{}{})
	w.want(200, api.PathCheck, token(g), &struct{}{})
	if w.want(410, api.PathRedeem, fmt.Sprintf(`{"ticket":%q,"end":[]}`, p.Ticket), &p); p.Type != api.ProblemPrefix+"bad-ticket" {
		t.Errorf("%+v", p)
	}
}

func TestSessionsAreListedAndEndedByExactlyOneSelector(t *testing.T) {
	w := newWorld(t, oneseat.Config{Limit: 4})
	all := []api.Granted{w.signIn("ada"), w.signIn("ada"), w.signIn("ada")}
	var list api.Sessions
	if w.want(200, api.PathSessions, `{"account":"ada"}`, &list); len(list.Sessions) != 3 || list.Sessions[0].ID != all[2].Session.ID {
		t.Errorf("%+v", list)
	}
	if w.want(200, api.PathSessions, `{"account":"nobody"}`, &list); list.Sessions == nil || len(list.Sessions) != 0 {
		t.Errorf("an unknown account: %+v", list)
	}
	id := func(i int) string { return quoted(all[i].Session.ID) }
	for body, want := range map[string]string{
		`{"account":"ada"}`:                                 "bad-selector",
		`{"account":"ada","all":true,"class":"tv"}`:         "bad-selector",
		`{"account":"ada","all":false}`:                     "bad-selector",
		`{"account":"ada","all":true,"reason":"displaced"}`: "bad-selector",
		`{"account":"ada","except":"NOBODY"}`:               "no-session",
	} {
		if _, answer := w.ask("all", api.PathEnd, body); problem(answer) != want {
			t.Errorf("%s: %s", body, answer)
		}
	}
	for _, step := range []struct {
		body string
		want int
	}{
		{`{"account":"ada","sessions":[` + id(0) + `,"NOBODY"],"reason":"signed_out","actor":"support"}`, 1},
		{`{"account":"ada","sessions":[` + id(0) + `]}`, 0},
		{`{"account":"ada","sessions":[]}`, 0},
		{`{"account":"ada","class":"tv"}`, 0},
		{`{"account":"ada","except":` + id(2) + `}`, 1},
		{`{"account":"ada","all":true}`, 1},
	} {
		var ended api.Ended
		if w.want(200, api.PathEnd, step.body, &ended); ended.Ended != step.want {
			t.Errorf("%s ended %d, want %d", step.body, ended.Ended, step.want)
		}
	}
	var p api.Problem
	if w.want(410, api.PathEnd, `{"account":"ada","except":`+id(2)+`}`, &p); p.Ending == nil || p.Ending.Session != all[2].Session.ID {
		t.Errorf("%+v", p)
	}
}

// key of an attempt that is first made at a time.
func attempt(at time.Time) []string {
	return []string{api.IdempotencyKey, fmt.Sprintf("%d-abcdefghijklmnopqrstuv", at.UnixMilli())}
}

func TestACallThatIsRepeatedAfterALostAnswerHasTheSameAnswer(t *testing.T) { // API-09
	w := newWorld(t, oneseat.Config{})
	before := w.signIn("ada")
	k := attempt(time.Now())
	first, again := w.signIn("ada", k...), w.signIn("ada", k...)
	if first.Token != again.Token || first.Session.ID != again.Session.ID || len(again.Displaced) != 1 || again.Displaced[0].ID != before.Session.ID {
		t.Errorf("%+v, and then %+v", first, again)
	}
	if s := w.seats["members"].Stats(); s.Displaced != 1 {
		t.Errorf("%d sessions were displaced", s.Displaced)
	}
	if grace := w.signIn("grace", k...); grace.Token == first.Token || grace.Session.ID == first.Session.ID {
		t.Error("another account has the same session")
	}
	var rotated, once api.Granted
	w.want(200, api.PathRotate, token(first), &rotated, k...)
	w.want(200, api.PathRotate, token(first), &once, k...)
	if rotated.Token != once.Token || rotated.Token == first.Token || rotated.Session.ID != first.Session.ID {
		t.Errorf("%+v, and then %+v", rotated, once)
	}
	for name, c := range map[string]struct {
		key, body, want string
	}{
		"after a rotation":             {k[1], `{"account":"ada"}`, "token-rotated"},
		"with other bytes":             {k[1], `{"account":"ada" }`, "idempotency-key-reused"},
		"too old":                      {attempt(time.Now().Add(-11 * time.Minute))[1], `{"account":"ada"}`, "idempotency-key-expired"},
		"of the future":                {attempt(time.Now().Add(11 * time.Minute))[1], `{"account":"ada"}`, "idempotency-key-expired"},
		"no time":                      {"abcdefghijklmnopqrstuv", `{"account":"ada"}`, "idempotency-key-bad"},
		"too short":                    {"1764000000000-abc", `{"account":"ada"}`, "idempotency-key-bad"},
		"other characters":             {"1764000000000-abcdefghijklmnopqrstu%", `{"account":"ada"}`, "idempotency-key-bad"},
		"a time of twenty digits":      {"17640000000001764000-abcdefghijklmnopqrstuv", `{"account":"ada"}`, "idempotency-key-bad"},
		"empty":                        {"", `{"account":"ada"}`, "idempotency-key-bad"},
		"with a bad account, not read": {k[1], `{"account":""}`, "bad-account"},
	} {
		if _, answer := w.ask("all", api.PathSignIn, c.body, api.IdempotencyKey, c.key); problem(answer) != c.want {
			t.Errorf("%s: %s", name, answer)
		}
	}
	if _, answer := w.ask("all", api.PathSignIn, `{"account":"eve"}`, append(attempt(time.Now()), k...)...); problem(answer) != "idempotency-key-bad" {
		t.Errorf("two keys: %s", answer)
	}
	if log := w.log.String(); strings.Contains(log, k[1]) || strings.Contains(log, first.Token) {
		t.Errorf("a secret is in the log: %s", log)
	}
}

func TestALateRepetitionRaisesNothing(t *testing.T) {
	w := newWorld(t, oneseat.Config{})
	k := attempt(time.Now())
	first := w.signIn("ada", k...)
	var last api.Granted
	for range 40 {
		last = w.signIn("ada")
	}
	status, answer := w.ask("all", api.PathSignIn, `{"account":"ada"}`, k...)
	if status != 503 || problem(answer) != "outcome-unknown" {
		t.Errorf("%d %s", status, answer)
	}
	if status, answer := w.ask("all", api.PathCheck, token(first)); status == 200 {
		t.Errorf("the first token: %s", answer)
	}
	w.want(200, api.PathCheck, token(last), &struct{}{})
}

func TestAnyTextThatCanNameAnAccountDoes(t *testing.T) {
	w := newWorld(t, oneseat.Config{})
	for _, account := range []string{"..", "a/../b", "%2e%2e", "/", "?", "ada@members.example", `"`, `\`, strings.Repeat("🦉", 64), "null", "Ada", "ada", " ada"} {
		g := w.signIn(account)
		if g.Session.Account != account {
			t.Errorf("%q became %q", account, g.Session.Account)
		}
		var s api.Session
		w.want(200, api.PathCheck, token(g), &s)
		if s.Account != account {
			t.Errorf("%q is checked as %q", account, s.Account)
		}
	}
	for _, account := range []string{"", strings.Repeat("🦉", 64) + "x", "a\x00b", "a\nb"} {
		status, answer := w.ask("all", api.PathSignIn, `{"account":`+quoted(account)+`}`)
		if status != 422 || problem(answer) != "bad-account" {
			t.Errorf("%q: %d %s", account, status, answer)
		}
	}
}

func TestABodyIsReadStrictly(t *testing.T) { // API-07
	w := newWorld(t, oneseat.Config{})
	deep := strings.Repeat("[", 40) + strings.Repeat("]", 40)
	for name, body := range map[string]string{
		"nothing": "", "no object": `"ada"`, "a list": `[{"account":"ada"}]`, "no JSON": `{account:"ada"}`, "cut": `{"account":"ada"`,
		"an unknown member": `{"account":"ada","admin":true}`, "another case": `{"Account":"ada"}`, "both cases": `{"account":"ada","Account":"eve"}`,
		"twice": `{"account":"ada","account":"eve"}`, "twice inside": `{"account":"ada","device":{"ip":"192.0.2.1","ip":"192.0.2.2"}}`,
		"null": `{"account":null}`, "null inside": `{"account":"ada","device":{"ip":null}}`, "null for an object": `{"account":"ada","device":null}`,
		"missing": `{}`, "a number": `{"account":42}`, "a text for an object": `{"account":"ada","device":"phone"}`,
		"more after it": `{"account":"ada"} {}`, "garbage after it": `{"account":"ada"}x`, "bad UTF-8": "{\"account\":\"ada\xff\"}", "half a surrogate": `{"account":"\ud800"}`,
		"too deep": `{"account":"ada","device":` + deep + `}`, "a comment": `{"account":"ada"/**/}`, "a comma": `{"account":"ada",}`,
		"null and more": `null {"account":"ada"}`, "an unknown one inside": `{"account":"ada","device":{"admin":true}}`,
		"a bad time": `{"account":"ada","adopt":{"issued":"yesterday"}}`, "a byte order mark": "\ufeff" + `{"account":"ada"}`,
	} {
		status, answer := w.ask("all", api.PathSignIn, body)
		if status != 400 || problem(answer) != "bad-json" {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
	if live, err := w.seats["members"].Sessions(t.Context(), "ada"); err != nil || len(live) != 0 {
		t.Errorf("a body that was refused signed somebody in: %v, %v", live, err)
	}
	for name, body := range map[string]string{"of check: nothing": `{}`, "half an id": `{"account":"ada"}`, "the other half": `{"session":"X"}`, "both": `{"token":"x","account":"ada","session":"X"}`} {
		for _, path := range []string{api.PathCheck, api.PathSignOut} {
			if status, answer := w.ask("all", path, body); status != 400 {
				t.Errorf("%s, %s: %d %s", path, name, status, answer)
			}
		}
	}
	space := `{"account":"ada"` + strings.Repeat(" ", 64<<10-len(`{"account":"ada"}`)) + `}`
	if status, answer := w.ask("all", api.PathSignIn, space); status != 201 {
		t.Errorf("64 KiB: %d %s", status, answer)
	}
	if status, answer := w.ask("all", api.PathSignIn, space+" "); status != 413 || problem(answer) != "too-large" {
		t.Errorf("a byte more: %d %s", status, answer)
	}
}

func TestATokenThatIsNoneIsNeverAnotherRefusal(t *testing.T) {
	w := newWorld(t, oneseat.Config{})
	other := newWorld(t, oneseat.Config{})
	g := other.signIn("ada")
	for name, tok := range map[string]string{
		"empty": "", "short": "x", "huge": strings.Repeat("x", 60<<10), "another server's": g.Token, "altered": strings.ToLower(g.Token), "control characters": "\x00\n", "a ticket": "oneseat_ticket_" + g.Token[8:],
	} {
		status, answer := w.ask("all", api.PathCheck, `{"token":`+quoted(tok)+`}`)
		if status != 404 || problem(answer) != "no-session" {
			t.Errorf("%s: %d %s", name, status, answer)
		}
		if status, answer := w.ask("all", api.PathSignOut, `{"token":`+quoted(tok)+`}`); status != 200 || answer != `{"ended":0}` {
			t.Errorf("sign-out, %s: %d %s", name, status, answer)
		}
	}
}

// paths are all calls, the scope that each needs, and a body that is right.
var paths = map[string]struct {
	scope, body string
	form        bool
}{
	api.PathAbout: {scope: "", body: `{}`}, api.PathCheck: {scope: "check", body: `{"token":"x"}`}, api.PathSignIn: {scope: "sessions", body: `{"account":"ada"}`}, api.PathRedeem: {scope: "sessions", body: `{"ticket":"x","end":[]}`},
	api.PathData: {scope: "sessions", body: `{"account":"ada","session":"x","data":"y"}`}, api.PathConfirm: {scope: "sessions", body: `{"account":"ada","session":"x"}`}, api.PathRotate: {scope: "sessions", body: `{"token":"x"}`}, api.PathSignOut: {scope: "sessions", body: `{"token":"x"}`}, api.PathSessions: {scope: "sessions", body: `{"account":"ada"}`}, api.PathEnd: {scope: "sessions", body: `{"account":"ada","all":true}`},
	api.PathAccount: {scope: "admin", body: `{"account":"ada"}`}, api.PathAccounts: {scope: "admin", body: `{}`}, api.PathLimit: {scope: "admin", body: `{"account":"ada","limits":null}`}, api.PathBlock: {scope: "admin", body: `{"account":"eve"}`},
	api.PathUnblock: {scope: "admin", body: `{"account":"eve"}`}, api.PathForget: {scope: "admin", body: `{"account":"eve"}`}, api.PathExplain: {scope: "admin", body: `{"account":"ada"}`}, api.PathEndRealm: {scope: "admin", body: `{"realm":"members"}`}, api.PathEvents: {scope: "admin", body: `{}`},
	api.PathChanges: {scope: "check", body: `{}`}, api.PathIntrospect: {scope: "check", body: `token=x`, form: true}, api.PathRevoke: {scope: "sessions", body: `token=x`, form: true},
}

func TestRefusalsComeInOneOrder(t *testing.T) { // API-02, API-08
	w := newWorld(t, oneseat.Config{})
	for path, c := range paths {
		good := []string{"Authorization", "Bearer " + w.keys["all"], "Content-Type", "application/json"}
		garbage := "bad-json"
		other := "application/x-www-form-urlencoded"
		if c.form {
			good[3], other, garbage = other, good[3], "bad-form"
		}
		none := w.keys["none"]
		for _, step := range []struct {
			name, method, body string
			headers            []string
			status             int
			problem            string
		}{
			{"GET, and all else is wrong too", "GET", "x", nil, 405, "method"},
			{"TRACE", "TRACE", "", nil, 405, "method"},
			{"PUT", "PUT", c.body, good, 405, "method"},
			{"no key, and no JSON", "POST", "x", nil, 401, "bad-key"},
			{"another scheme", "POST", c.body, []string{"Authorization", "Basic " + w.keys["all"], "Content-Type", "application/json"}, 401, "bad-key"},
			{"two keys", "POST", c.body, append(slices.Clone(good), "Authorization", "Bearer "+w.keys["all"]), 401, "bad-key"},
			{"a key that was altered", "POST", c.body, []string{"Authorization", "Bearer " + w.keys["all"][:len(w.keys["all"])-1] + "x", "Content-Type", "application/json"}, 401, "bad-key"},
			{"another server's key", "POST", c.body, []string{"Authorization", "Bearer " + foreignKey(), "Content-Type", "application/json"}, 401, "bad-key"},
			{"no scope, and no JSON", "POST", "x", []string{"Authorization", "Bearer " + none}, 403, "not-allowed"},
			{"no type", "POST", c.body, good[:2], 415, "bad-type"},
			{"text", "POST", strings.Repeat("x", 70<<10), []string{"Authorization", good[1], "Content-Type", "text/plain"}, 415, "bad-type"},
			{"the other type", "POST", c.body, []string{"Authorization", good[1], "Content-Type", other}, 415, "bad-type"},
			{"another charset", "POST", c.body, []string{"Authorization", good[1], "Content-Type", good[3] + "; charset=latin1"}, 415, "bad-type"},
			{"compressed", "POST", c.body, append(slices.Clone(good), "Content-Encoding", "gzip"), 415, "bad-type"},
			{"too large, and no JSON", "POST", strings.Repeat("x", 70<<10), good, 413, "too-large"},
			{"garbage", "POST", "x", good, 400, garbage},
		} {
			if step.status == 403 && c.scope == "" {
				continue
			}
			resp, answer := w.send(step.method, path, step.body, step.headers...)
			var p api.Problem
			_ = json.Unmarshal([]byte(answer), &p) // judged below
			if resp.StatusCode != step.status || p.Type != api.ProblemPrefix+step.problem || p.Status != step.status || p.Title == "" || p.Title == step.problem || p.Instance == "" || p.Instance != resp.Header.Get("X-Request-Id") {
				t.Errorf("%s, %s: %s %s", path, step.name, resp.Status, answer)
			}
			h := resp.Header
			if h.Get("Content-Type") != "application/problem+json; charset=utf-8" || h.Get("Cache-Control") != "no-store" || h.Get("Location") != "" {
				t.Errorf("%s, %s: %v", path, step.name, h)
			}
			if (resp.StatusCode == 401) != (h.Get("WWW-Authenticate") != "") {
				t.Errorf("%s, %s: WWW-Authenticate %q", path, step.name, h.Get("WWW-Authenticate"))
			}
		}
	}
	for _, path := range []string{"/", "/v1/", "/v1/nothing", "/v1/check/", "/v1//check", "/v2/check", "/v1/Check", "/v1/x/../check"} {
		if resp, answer := w.send("POST", path, "{}"); resp.StatusCode != 404 || problem(answer) != "no-such-call" {
			t.Errorf("%s: %s %s", path, resp.Status, answer)
		}
	}
}

func foreignKey() string {
	secret, _ := server.NewKey("members", server.ScopeCheck)
	return secret
}

func TestAKeyDoesWhatItsScopesSayInItsRealmOnly(t *testing.T) { // API-06, API-12
	w := newWorld(t, oneseat.Config{})
	for path, c := range paths {
		for _, key := range []string{"check", "sessions", "admin", "none"} {
			headers := []string{"Authorization", "Bearer " + w.keys[key], "Content-Type", "application/json"}
			if c.form {
				headers[3] = "application/x-www-form-urlencoded"
			}
			resp, answer := w.send("POST", path, c.body, headers...)
			status := resp.StatusCode
			if allowed := c.scope == "" || c.scope == key; allowed != (status != 403) {
				t.Errorf("%s with a key for %s: %d %s", path, key, status, answer)
			}
		}
	}
	g := w.signIn("grace")
	byID := fmt.Sprintf(`{"account":"grace","session":%q}`, g.Session.ID)
	if status, answer := w.ask("check", api.PathCheck, byID); status != 403 {
		t.Errorf("a public ID is a yes for a key that may check: %d %s", status, answer)
	}
	w.want(200, api.PathCheck, byID, &struct{}{})

	// The other realm's key sees nothing of this one, and ends nothing here.
	for path, body := range map[string]string{api.PathCheck: token(g), api.PathRotate: token(g)} {
		if status, answer := w.ask("other", path, body); status != 404 {
			t.Errorf("%s: %d %s", path, status, answer)
		}
	}
	for path, want := range map[string]string{api.PathSessions: `{"sessions":[]}`, api.PathEnd: `{"ended":0}`} {
		body := `{"account":"grace"}`
		if path == api.PathEnd {
			body = `{"account":"grace","all":true}`
		}
		if status, answer := w.ask("other", path, body); status != 200 || answer != want {
			t.Errorf("%s: %d %s", path, status, answer)
		}
	}
	if _, answer := w.ask("other", api.PathSignOut, token(g)); answer != `{"ended":0}` {
		t.Errorf("sign-out: %s", answer)
	}
	w.want(200, api.PathCheck, token(g), &struct{}{})
}

func TestALookIsNoUseAndACheckIsOne(t *testing.T) {
	for _, c := range []struct {
		more string
		byID bool
		live bool
	}{{`,"use":false`, false, false}, {`,"use":false`, true, false}, {`,"use":true`, false, true}, {``, false, true}, {``, true, true}, {`,"fresh":true`, false, true}, {`,"fresh":true,"use":false`, false, false}, {`,"fresh":true,"use":false`, true, false}} {
		w := newWorld(t, oneseat.Config{Idle: time.Hour})
		g := w.signIn("ada")
		body := `"token":` + quoted(g.Token)
		if c.byID {
			body = fmt.Sprintf(`"account":"ada","session":%q`, g.Session.ID)
		}
		w.pass(59 * time.Minute)
		w.want(200, api.PathCheck, "{"+body+c.more+"}", &struct{}{})
		w.pass(2 * time.Minute)
		if status, answer := w.ask("all", api.PathCheck, token(g)); (status == 200) != c.live {
			t.Errorf("%s%s: two minutes later, past the first deadline: %d %s", body, c.more, status, answer)
		}
	}
}

func TestAFreshCheckReadsTheStore(t *testing.T) {
	w := newWorld(t, oneseat.Config{})
	g := w.signIn("ada")
	for _, use := range []string{"", `,"use":false`} {
		for _, body := range []string{`"token":` + quoted(g.Token), fmt.Sprintf(`"account":"ada","session":%q`, g.Session.ID)} {
			before := w.seats["members"].Stats().Loads
			w.want(200, api.PathCheck, "{"+body+use+`,"fresh":true}`, &struct{}{})
			if w.seats["members"].Stats().Loads == before {
				t.Errorf("%s%s was answered from memory", body, use)
			}
		}
	}
}

func TestWithoutAnAnswerOfTheStoreTheAnswerIsNo(t *testing.T) {
	w := newWorld(t, oneseat.Config{MaxStale: oneseat.FreshAlways})
	g := w.signIn("ada")
	w.store.set(true)
	for path, body := range map[string]string{api.PathCheck: token(g), api.PathSignIn: `{"account":"ada"}`, api.PathSignOut: token(g), api.PathSessions: `{"account":"ada"}`, api.PathEnd: `{"account":"ada","all":true}`, api.PathRotate: token(g)} {
		began := time.Now()
		resp, answer := w.send("POST", path, body, "Authorization", "Bearer "+w.keys["all"], "Content-Type", "application/json", "X-Request-Id", "theirs-1")
		if resp.StatusCode != 503 || problem(answer) != "no-answer" || resp.Header.Get("Retry-After") == "" || strings.Contains(answer, "gone away") {
			t.Errorf("%s: %s %s", path, resp.Status, answer)
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("%s took %v", path, took)
		}
	}
	w.store.set(false)
	w.want(200, api.PathCheck, token(g), &struct{}{})
	log := w.log.String()
	for _, secret := range []string{g.Token, w.keys["all"]} {
		if strings.Contains(log, secret) {
			t.Errorf("a secret is in the log: %s", log)
		}
	}
	if !strings.Contains(log, "theirs=theirs-1") {
		t.Errorf("the caller's own id is not in the log: %s", log)
	}
}

func TestTheServerSaysWhatItIs(t *testing.T) {
	w := newWorld(t, oneseat.Config{Limit: 2})
	var a api.About
	w.want(200, api.PathAbout, `{}`, &a)
	if a.Realm != "members" || a.Limit != 2 || a.WhenFull != "displace" || len(a.Scopes) != 3 || a.Idle == 0 || a.TouchEvery != 300 {
		t.Errorf("%+v", a)
	}
	w.pass(time.Hour)
	if w.want(200, api.PathAbout, `{}`, &a); time.Until(a.Now) < 30*time.Minute {
		t.Errorf("the store's clock is an hour ahead, and it says %v", a.Now)
	}
	if a.DangerouslyAllowWhenStoreIsDown {
		t.Error("it says that the switch is on")
	}
	dangerous := newWorld(t, oneseat.Config{DangerouslyAllowWhenStoreIsDown: true})
	if dangerous.want(200, api.PathAbout, `{}`, &a); !a.DangerouslyAllowWhenStoreIsDown {
		t.Error("it does not say that the switch is on")
	}
}

// /healthz says that the process answers, /readyz that it can answer calls.
func TestTheServerIsReadyWhileItsStoreAnswersAndUntilItIsDrained(t *testing.T) {
	w := newWorld(t, oneseat.Config{})
	ready := func(step string, want int) {
		t.Helper()
		for _, method := range []string{"GET", "HEAD"} {
			if resp, _ := w.send(method, "/healthz", ""); resp.StatusCode != 200 {
				t.Errorf("%s: %s /healthz: %s", step, method, resp.Status)
			}
			resp, answer := w.send(method, "/readyz", "")
			for range 20 { // a read has a second
				if resp.StatusCode == want {
					break
				}
				resp, answer = w.send(method, "/readyz", "")
			}
			if resp.StatusCode != want || answer != "" {
				t.Errorf("%s: %s /readyz: %s %s", step, method, resp.Status, answer)
			}
		}
		if resp, _ := w.send("POST", "/readyz", ""); resp.StatusCode != 404 {
			t.Errorf("it is no call: %s", resp.Status)
		}
	}
	ready("at first", 200)
	w.store.set(true)
	ready("without the store", 503)
	w.store.set(false)
	ready("again", 200)
	g := w.signIn("ada")
	if resp, _ := w.send("POST", api.PathCheck, token(g), "Authorization", "Bearer "+w.keys["all"], "Content-Type", "application/json"); resp.Close {
		t.Error("a connection is not kept")
	}
	w.server.Drain()
	ready("drained", 503)
	if resp, answer := w.send("POST", api.PathCheck, token(g), "Authorization", "Bearer "+w.keys["all"], "Content-Type", "application/json"); resp.StatusCode != 200 || !resp.Close {
		t.Errorf("a call when it is drained: %s %s, closed %t", resp.Status, answer, resp.Close)
	}
}

func TestWhatIsWrongWithAConfigurationIsSaidTogether(t *testing.T) {
	_, key := server.NewKey("nobody's", "everything")
	_, err := server.New(server.Config{Keys: []server.Key{key}})
	for _, word := range []string{"Realms", "nobody's", "everything"} {
		if !strings.Contains(fmt.Sprint(err), word) {
			t.Errorf("%s is not in %v", word, err)
		}
	}
	if _, err := server.New(server.Config{Realms: map[string]*oneseat.Registry{}}); !strings.Contains(fmt.Sprint(err), "NewKey") {
		t.Errorf("no keys: %v", err)
	}
	if _, err := server.KeyOf("oneseat_key_x", "members"); err == nil {
		t.Error("a text that is no key is taken for one")
	}
}

func TestASignInProposesTheCookieOfASiteOnHTTPSUnlessItIsTold(t *testing.T) {
	for want, c := range map[string]server.Config{
		"__Host-oneseat=TOKEN; Path=/; Max-Age=10368000; HttpOnly; Secure; SameSite=Lax": {},
		"__Host-seat=TOKEN; Path=/; Max-Age=10368000; HttpOnly; Secure; SameSite=Lax":    {CookieName: "seat"},
		"oneseat=TOKEN; Path=/; Max-Age=10368000; HttpOnly; SameSite=Lax":                {PlainCookie: true},
	} {
		w := newWorldOf(t, 0, oneseat.Config{}, c)
		g := w.signIn("ada")
		if got := strings.Replace(g.SetCookie, g.Token, "TOKEN", 1); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if g.SetCookie != "" && strings.Contains(w.log.String(), g.Token) {
			t.Error("the token is in the log")
		}
	}
	for _, name := range []string{"a b", "a;b", "__Host-x", "\n", "a=b", strings.Repeat("n", 257), strings.Repeat("n", 5000)} {
		if _, err := server.New(server.Config{CookieName: name}); !strings.Contains(fmt.Sprint(err), "CookieName") {
			t.Errorf("%q: %v", name, err)
		}
	}
}
