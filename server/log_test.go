package server_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
)

func TestTheLogHasALineForEachCall(t *testing.T) { // AUD-02
	w := newWorld(t, oneseat.Config{})
	said := func(why string, want ...string) {
		t.Helper()
		var last string // of the server, and not of a registry
		for line := range strings.Lines(w.log.String()) {
			if strings.Contains(line, " msg=call ") {
				last = strings.TrimSpace(line)
			}
		}
		for _, part := range append(want, `ms=`) {
			if !strings.Contains(last+" ", part) {
				t.Errorf("%s: %s is not in %s", why, part, last)
			}
		}
	}
	resp, _ := w.send("POST", api.PathAbout, "{}", "Authorization", "Bearer "+w.keys["check"], "Content-Type", "application/json", "X-Request-Id", "theirs-1")
	id := w.keys["check"][len("oneseat_key_"):][:8]
	said("a call", "level=INFO ", "request="+resp.Header.Get("X-Request-Id")+" ", "theirs=theirs-1 ", "path=/v1/about ", "status=200 ", "key="+id+" ", "realm=members ")
	w.ask("check", api.PathSignIn, `{}`)
	said("a refusal", "level=INFO ", "path=/v1/signin ", "status=403 ", "problem=not-allowed ", "key="+id+" ")
	w.send("POST", "/v1/nothing%0Alevel=ERROR", "", "X-Request-Id", "x y")
	said("no call", `path="" `, "status=404 ", "problem=no-such-call ")
	w.ask("check", api.PathChanges, `{}`)
	said("a look for changes", "level=DEBUG ", "path=/v1/changes ", "status=200 ")
	g := w.signIn("ada")
	w.ask("check", api.PathCheck, token(g))
	said("a check that says yes", "level=DEBUG ", "path=/v1/check ", "status=200 ")
	w.ask("check", api.PathCheck, `{"token":"x"}`)
	said("one that says no", "level=INFO ", "path=/v1/check ", "status=404 ", "problem=no-session ")
	w.ask("check", api.PathChanges, `{"wait_ms":-1}`)
	said("one that is refused", "level=INFO ", "path=/v1/changes ", "status=422 ")
	w.store.set(true)
	w.ask("all", api.PathSessions, `{"account":"ada"}`)
	said("no answer", "level=WARN ", "status=503 ", "problem=no-answer ", "error=")
	before := strings.Count(w.log.String(), " msg=call ")
	w.send("GET", "/healthz", "")
	w.send("GET", "/readyz", "")
	if after := strings.Count(w.log.String(), " msg=call "); after != before {
		t.Errorf("a probe has a line: %s", w.log)
	}
	for line := range strings.SplitSeq(w.log.String(), "\n") {
		if strings.Contains(line, "theirs=") && !strings.Contains(line, "theirs=theirs-1") || strings.HasPrefix(line, "level=") {
			t.Errorf("a caller writes into the log: %s", line)
		}
	}
}

