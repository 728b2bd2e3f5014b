package server_test

import (
	"bufio"
	"context"
	"errors"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
	"github.com/oneseat/oneseat/internal/canaries"
	"github.com/oneseat/oneseat/server"
	"github.com/oneseat/oneseat/store/memstore"
)

// scraped is what one scrape says: values by series, and kinds by the name of a metric.
type scraped struct {
	t      *testing.T
	values map[string]float64
	kinds  map[string]string
}

// value returns the value of a series, as it is spelt.
func (s scraped) value(series string) float64 {
	s.t.Helper()
	v, ok := s.values[series]
	if !ok {
		s.t.Errorf("there is no %s", series)
	}
	return v
}

// scrape reads /metrics, and fails the test unless every line is as the text format has it.
func scrape(t *testing.T, of *server.Server) scraped {
	t.Helper()
	w := httptest.NewRecorder()
	of.Operations().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	canaries.Seen("metrics", w.Body.String())
	return parsed(t, w.Body)
}

var (
	sampleLine = regexp.MustCompile(`^([a-z_]+)((?:\{[a-z_]+="(?:[^"\\\n]|\\.)*"(?:,[a-z_]+="(?:[^"\\\n]|\\.)*")*\})?) ([0-9.e+-]+)$`)
	labelPart  = regexp.MustCompile(`([a-z_]+)="((?:[^"\\\n]|\\.)*)"`)
)

func parsed(t *testing.T, from io.Reader) scraped {
	t.Helper()
	s := scraped{t, map[string]float64{}, map[string]string{}}
	family := "" // of the lines at hand
	helped := ""
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		line := lines.Text()
		if rest, ok := strings.CutPrefix(line, "# HELP "); ok {
			helped, _, _ = strings.Cut(rest, " ")
			continue
		}
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, kind, _ := strings.Cut(rest, " ")
			if helped != name || s.kinds[name] != "" {
				t.Errorf("%q has no help before it, or comes twice", line)
			}
			s.kinds[name], family = kind, name
			continue
		}
		m := sampleLine.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("%q is no line of metrics", line)
		}
		if m[1] != family && !(s.kinds[family] == "histogram" && slices.Contains([]string{family + "_bucket", family + "_sum", family + "_count"}, m[1])) {
			t.Errorf("%q stands under %s", line, family)
		}
		v, err := strconv.ParseFloat(m[3], 64)
		if _, twice := s.values[m[1]+m[2]]; twice || err != nil {
			t.Errorf("%q comes twice, or has no number", line)
		}
		s.values[m[1]+m[2]] = v
	}
	return s
}

