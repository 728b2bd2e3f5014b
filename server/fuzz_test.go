package server_test

import (
	"bytes"
	stdjson "encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
	"github.com/oneseat/oneseat/internal/canaries"
	"github.com/oneseat/oneseat/server"
	"github.com/oneseat/oneseat/store/memstore"
)

// asked is a server within the process, for fuzzing: a key that may do all, and its log.
type asked struct {
	server *server.Server
	key    string
	log    *journal
}

func newAsked(f *testing.F, c oneseat.Config) *asked {
	f.Helper()
	a := &asked{log: new(journal)}
	c.Logger, c.Realm = canaries.Logger(nil), "members"
	seats, err := oneseat.New(memstore.New(), c)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = seats.Close() })
	secret, key := server.NewKey("members", server.ScopeCheck, server.ScopeSessions, server.ScopeAdmin)
	a.key = secret
	a.server, err = server.New(server.Config{
		Realms: map[string]*oneseat.Registry{"members": seats}, Keys: []server.Key{key},
		Logger: slog.New(slog.NewJSONHandler(a.log, nil)),
	})
	if err != nil {
		f.Fatal(err)
	}
	return a
}

// ask makes a call with headers, the last of which count. The log then has this call only.
func (a *asked) ask(t testing.TB, path, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	a.log.mu.Lock()
	a.log.text.Reset()
	a.log.mu.Unlock()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+a.key)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header[headers[i]] = []string{headers[i+1]}
	}
	w := httptest.NewRecorder()
	a.server.ServeHTTP(w, r)
	return w
}

var pathList = slices.Sorted(maps.Keys(paths))

// Whatever the body of a call is, the answer is JSON, it is no fault of the server's, and
// what encoding/json cannot read is refused. What has been refused is refused again.
func FuzzCall(f *testing.F) {
	a := newAsked(f, oneseat.Config{Limit: 2, WhenFull: oneseat.PolicyAsk, LimitFor: server.LimitFor})
	a.server.Drain() // what waits for changes is answered at once
	for i, path := range pathList {
		f.Add(uint8(i), paths[path].body)
	}
	for i, path := range pathList {
		switch path {
		case api.PathSignIn:
			for _, body := range []string{
				`{"account":"ada","device":{"id":"0123456789abcdef","label":"x","class":"tv","ip":"::1","user_agent":"Mozilla"},"take_over":true,"data":"d","limits":{"total":"unlimited","classes":{"tv":2}},"lifetime":{"idle_s":60,"absolute_s":1.5,"until_closed":true}}`,
				`{"account":"ada","adopt":{"issued":"2020-01-01T00:00:00Z"},"previous":{"account":"ada","session":"x"}}`,
				`{"account":"ada","limits":{"total":0}}`, `{"account":"a","account":"b"}`, `{"Account":"a"}`, `{"account":null}`, `{"account":"\ud800"}`, `{"account":"a"}{}`,
			} {
				f.Add(uint8(i), body)
			}
		case api.PathChanges:
			f.Add(uint8(i), `{"after":"x.1","wait_ms":0}`)
		case api.PathEnd:
			f.Add(uint8(i), `{"account":"ada","sessions":["x"],"reason":"revoked","actor":"y"}`)
		case api.PathEvents, api.PathAccounts:
			f.Add(uint8(i), `{"before":"9","limit":1000}`)
			f.Add(uint8(i), `{"prefix":"a","after":"a","limit":-1}`)
		}
	}
	f.Fuzz(func(t *testing.T, at uint8, body string) {
		path := pathList[int(at)%len(pathList)]
		form := paths[path].form
		var headers []string
		if form {
			headers = []string{"Content-Type", "application/x-www-form-urlencoded"}
		}
		w := a.ask(t, path, body, headers...)
		if w.Code >= 500 && w.Code != http.StatusServiceUnavailable { // that is a machine which is too busy
			t.Fatalf("%s %q: %d %s", path, body, w.Code, w.Body)
		}
		if !jsontext.Value(w.Body.Bytes()).IsValid() {
			t.Errorf("%s %q is answered by what is no JSON: %s", path, body, w.Body)
		}
		if strings.Contains(w.Body.String(), a.key) {
			t.Errorf("the key is in the answer to %q", body)
		}
		if form {
			return
		}
		var members map[string]stdjson.RawMessage
		if err := stdjson.Unmarshal([]byte(body), &members); (err != nil || members == nil) && w.Code != http.StatusBadRequest && w.Code != http.StatusRequestEntityTooLarge {
			t.Errorf("%s %q: encoding/json says %v, and the server answers %d", path, body, err, w.Code)
		}
		if w.Code != http.StatusBadRequest {
			return
		}
		if again := a.ask(t, path, body); again.Code != w.Code || problem(again.Body.String()) != problem(w.Body.String()) {
			t.Errorf("%s %q: %s, and then %s", path, body, w.Body, again.Body)
		}
	})
}