// What is secret, and what names a person, stands in no line of the log and in no
// refusal, whatever is asked and however it fails (AUD-04).
func TestNoSecretAndNoNameIsInTheLogOrInARefusal(t *testing.T) {
	const name, mark = "ada.canary@members.example", "canary"
	var fails atomic.Value // how the application's function fails
	fails.Store("")
	w := newWorld(t, oneseat.Config{WhenFull: oneseat.PolicyAsk, MaxStale: oneseat.FreshAlways, LimitFor: func(_ context.Context, account string) (oneseat.Limits, error) {
		switch fails.Load() {
		case "a panic":
			panic("no plan for " + account)
		case "another panic":
			panic(fmt.Errorf("no plan for %s", account))
		case "an error":
			return oneseat.Limits{}, errors.New("no plan for " + account)
		}
		return oneseat.Limits{}, nil
	}})
	device := `{"id":"canary-device-0001","user_agent":"canary-agent","label":"Her phone","ip":"192.0.2.77"}`
	g := w.signIn(name)
	var full api.Problem
	w.want(409, api.PathSignIn, `{"account":"`+name+`","device":`+device+`}`, &full)
	w.want(409, api.PathSignIn, `{"account":"`+name+`"}`, &full)
	secrets := []string{g.Token, full.Ticket, name, mark}
	for _, k := range w.keys {
		secrets = append(secrets, k)
	}
	var all []string
	for _, s := range secrets {
		all = append(all, regexp.QuoteMeta(s))
	}
	secret := regexp.MustCompile("(?i)" + strings.Join(all, "|"))
	inside := regexp.MustCompile(`goroutine|\.go\b|github|SELECT|gone away|panic|no plan`)
	key := "1764000000000-canarycanarycanarycanary"
	bodies := map[string]string{
		api.PathCheck: token(g), api.PathRotate: token(g), api.PathSignOut: `{"account":"` + name + `","session":"canary"}`,
		api.PathSignIn:  `{"account":"` + name + `","token":` + quoted(g.Token) + `x","device":` + device + `}`,
		api.PathRedeem:  `{"ticket":` + quoted(full.Ticket) + `,"end":["canary"],"token":"canary","device":` + device + `}`,
		api.PathExplain: `{"account":"` + name + `","device":` + device + `}`, api.PathSessions: `{"account":"` + name + `"}`, api.PathAccount: `{"account":"` + name + `"}`,
		api.PathEnd:      `{"account":"` + name + `","except":"canary","actor":"canary-actor","by":"canary"}`,
		api.PathAccounts: `{"prefix":"` + name + `","after":"` + name + `"}`, api.PathEvents: `{"account":"` + name + `","session":"canary","before":"canary"}`,
		api.PathLimit: `{"account":"` + name + `","limits":{"total":0},"actor":"canary"}`, api.PathBlock: `{"account":"` + name + `","until":"2001-01-01T00:00:00Z","actor":"canary"}`,
		api.PathUnblock: `{"account":"` + name + `","actor":"canary"}`, api.PathForget: `{"account":"` + name + `"}`, api.PathConfirm: `{"account":"` + name + `","session":"canary"}`, api.PathData: `{"account":"` + name + `","session":"canary","data":"canary"}`, api.PathEndRealm: `{"realm":"canary","actor":"canary"}`,
		api.PathIntrospect: "token=" + g.Token, api.PathRevoke: "token=canary", api.PathChanges: `{"after":"canary"}`, api.PathAbout: `{}`,
	}
	bodies[api.PathSignIn] = `{"account":"` + name + `","token":` + quoted(g.Token) + `,"device":` + device + `}`
	long := `{"account":"` + name + `","` + strings.Repeat(mark, 12000) + `":1}`
	refusals := map[string]int{}
	for step, broken := range map[string]struct {
		set   func(bool)
		fails string
	}{
		"as it is": {}, "without the store": {set: w.store.set}, "a panic": {fails: "a panic"}, "another panic": {fails: "another panic"}, "an error": {fails: "an error"},
	} {
		fails.Store(broken.fails)
		if broken.set != nil {
			broken.set(true)
		}
		for path := range paths {
			body, kind := bodies[path], "application/json"
			if paths[path].form {
				kind = "application/x-www-form-urlencoded"
			}
			if body == "" {
				t.Errorf("%s: write a body that has secrets", path)
			}
			good := []string{"Authorization", "Bearer " + w.keys["all"], "Content-Type", kind, api.IdempotencyKey, key, "X-Request-Id", "canary id"}
			for _, try := range []struct {
				body    string
				headers []string
			}{
				{body, good},
				{body, good[:4]},
				{body, append(slices.Clone(good), "Authorization", "Bearer "+w.keys["check"])},
				{body, append(slices.Clone(good), api.IdempotencyKey, key)},
				{body, []string{"Authorization", "Bearer oneseat_key_canary", "Content-Type", kind}},
				{body, []string{"Authorization", "Basic canary:canary", "Content-Type", kind}},
				{body, []string{"Authorization", "Bearer " + w.keys["none"], "Content-Type", kind}},
				{body, []string{"Authorization", "Bearer " + w.keys["other"], "Content-Type", kind}},
				{body, []string{"Authorization", "Bearer " + w.keys["all"], "Content-Type", "text/" + mark}},
				{long, good[:4]},
				{strings.Replace(body, "{", `{"canary":"canary",`, 1), good[:4]},
				{`{"account":"` + name + "\x00" + `"}`, good[:4]},
				{`{"account":"` + name + `\n"}`, good[:4]},
				{"canary", good[:4]},
			} {
				resp, answer := w.send("POST", path+"?token="+mark, try.body, try.headers...)
				if resp.StatusCode < 400 {
					continue
				}
				refusals[problem(answer)]++
				if problem(answer) == "account-full" { // it is for who holds the seats, and has the ticket
					continue
				}
				if found := inside.FindString(answer); found != "" { // API-01
					t.Errorf("%s, %s: %q is of the inside: %s", step, path, found, answer)
				}
				if found := secret.FindString(answer + fmt.Sprint(resp.Header)); found != "" {
					t.Errorf("%s, %s: %q is in %s", step, path, found, answer)
				}
			}
		}
		for _, path := range []string{"/v1/check/" + mark, "/" + mark, "/v1/" + g.Token} {
			w.send("POST", path, "{}", "Authorization", "Bearer "+w.keys["all"])
		}
		if broken.set != nil {
			broken.set(false)
		}
	}
	for line := range strings.SplitSeq(w.log.String(), "\n") {
		if found := secret.FindString(line); found != "" {
			t.Errorf("%q is in the log: %s", found, line)
		}
	}
	for _, want := range []string{
		"no-such-call", "bad-key", "not-allowed", "bad-type", "too-large", "bad-json", "bad-form", "bad-account", "bad-limits", "bad-time", "bad-selector", "bad-realm",
		"idempotency-key-bad", "idempotency-key-expired", "no-session", "bad-ticket", "no-answer", "internal",
	} {
		if want != "no-such-call" && refusals[want] == 0 {
			t.Errorf("%s was not among the refusals: %v", want, slices.Sorted(maps.Keys(refusals)))
		}
	}
	if !strings.Contains(w.log.String(), "a call panicked") || !strings.Contains(w.log.String(), "LimitFor") {
		t.Error("nothing failed")
	}
}