func TestWhatHappensIsCounted(t *testing.T) { // OPS-07
	synctest.Test(t, func(t *testing.T) {
		w := newWorldWithin(t, 0, oneseat.Config{}, server.Config{SignInRate: 20})
		first := w.signIn("ada")
		second := w.signIn("ada")
		w.want(410, api.PathCheck, token(first), &struct{}{})
		w.want(200, api.PathCheck, token(second), &struct{}{})
		w.want(200, api.PathCheck, token(second), &struct{}{})
		w.want(404, api.PathCheck, `{"token":"none"}`, &struct{}{})
		for body, want := range map[string]string{"token=" + second.Token: `"active":true`, "token=none": `"active":false`} {
			if _, answer := w.send("POST", api.PathIntrospect, body, "Authorization", "Bearer "+w.keys["all"], "Content-Type", "application/x-www-form-urlencoded"); !strings.Contains(answer, want) {
				t.Errorf("%s: %s", body, answer)
			}
		}
		w.want(422, api.PathSignIn, `{"account":""}`, &struct{}{})
		w.want(200, api.PathBlock, `{"account":"eve"}`, &struct{}{})
		w.want(409, api.PathSignIn, `{"account":"eve"}`, &struct{}{})
		w.want(200, api.PathSignOut, token(second), &struct{}{})
		w.signIn("ada")
		if resp, _ := w.send("POST", "/v1/none", `{}`); resp.StatusCode != 404 {
			t.Error(resp.Status)
		}
		if resp, _ := w.send("POST", api.PathCheck, `{}`); resp.StatusCode != 401 {
			t.Error(resp.Status)
		}
		for range 30 {
			w.ask("all", api.PathSignIn, `{"account":"often"}`)
		}
		w.store.set(true)
		w.want(503, api.PathSignIn, `{"account":"ada"}`, &struct{}{})
		w.store.set(false)

		s := scrape(t, w.server)
		for series, want := range map[string]float64{
			`oneseat_checks_total{realm="members",outcome="live"}`:                         3,
			`oneseat_checks_total{realm="members",outcome="ended"}`:                        1,
			`oneseat_checks_total{realm="members",outcome="none"}`:                         2,
			`oneseat_checks_total{realm="members",outcome="no_answer"}`:                    0,
			`oneseat_checks_total{realm="staff",outcome="live"}`:                           0,
			`oneseat_signins_total{realm="members",outcome="blocked"}`:                     1,
			`oneseat_refusals_total{problem="session-ended"}`:                              1,
			`oneseat_refusals_total{problem="bad-key"}`:                                    1,
			`oneseat_refusals_total{problem="bad-account"}`:                                1,
			`oneseat_refusals_total{problem="no-answer"}`:                                  1,
			`oneseat_signins_total{realm="members",outcome="no_answer"}`:                   1,
			`oneseat_calls_total{path="/v1/check",status="200"}`:                           2,
			`oneseat_calls_total{path="/v1/check",status="410"}`:                           1,
			`oneseat_calls_total{path="none",status="404"}`:                                1,
			`oneseat_sessions_ended_total{realm="members",reason="displaced"}`:             1 + s.value(`oneseat_events_total{realm="members",type="session_created"}`) - 2 - 2, // those of "often", but for the last
			`oneseat_sessions_ended_total{realm="members",reason="signed_out"}`:            1,
			`oneseat_sessions_ended_total{realm="staff",reason="displaced"}`:               0,
			`oneseat_events_total{realm="members",type="account_blocked"}`:                 1,
			`oneseat_signins_total{realm="members",outcome="admitted"}`:                    s.value(`oneseat_events_total{realm="members",type="session_created"}`),
			`oneseat_rate_limited_total{by="account"}`:                                     s.value(`oneseat_refusals_total{problem="too-many"}`),
			`oneseat_rate_limited_total{by="key"}`:                                         0,
			`oneseat_live_sessions{realm="members"}`:                                       2,
			`oneseat_live_accounts{realm="members"}`:                                       2,
			`oneseat_live_sessions{realm="staff"}`:                                         0,
			`oneseat_store_up{realm="members"}`:                                            1,
			`oneseat_polls{realm="members"}`:                                               0,
			`oneseat_store_errors_total{op="rosters"}`:                                     0,
			`oneseat_store_seconds_bucket{op="rosters",le="+Inf"}`:                         0,
			`oneseat_build_info{version="unknown",go_version="` + runtime.Version() + `"}`: 1,
		} {
			if got := s.value(series); got != want {
				t.Errorf("%s is %v, and not %v", series, got, want)
			}
		}
		for _, some := range []string{
			`oneseat_rate_limited_total{by="account"}`, `oneseat_checks_cached_total{realm="members"}`, `oneseat_cached_accounts{realm="members"}`,
			`oneseat_store_errors_total{op="load"}`, `oneseat_store_seconds_count{op="update"}`,
		} {
			if s.value(some) <= 0 {
				t.Errorf("%s is nothing", some)
			}
		}
	})
}