var attemptKey = regexp.MustCompile(`^[0-9]{1,15}-[A-Za-z0-9_-]{22,128}$`)

// A call with an Idempotency-Key that is spelt as documented may be repeated; any other key
// is refused, and nothing is done.
func FuzzIdempotencyKey(f *testing.F) {
	a := newAsked(f, oneseat.Config{Limit: 1})
	good := fmt.Sprintf("%d-abcdefghijklmnopqrstuv", time.Now().UnixMilli())
	for _, s := range []string{good, "", "-", good + "\n", " " + good, "0" + good, good[:len(good)-1], "999999999999999-" + strings.Repeat("a", 128), "1-" + strings.Repeat("a", 129), "+1-abcdefghijklmnopqrstuv", "١-abcdefghijklmnopqrstuv"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, given string) {
		before := a.ask(t, api.PathSessions, `{"account":"ada"}`)
		w := a.ask(t, api.PathSignIn, `{"account":"ada"}`, api.IdempotencyKey, given)
		after := a.ask(t, api.PathSessions, `{"account":"ada"}`)
		if before.Code == 503 || w.Code == 503 || after.Code == 503 { // a machine that is too busy
			return
		}
		switch name := problem(w.Body.String()); {
		case !attemptKey.MatchString(given):
			if w.Code != 422 || name != "idempotency-key-bad" || len(given) > 8 && strings.Contains(w.Body.String(), given) || before.Body.String() != after.Body.String() {
				t.Errorf("%q: %d %s; sessions were %s, are %s", given, w.Code, w.Body, before.Body, after.Body)
			}
		case w.Code == 201:
			again := a.ask(t, api.PathSignIn, `{"account":"ada"}`, api.IdempotencyKey, given)
			var one, two api.Granted
			_, _ = stdjson.Unmarshal(w.Body.Bytes(), &one), stdjson.Unmarshal(again.Body.Bytes(), &two)
			if again.Code != 503 && (one.Token == "" || one.Token != two.Token) {
				t.Errorf("%q: %s, and repeated %s", given, w.Body, again.Body)
			}
		case !slices.Contains([]string{"idempotency-key-expired", "bad-time", "session-ended", "no-answer", "outcome-unknown"}, name):
			t.Errorf("%q: %d %s", given, w.Code, w.Body)
		}
	})
}

