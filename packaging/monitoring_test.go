package packaging

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metricsql"
	"sigs.k8s.io/yaml"

	"github.com/oneseat/oneseat"
	api "github.com/oneseat/oneseat/server"
	"github.com/oneseat/oneseat/store/memstore"
)

// metric is what a server tells under one name.
type metric struct {
	counts bool                // it only rises, so it has a rate
	labels map[string][]string // and their values
}

// told returns all that a server tells, by the names that stand in an expression.
func told(t *testing.T) map[string]metric {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	m := api.Measure(memstore.New())
	r, err := oneseat.New(m.Store(), oneseat.Config{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	_, key := api.NewKey("default")
	s, err := api.New(api.Config{Realms: map[string]*oneseat.Registry{"default": r}, Keys: []api.Key{key}, Store: m, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)) // a path that has answered
	var text string
	for !strings.Contains(text, "oneseat_log_lag_seconds") { // until the log was read
		runtime.Gosched()
		w := httptest.NewRecorder()
		s.Operations().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
		text = w.Body.String()
	}
	// What Prometheus adds: each scrape is of a job and of an instance, and was answered or not.
	all := map[string]metric{"up": {labels: map[string][]string{}}}
	kind := ""
	label := regexp.MustCompile(`([a-z_]+)="((?:[^"\\]|\\.)*)"`)
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			kind = strings.Fields(rest)[1]
		}
		if strings.HasPrefix(line, "#") {
			continue
		}
		name := line[:strings.IndexAny(line, "{ ")]
		if _, ok := all[name]; !ok {
			all[name] = metric{counts: kind != "gauge", labels: map[string][]string{}}
		}
		for _, l := range label.FindAllStringSubmatch(line, -1) {
			all[name].labels[l[1]] = append(all[name].labels[l[1]], l[2])
		}
	}
	return all
}

// functions are those that the expressions may use. The parser knows more than Prometheus
// does.
var functions = []string{"rate", "increase", "histogram_quantile"}

// wrong returns what is wrong with an expression, and the labels that its result has.
func wrong(all map[string]metric, expr string) (problems, labels []string) {
	e, err := metricsql.Parse(expr)
	if err != nil {
		return []string{err.Error()}, nil
	}
	bad := func(what ...string) { problems = append(problems, strings.Join(what, " ")) }
	labels = []string{"job", "instance"}
	var grouped []string
	metricsql.VisitAll(e, func(e metricsql.Expr) {
		switch e := e.(type) {
		case *metricsql.MetricExpr:
			for _, filters := range e.LabelFilterss {
				name := filters[0].Value
				m, ok := all[name]
				if !ok || filters[0].Label != "__name__" {
					bad("there is no metric", name)
					continue
				}
				for l := range m.labels {
					labels = append(labels, l)
				}
				for _, f := range filters[1:] {
					values, ok := m.labels[f.Label]
					if !ok && f.Label != "job" && f.Label != "instance" {
						bad(name, "has no label", f.Label)
					}
					for value := range strings.SplitSeq(f.Value, "|") {
						if ok && !strings.HasPrefix(value, "$") && !slices.Contains(values, value) && f.Label != "status" && f.Label != "path" {
							bad(name, "is never", f.Label, "=", value)
						}
					}
				}
			}
		case *metricsql.AggrFuncExpr:
			if !slices.Contains([]string{"sum", "max"}, e.Name) || e.Modifier.Op != "by" {
				bad("there is no", e.Name, e.Modifier.Op)
			}
			grouped = append(grouped, e.Modifier.Args...)
		case *metricsql.FuncExpr:
			if !slices.Contains(functions, e.Name) {
				bad(e.Name, "is not looked at by this test")
				return
			}
			if e.Name == "histogram_quantile" {
				return
			}
			over, ok := e.Args[0].(*metricsql.RollupExpr)
			if !ok || over.Window == nil {
				bad(e.Name, "is over no time")
				return
			}
			of, ok := over.Expr.(*metricsql.MetricExpr)
			if !ok || !all[of.LabelFilterss[0][0].Value].counts {
				bad(e.Name, "is of no counter")
			}
		}
	})
	for _, l := range grouped {
		if !slices.Contains(labels, l) {
			bad("nothing has the label", l)
		}
	}
	if grouped != nil {
		labels = grouped
	}
	return problems, labels
}

// unknown returns the labels that a text names, and that an expression does not have.
func unknown(text string, labels []string) (names []string) {
	for _, m := range regexp.MustCompile(`\{\{ *(?:\$labels\.)?([a-z_]+) *\}\}`).FindAllStringSubmatch(text, -1) {
		if !slices.Contains(labels, m[1]) {
			names = append(names, m[1])
		}
	}
	return names
}