func TestPollsUnderWayAreCounted(t *testing.T) {
	w := newWorld(t, oneseat.Config{})
	var now api.Changes
	w.want(200, api.PathChanges, `{}`, &now)
	ctx, leave := context.WithCancel(t.Context())
	var polls sync.WaitGroup
	for range 3 {
		polls.Go(func() {
			r := httptest.NewRequestWithContext(ctx, "POST", api.PathChanges, strings.NewReader(`{"after":`+quoted(now.Cursor)+`,"wait_ms":30000}`))
			r.Header.Set("Authorization", "Bearer "+w.keys["check"])
			r.Header.Set("Content-Type", "application/json")
			w.server.ServeHTTP(httptest.NewRecorder(), r)
		})
	}
	for scrape(t, w.server).value(`oneseat_polls{realm="members"}`) != 3 { // the test's own deadline ends it
		runtime.Gosched()
	}
	leave()
	polls.Wait()
	after := scrape(t, w.server)
	if n := after.value(`oneseat_polls{realm="members"}`); n != 0 {
		t.Errorf("%v are under way, when all have left", n)
	}
	// A tab that was closed is no failure of the store's, of which an alert would tell.
	if n := after.value(`oneseat_refusals_total{problem="no-answer"}`); n != 0 {
		t.Errorf("%v callers that have left count as refused", n)
	}
	if log := w.log.String(); strings.Count(log, "caller_gone=true") != 3 || strings.Contains(log, "problem=") {
		t.Errorf("the log says %s", log)
	}
}

// allowed are all labels, each with what its values look like.
var allowed = map[string]*regexp.Regexp{
	"realm":      regexp.MustCompile(`^(members|staff)$`),
	"path":       regexp.MustCompile(`^(/v1/[a-z-]+|none)$`),
	"status":     regexp.MustCompile(`^[1-5][0-9]{2}$`),
	"outcome":    regexp.MustCompile(`^(live|ended|rotated|none|no_answer|admitted|refused|asked|blocked|gone|unknown)$`),
	"problem":    regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`),
	"by":         regexp.MustCompile(`^(key|account)$`),
	"type":       regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`),
	"reason":     regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`),
	"op":         regexp.MustCompile(`^(load|update|changes|due|rosters|events|count|forget|wake)$`),
	"le":         regexp.MustCompile(`^([0-9.e+-]+|\+Inf)$`),
	"version":    regexp.MustCompile(`^unknown$`),
	"go_version": regexp.MustCompile(`^go[0-9.]+`),
}

func TestNoLabelHasWhatACallerWrote(t *testing.T) { // OPS-07
	w := newWorldOf(t, 0, oneseat.Config{}, server.Config{SignInRate: 100, KeyRate: 1000})
	const canary = "canary"
	sign := `{"account":"canary","device":{"id":"canary-canary-canary","label":"canary","user_agent":"canary","ip":"192.0.2.7"}}`
	var g, second api.Granted
	w.want(201, api.PathSignIn, sign, &g)
	w.want(201, api.PathSignIn, sign, &second, api.IdempotencyKey, strconv.FormatInt(w.now().UnixMilli(), 10)+"-canarycanarycanarycanary")
	w.want(410, api.PathCheck, token(g), &struct{}{}, "X-Request-Id", canary)
	for _, path := range []string{"/canary", api.PathCheck + "/canary", api.PathCheck + "?canary=canary", "/v1/canary\"\n"} {
		w.send("POST", strings.NewReplacer(`"`, "%22", "\n", "%0a").Replace(path), `{"canary":"canary"}`, "Authorization", "Bearer canary")
	}
	w.want(400, api.PathCheck, `{"canary":"canary"}`, &struct{}{})
	w.want(200, api.PathBlock, `{"account":"canary","actor":"canary"}`, &struct{}{})
	secrets := []string{canary, "192.0.2", g.Token, g.Session.ID, second.Session.ID, w.keys["all"], strings.Split(w.keys["all"], "_")[2]}

	s := scrape(t, w.server)
	for series := range s.values {
		for _, secret := range secrets {
			if strings.Contains(series, secret) {
				t.Errorf("%s has %q", series, secret)
			}
		}
		for _, m := range labelPart.FindAllStringSubmatch(series, -1) {
			if is := allowed[m[1]]; is == nil || !is.MatchString(m[2]) {
				t.Errorf("%s: the label %s may not be, or not be %q", series, m[1], m[2])
			}
		}
	}
}