// No header but the key itself gets an answer, and the key is in no log line. The caller's
// own id of a request is logged if it is harmless.
func FuzzHeaders(f *testing.F) {
	a := newAsked(f, oneseat.Config{})
	f.Add("Bearer KEY", "application/json", "id-1")
	f.Add("bearer  KEY", "application/json; charset=UTF-8", "a\nb")
	f.Add("Basic KEY", "application/json;charset=latin1", strings.Repeat("a", 65))
	f.Add("Bearer KEYx", "text/plain, application/json", "")
	f.Add("Bearer "+foreignKey(), "application/json; charset", `{"x":1}`)
	plain := regexp.MustCompile(`^(?i:bearer) KEY$`)
	harmless := regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	f.Fuzz(func(t *testing.T, authorization, contentType, id string) {
		with := strings.ReplaceAll(authorization, "KEY", a.key)
		w := a.ask(t, api.PathAbout, `{}`, "Authorization", with, "Content-Type", contentType, "X-Request-Id", id)
		known := plain.MatchString(authorization) || with == "Bearer "+a.key
		if known == (w.Code == 401) || w.Code >= 500 && w.Code != 503 {
			t.Errorf("%q: %d %s", authorization, w.Code, w.Body)
		}
		kind, _, _ := strings.Cut(contentType, ";")
		if w.Code == 200 && !strings.EqualFold(strings.TrimSpace(kind), "application/json") {
			t.Errorf("%q is read as JSON", contentType)
		}
		line := a.log.String()
		if strings.Contains(line, a.key) || strings.Count(line, "\n") != 1 || !jsontext.Value(bytes.TrimSpace([]byte(line))).IsValid() {
			t.Errorf("the log says %s", line)
		}
		var said struct{ Theirs string }
		if err := stdjson.Unmarshal([]byte(line), &said); err != nil || said.Theirs != "" && (said.Theirs != id || !harmless.MatchString(id)) || said.Theirs == "" && harmless.MatchString(id) {
			t.Errorf("the id %q is logged as %q, %v", id, said.Theirs, err)
		}
	})
}

// A place in the events of a realm is one that the server has given. From any other one the
// answer says that something is missing, and where to go on.
func FuzzChangesCursor(f *testing.F) {
	a := newAsked(f, oneseat.Config{})
	var begin api.Changes
	for begin.Age == nil { // before the log was read, the place where it begins is not known
		if err := stdjson.Unmarshal(a.ask(f, api.PathChanges, `{}`).Body.Bytes(), &begin); err != nil {
			f.Fatal(err)
		}
	}
	incarnation, _, _ := strings.Cut(begin.Cursor, ".")
	for _, s := range []string{"", "x", begin.Cursor, begin.Cursor + "0", incarnation, incarnation + ".", incarnation + ".-1", incarnation + ".+0", incarnation + ".18446744073709551615", incarnation + ".18446744073709551616", "." + incarnation, incarnation + ".0.0"} {
		f.Add(strings.ReplaceAll(s, incarnation, "LOG"))
	}
	f.Fuzz(func(t *testing.T, s string) {
		cursor := strings.ReplaceAll(s, "LOG", incarnation)
		body, err := stdjson.Marshal(api.ChangesQuery{After: cursor})
		if err != nil {
			t.Fatal(err)
		}
		w := a.ask(t, api.PathChanges, string(body))
		var got api.Changes
		if err := stdjson.Unmarshal(w.Body.Bytes(), &got); w.Code != 200 || err != nil || got.Cursor == "" || len(got.Events) > 0 {
			if w.Code == 503 {
				return // a machine that is too busy
			}
			t.Fatalf("%q: %d %s, %v", cursor, w.Code, w.Body, err)
		}
		number, ours := strings.CutPrefix(cursor, incarnation)
		if known := cursor == "" || ours && zeros.MatchString(number); got.Gap == known {
			t.Errorf("%q: gap is %v", cursor, got.Gap)
		}
	})
}

var zeros = regexp.MustCompile(`^\.0+$`)

// What is no key of the API is refused by words that do not have it, and a key's id is part
// of the key.
func FuzzKey(f *testing.F) {
	good, _ := server.NewKey("members", server.ScopeCheck)
	for _, s := range []string{good, "", "oneseat_key_", good[:len(good)-1], good + "x", strings.ToUpper(good), strings.Replace(good, "_", "-", 3)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		k, err := server.KeyOf(s, "members", server.ScopeCheck)
		if err != nil {
			if len(s) > 20 && strings.Contains(err.Error(), s) || k.ID != "" {
				t.Errorf("%q: %v, %q", s, err, k.ID)
			}
			return
		}
		if len(k.ID) != 8 || !strings.HasPrefix(s, "oneseat_key_"+k.ID+"_") || len(s) != len(good) {
			t.Errorf("%q is a key, with the id %q", s, k.ID)
		}
	})
}
