package server_test

import (
	"maps"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
)

// docs/metrics.md has every metric that a server tells, with its type and its labels, and no other.
func TestThePageOfMetricsIsWhatAServerTells(t *testing.T) {
	w := newWorld(t, oneseat.Config{})
	w.want(200, api.PathAbout, `{}`, &struct{}{}) // a path that has answered
	s := scrape(t, w.server)
	for s.kinds["oneseat_log_lag_seconds"] == "" { // until the log was read
		runtime.Gosched()
		s = scrape(t, w.server)
	}
	labels := map[string][]string{}
	for series := range s.values {
		name, _, _ := strings.Cut(series, "{")
		for _, part := range []string{"_bucket", "_sum", "_count"} {
			if whole := strings.TrimSuffix(name, part); s.kinds[whole] == "histogram" {
				name = whole
			}
		}
		for _, m := range labelPart.FindAllStringSubmatch(series, -1) {
			if !slices.Contains(labels[name], m[1]) {
				labels[name] = append(labels[name], m[1])
			}
		}
	}
	page, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([a-z]+) \\| (.*?) ?\\| (.+) \\|$").FindAllStringSubmatch(string(page), -1) {
		name, kind := row[1], row[2]
		told[name] = true
		if runtime.GOOS != "linux" && strings.HasPrefix(name, "process_") {
			continue
		}
		if s.kinds[name] != kind {
			t.Errorf("docs/metrics.md says that %s is a %s; /metrics says %q", name, kind, s.kinds[name])
		}
		var said []string
		for _, m := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(row[3], -1) {
			said = append(said, m[1])
		}
		slices.Sort(said)
		slices.Sort(labels[name])
		if !slices.Equal(said, labels[name]) {
			t.Errorf("docs/metrics.md says that %s has the labels %v; /metrics says %v", name, said, labels[name])
		}
	}
	for name := range maps.Keys(s.kinds) {
		if !told[name] {
			t.Errorf("docs/metrics.md does not have %s", name)
		}
	}
	for label, values := range map[string][]string{"outcome": nil, "reason": nil, "by": nil, "op": nil} { // each value is explained
		for series := range s.values {
			for _, m := range labelPart.FindAllStringSubmatch(series, -1) {
				if m[1] == label && !slices.Contains(values, m[2]) {
					values = append(values, m[2])
				}
			}
		}
		for _, value := range values {
			if !strings.Contains(string(page), "`"+value+"`") {
				t.Errorf("docs/metrics.md does not say what %s=%q is", label, value)
			}
		}
	}
}