func TestARealmOfAnyNameIsALabel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const realm = `a "b" \ c, d="e"} für`
		r, err := oneseat.New(memstore.New(), oneseat.Config{}) // whose own realm has a simpler name
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.Close() })
		_, key := server.NewKey(realm)
		m := server.Measure(memstore.New())
		s, err := server.New(server.Config{Realms: map[string]*oneseat.Registry{realm: r}, Keys: []server.Key{key}, Store: m})
		if err != nil {
			t.Fatal(err)
		}
		if up := scrape(t, s).value(`oneseat_store_up{realm="a \"b\" \\ c, d=\"e\"} für"}`); up != 1 {
			t.Error(up)
		}
	})
}

func TestAScrapeAnswersWhileTheStoreIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorldWithin(t, 0, oneseat.Config{}, server.Config{})
		w.signIn("ada")
		w.store.set(true)
		s := scrape(t, w.server)
		if s.value(`oneseat_store_up{realm="members"}`) != 0 || s.value(`oneseat_store_errors_total{op="load"}`)+s.value(`oneseat_store_errors_total{op="count"}`) == 0 {
			t.Error("the store is up, or had no error")
		}
		for _, gone := range []string{"oneseat_live_sessions", "oneseat_live_accounts", "oneseat_live_streams"} {
			if s.kinds[gone] != "" {
				t.Errorf("%s is told, although the store did not say so", gone)
			}
		}
		if s.value(`oneseat_events_total{realm="members",type="session_created"}`) != 1 {
			t.Error("what the server counts itself is missing")
		}
		w.store.set(false)
		if s := scrape(t, w.server); s.value(`oneseat_store_up{realm="members"}`) != 1 || s.value(`oneseat_live_sessions{realm="members"}`) != 1 {
			t.Error("the store is back, and is not up")
		}
	})
}

func TestAScrapeDoesNotWaitForAStoreThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &away{Store: memstore.New()}
		var asked atomic.Int64
		answer := make(chan struct{})
		store.counts = func() { asked.Add(1); <-answer } // whatever the context says
		r, err := oneseat.New(store, oneseat.Config{Logger: canaries.Logger(nil)})
		if err != nil {
			t.Fatal(err)
		}
		_, key := server.NewKey("default")
		s, err := server.New(server.Config{Realms: map[string]*oneseat.Registry{"default": r}, Keys: []server.Key{key}})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		var scrapes sync.WaitGroup
		for range 5 {
			scrapes.Go(func() {
				for range 2 {
					if scrape(t, s).value(`oneseat_store_up{realm="default"}`) != 0 {
						t.Error("a store that hangs is up")
					}
				}
			})
		}
		scrapes.Wait()
		if took := time.Since(began); took != 2*time.Second || asked.Load() != 1 {
			t.Errorf("two scrapes took %v, and asked the store %d times", took, asked.Load())
		}
		close(answer)
		synctest.Wait()
		if scrape(t, s).value(`oneseat_store_up{realm="default"}`) != 1 {
			t.Error("the store answers again, and is not up")
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if scrape(t, s).value(`oneseat_store_up{realm="default"}`) != 0 { // it still answers
			t.Error("what was closed is up")
		}
	}) // it fails if anything is left running
}

func TestAStoreWithoutAHistoryIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plain := newWorldWithin(t, 0, oneseat.Config{}, server.Config{})
		plain = plain.reached(server.Measure(struct{ oneseat.Store }{plain.store}).Store(), oneseat.Config{})
		plain.url = "" // its calls stay in the bubble
		s := scrape(t, plain.server)
		if s.value(`oneseat_store_up{realm="members"}`) != 1 || s.kinds["oneseat_live_sessions"] != "" {
			t.Error("it is not up, or says how much is signed in")
		}
		plain.refuses(501, "no-history", api.PathAccounts, `{}`)
	})
}

