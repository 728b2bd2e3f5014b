package archtest

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What docs/howto/privacy.md says that the Django app keeps is what it keeps: its cookies,
// its records in Django's session, and no table of its own.
func TestWhatTheDjangoAppKeepsIsAsThePrivacyPageSays(t *testing.T) {
	_, page, _ := strings.Cut(readTop(t, "docs/howto/privacy.md"), "\n**With the Django app**")
	page, _, _ = strings.Cut(page, "\n## ")
	names, err := filepath.Glob(filepath.Join("..", "..", "clients", "django", "oneseat_django", "*.py"))
	if err != nil || len(names) < 10 {
		t.Fatalf("%d files of the Django app are found: %v", len(names), err)
	}
	var code strings.Builder
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		code.Write(b)
	}
	var cookies, records []string
	for _, m := range regexp.MustCompile(`set_cookie\(\s*([\w.()]+),`).FindAllStringSubmatch(code.String(), -1) {
		cookies = append(cookies, m[1])
	}
	if want := []string{"TOLD", "conf.current().device_id_cookie"}; !slices.Equal(cookies, want) {
		t.Errorf("the app sets the cookies %q, and the page has %q", cookies, want)
	}
	for _, m := range regexp.MustCompile(`\bsession\[([\w.]+)\] = `).FindAllStringSubmatch(code.String(), -1) {
		records = append(records, m[1])
	}
	slices.Sort(records)
	if got := slices.Compact(records); !slices.Equal(got, []string{"KEY", "choice.KEY", "seats.RECORD"}) {
		t.Errorf("the app writes %q into Django's session", got)
	}
	for constant, name := range map[string]string{`TOLD = "oneseat_told"`: "oneseat_told", `RECORD = "_oneseat"`: "_oneseat", `KEY = "_oneseat_choice"`: "_oneseat_choice", `"DEVICE_ID_COOKIE": _cookie`: "DEVICE_ID_COOKIE", "max_age=400 * 86400": ""} {
		if !strings.Contains(code.String(), constant) || name != "" && !strings.Contains(page, "`"+name+"`") {
			t.Errorf("%s is not in the code, or %q not on the page", constant, name)
		}
	}
	if strings.Contains(code.String(), "models.Model)") {
		t.Error("the app has a table")
	}
	if !strings.Contains(page, "no table of its own") || !strings.Contains(page, "| 400 days |") {
		t.Error("the page does not say so")
	}
}
