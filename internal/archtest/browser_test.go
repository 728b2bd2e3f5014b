package archtest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	// storage is what a script keeps in the browser or reads there.
	storage = regexp.MustCompile(`\b(localStorage|sessionStorage|indexedDB|cookieStore|caches|document\.cookie|showDirectoryPicker)\b`)
	// fingerprint is what tells one browser from another without being asked.
	fingerprint = regexp.MustCompile(`\b(userAgentData|getHighEntropyValues|navigator\.(userAgent|plugins|mimeTypes|languages?|platform|hardwareConcurrency|deviceMemory|connection|getBattery)|getContext|toDataURL|AudioContext|WebGL\w*|document\.fonts|screen\.(width|height|avail\w+|orientation)|colorDepth|devicePixelRatio|getTimezoneOffset|resolvedOptions|enumerateDevices)\b`)
	elsewhere   = regexp.MustCompile(`["'(=]\s*(https?:)?//\w`)
	hintsAsked  = regexp.MustCompile(`(?i)accept-ch|critical-ch`)
)

// kept are the lines that use the browser's storage, and what they keep.
var kept = map[string]string{
	`try { marks = localStorage ?? marks; } catch {}`: "times: when somebody was active, and when a page was left",
	`let id = sessionStorage.getItem(key);`:           "a tab's random number, by which a player that is loaded again is the same",
	`sessionStorage.setItem(key, id);`:                "likewise",
}

// WEB-11, PRV-04: our scripts, and those of the demo, keep no secret in the browser, know no
// other origin and take no fingerprint; and no answer asks a browser for more hints
// than it sends by itself.
func TestScriptsKeepNoSecretInTheBrowserAndTakeNoFingerprint(t *testing.T) {
	scripts, used := 0, map[string]bool{}
	look := func(name string, text string) {
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(line)
			if storage.MatchString(line) {
				if _, ok := kept[line]; !ok {
					t.Errorf("%s: %s: say in kept what it keeps, which is no secret", name, line)
				}
				used[line] = true
			}
			if fingerprint.MatchString(line) {
				t.Errorf("%s: %s: a device is known by its random id only", name, line)
			}
			if elsewhere.MatchString(line) && !strings.HasPrefix(line, "//") {
				t.Errorf("%s: %s: another origin", name, line)
			}
		}
	}
	for _, dir := range []string{"oneseathttp", "internal/demo", "clients/django/oneseat_django"} {
		err := filepath.WalkDir(filepath.Join("..", "..", dir), func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			switch filepath.Ext(name) {
			case ".js":
				scripts++
				fallthrough
			case ".html":
				text, err := os.ReadFile(name)
				look(name, string(text))
				return err
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if scripts < 7 {
		t.Errorf("only %d scripts were read", scripts)
	}
	for line := range kept {
		if !used[line] {
			t.Errorf("there is no %q any more", line)
		}
	}
	for _, p := range packages(t) {
		for _, name := range p.GoFiles {
			text, err := os.ReadFile(filepath.Join(p.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if m := hintsAsked.Find(text); m != nil {
				t.Errorf("%s/%s: %s", p.name(), name, m)
			}
		}
	}
}