func TestOperationsServesFourPathsAndNothingElse(t *testing.T) { // ADM-03
	synctest.Test(t, func(t *testing.T) {
		w := newWorldWithin(t, 0, oneseat.Config{}, server.Config{})
		ask := func(h http.Handler, method, path string) *httptest.ResponseRecorder {
			r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(`{}`))
			r.Header.Set("Authorization", "Bearer "+w.keys["all"])
			r.Header.Set("Content-Type", "application/json")
			answer := httptest.NewRecorder()
			h.ServeHTTP(answer, r)
			wantHeaders(t, method+" "+path, answer.Code, answer.Header())
			return answer
		}
		ops := w.server.Operations()
		for _, path := range []string{"/metrics", "/healthz", "/readyz", api.PathOpenAPI} {
			for _, method := range []string{"GET", "HEAD"} {
				if answer := ask(ops, method, path); answer.Code != 200 || answer.Header().Get("Cache-Control") != "no-store" {
					t.Errorf("%s %s: %d", method, path, answer.Code)
				}
			}
			for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS"} {
				if answer := ask(ops, method, path); answer.Code != 405 {
					t.Errorf("%s %s: %d", method, path, answer.Code)
				}
			}
		}
		for _, path := range []string{"/", "/metrics/", "/debug/pprof/", "/debug/pprof/cmdline", "/debug/vars", api.PathCheck, api.PathAbout, api.PathEndRealm, "/metrics/../v1/about"} {
			for _, method := range []string{"GET", "POST"} {
				if answer := ask(ops, method, path); answer.Code != 404 {
					t.Errorf("%s %s: %d", method, path, answer.Code)
				}
			}
		}
		for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/vars"} {
			if answer := ask(w.server, "GET", path); answer.Code != 404 {
				t.Errorf("the API's listener, %s: %d", path, answer.Code)
			}
		}
		w.server.Drain()
		if ready, alive, scraped := ask(ops, "GET", "/readyz"), ask(ops, "GET", "/healthz"), ask(ops, "GET", "/metrics"); ready.Code != 503 || alive.Code != 200 || scraped.Code != 200 {
			t.Errorf("drained: %d %d %d", ready.Code, alive.Code, scraped.Code)
		}
	})
}

func TestCountingACallAllocatesNothing(t *testing.T) {
	w := newWorld(t, oneseat.Config{})
	for _, status := range []int{200, 410, 404, 503} {
		count := server.CountsCheck(w.server, "members", status)
		count() // the first answer of a status makes its counter
		if n := testing.AllocsPerRun(1000, count); n != 0 {
			t.Errorf("counting a check that is answered %d allocates %v times", status, n)
		}
	}
	before := scrape(t, w.server).value(`oneseat_calls_total{path="/v1/check",status="410"}`)
	server.CountsCheck(w.server, "members", 410)()
	if after := scrape(t, w.server).value(`oneseat_calls_total{path="/v1/check",status="410"}`); after != before+1 {
		t.Errorf("%v, and then %v", before, after)
	}
}

// constants returns the values of the constants of a type that a file of the root package
// has.
func constants(t *testing.T, file, of string) (all []string) {
	t.Helper()
	f, err := parser.ParseFile(gotoken.NewFileSet(), filepath.Join("..", file), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && v.Type != nil {
			if kind, ok := v.Type.(*ast.Ident); ok && kind.Name == of {
				text, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, text)
			}
		}
		return true
	})
	return all
}

func TestEveryReasonAndEventAndProblemIsCounted(t *testing.T) {
	w := newWorld(t, oneseat.Config{})
	s := scrape(t, w.server)
	for _, reason := range constants(t, "session.go", "Reason") {
		s.value(`oneseat_sessions_ended_total{realm="members",reason="` + reason + `"}`)
	}
	for _, event := range constants(t, "event.go", "EventType") {
		s.value(`oneseat_events_total{realm="members",type="` + event + `"}`)
	}
	problems := map[string]bool{}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`name(?:: | := | = )"([a-z-]+)"`)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range named.FindAllStringSubmatch(string(text), -1) {
			problems[m[1]] = true
		}
	}
	if len(problems) < 25 {
		t.Errorf("only %d problems were found", len(problems))
	}
	for problem := range problems {
		s.value(`oneseat_refusals_total{problem="` + problem + `"}`)
	}
}