func TestEveryAlertIsAboutMetricsThatThereAreAndSaysWhatToDo(t *testing.T) {
	all := told(t)
	text, err := os.ReadFile("prometheus/oneseat.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.UnmarshalStrict(text, &file); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]bool{} // of the page, and whether an alert leads there
	for _, m := range regexp.MustCompile(`(?m)^#### (Oneseat\w+)$`).FindAllStringSubmatch(string(page), -1) {
		sections[m[1]] = false
	}
	if len(file.Groups) != 1 || len(file.Groups[0].Rules) < 5 {
		t.Fatalf("%d groups", len(file.Groups))
	}
	for _, r := range file.Groups[0].Rules {
		problems, labels := wrong(all, r.Expr)
		for _, p := range problems {
			t.Errorf("%s: %s", r.Alert, p)
		}
		if s := r.Labels["severity"]; s != "critical" && s != "warning" || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("%s: it has no severity, summary or description", r.Alert)
		}
		for _, text := range r.Annotations {
			if names := unknown(text, labels); names != nil {
				t.Errorf("%s: %q names %v, which it does not have", r.Alert, text, names)
			}
		}
		if _, ok := sections[r.Alert]; !ok || r.Annotations["runbook_url"] != "https://github.com/oneseat/oneseat/blob/main/docs/operations.md#"+strings.ToLower(r.Alert) {
			t.Errorf("%s: docs/operations.md has no section of that name, or %s does not lead there", r.Alert, r.Annotations["runbook_url"])
		}
		sections[r.Alert] = true
	}
	for name, led := range sections {
		if !led {
			t.Errorf("docs/operations.md says what to do for %s, which is no alert", name)
		}
	}
}

func TestEveryPanelShowsMetricsThatThereAre(t *testing.T) {
	all := told(t)
	text, err := os.ReadFile("grafana/oneseat.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Title      string
		Templating struct {
			List []struct{ Name, Type, Definition string }
		}
		Panels []struct {
			ID                 int
			Title, Description string
			Type               string
			GridPos            struct{ X, Y, W, H int }
			Targets            []struct{ Expr, LegendFormat string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	variables := []string{"__rate_interval"}
	query := regexp.MustCompile(`^label_values\(([^{]+)(\{.*\})?, (\w+)\)$`)
	for _, v := range board.Templating.List {
		variables = append(variables, v.Name)
		if v.Type != "query" {
			continue
		}
		m := query.FindStringSubmatch(v.Definition)
		if m == nil {
			t.Errorf("%s is %q", v.Name, v.Definition)
			continue
		}
		if problems, labels := wrong(all, m[1]+m[2]); problems != nil || !slices.Contains(labels, m[3]) {
			t.Errorf("%s: %v, or there is no %s", v.Name, problems, m[3])
		}
	}
	shown := map[string]bool{}
	ids := map[int]bool{}
	for _, p := range board.Panels {
		if ids[p.ID] || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("%s: its id is taken, or it is too far right", p.Title)
		}
		ids[p.ID] = true
		if len(p.Targets) == 0 && p.Type != "row" {
			t.Errorf("%s shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			for _, v := range regexp.MustCompile(`\$(\w+)`).FindAllStringSubmatch(target.Expr, -1) {
				if !slices.Contains(variables, v[1]) {
					t.Errorf("%s: there is no $%s", p.Title, v[1])
				}
			}
			problems, labels := wrong(all, strings.ReplaceAll(target.Expr, "$__rate_interval", "5m"))
			for _, problem := range problems {
				t.Errorf("%s: %s", p.Title, problem)
			}
			if names := unknown(target.LegendFormat, labels); names != nil {
				t.Errorf("%s: its legend names %v", p.Title, names)
			}
			for name := range all {
				if strings.Contains(target.Expr, name+"{") {
					shown[name] = true
				}
			}
		}
	}
	for name := range all { // each of ours has its place
		family := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count")
		if strings.HasPrefix(name, "oneseat_") && !shown[name] && !shown[family+"_bucket"] {
			t.Errorf("no panel shows %s", name)
		}
	}
}

func TestAWrongExpressionIsFound(t *testing.T) {
	all := told(t)
	for _, expr := range []string{
		`oneseat_nothing > 0`, `rate(oneseat_checks_total)`, `rate(oneseat_polls[5m])`, `sum by (account) (oneseat_polls)`, `oneseat_checks_total{outcome="alive"}`,
		`oneseat_checks_total{outcome=~"live|alive"}`, `oneseat_checks_total{account="ada"}`, `sum(`, `rollup_rate(oneseat_checks_total[5m])`, `oneseat_store_seconds > 1`,
	} {
		if problems, _ := wrong(all, expr); problems == nil {
			t.Errorf("%s passes", expr)
		}
	}
}