// The registry asks a store for one thing beyond Store: whether it is a History. A Measured
// has to pass on whatever is asked for.
func TestAMeasuredStoreIsAllThatTheRegistryAsksFor(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "*.go"))
	if err != nil || len(files) < 20 {
		t.Fatal(len(files), err)
	}
	asks := regexp.MustCompile(`store\.\((\w+)\)`)
	found := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range asks.FindAllStringSubmatch(string(text), -1) {
			found[m[1]] = true
		}
	}
	if all := slices.Collect(maps.Keys(found)); !slices.Equal(all, []string{"History"}) {
		t.Errorf("the registry asks its store for %v", all)
	}
	if _, ok := server.Measure(memstore.New()).Store().(oneseat.History); !ok {
		t.Error("a measured store keeps no history")
	}
	if _, ok := server.Measure(struct{ oneseat.Store }{memstore.New()}).Store().(oneseat.History); ok {
		t.Error("a store without a history has one when it is measured")
	}
}

func TestAnErrorOfAChangeIsNoErrorOfTheStore(t *testing.T) {
	m := server.Measure(memstore.New())
	mine := errors.New("mine")
	key := oneseat.KeyOf("r", "ada")
	if _, err := m.Store().Update(t.Context(), key, func(oneseat.View) (oneseat.Change, error) { return oneseat.Change{}, mine }); err != mine { //nolint:errorlint // the same, as Store has it
		t.Errorf("the change's error came back as %v", err)
	}
	if _, err := m.Store().Update(t.Context(), key, func(oneseat.View) (oneseat.Change, error) { panic("x") }); err == nil {
		t.Error("a panic is no error")
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := m.Store().Update(gone, key, func(oneseat.View) (oneseat.Change, error) { return oneseat.Change{}, nil }); err == nil {
		t.Error("a caller that went away was answered")
	}
	r, err := oneseat.New(m.Store(), oneseat.Config{Realm: "r"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	_, k := server.NewKey("r")
	s, err := server.New(server.Config{Realms: map[string]*oneseat.Registry{"r": r}, Keys: []server.Key{k}, Store: m})
	if err != nil {
		t.Fatal(err)
	}
	got := scrape(t, s)
	if n := got.value(`oneseat_store_errors_total{op="update"}`); n != 0 {
		t.Errorf("%v errors", n)
	}
	if n := got.value(`oneseat_store_seconds_count{op="update"}`); n < 3 {
		t.Errorf("%v of 3 updates were measured", n)
	}
}

// A reply that was lost is retried, and the retry finds that all was done.
func TestWhatWasCommittedIsCountedOnceAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorldWithin(t, 0, oneseat.Config{}, server.Config{})
		w.signIn("eve") // the control record is there
		w.store.lose(true)
		w.sendOnce("POST", api.PathSignIn, `{"account":"ada"}`, "Authorization", "Bearer "+w.keys["all"], "Content-Type", "application/json")
		w.store.lose(false)
		s := scrape(t, w.server)
		if n := s.value(`oneseat_events_total{realm="members",type="session_created"}`); n > 2 {
			t.Errorf("two sessions were made, and %v counted", n)
		}
		if s.value(`oneseat_signins_total{realm="members",outcome="unknown"}`) != 1 {
			t.Error("a sign-in whose outcome is unknown is not counted as that")
		}
	})
}

// Counting many takes long, so a scrape a second does not count them each time.
func TestOpenFilesAreCountedOnceInAWhile(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("they are counted on Linux only")
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorldWithin(t, 0, oneseat.Config{}, server.Config{})
		open := func() float64 { return scrape(t, w.server).value("process_open_fds") }
		before := open()
		var files []*os.File
		for range 500 { // more than the rest of the tests can close meanwhile
			f, err := os.Open(os.DevNull)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			files = append(files, f)
		}
		time.Sleep(14 * time.Second) // of the bubble's clock
		if now := open(); now != before {
			t.Errorf("after 14 s they were counted again: %v, and then %v", before, now)
		}
		time.Sleep(time.Second)
		if now := open(); now < before+float64(len(files))/2 {
			t.Errorf("after 15 s they were not counted: %v, and then %v", before, now)
		}
	})
}
