package device

import (
	"bufio"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/oneseat/oneseat"
)

// agent is a row of testdata/agents.tsv: what was sent, and what is right.
type agent struct {
	header http.Header
	want   oneseat.Device
}

func agents(t testing.TB) (all []agent) {
	t.Helper()
	f, err := os.Open("testdata/agents.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if lines.Text() == "" || lines.Text()[0] == '#' {
			continue
		}
		fields := append(strings.Split(lines.Text(), "\t"), "", "", "")
		all = append(all, agent{said(fields[2], fields[3], fields[4], fields[5]), oneseat.Device{Class: oneseat.Class(fields[0]), Label: fields[1]}})
	}
	if err := lines.Err(); err != nil || len(all) < 250 {
		t.Fatal(len(all), err)
	}
	return all
}

// said are the headers of a client that says this of itself.
func said(ua, brands, mobile, platform string) http.Header {
	h := http.Header{}
	for name, value := range map[string]string{"User-Agent": ua, "Sec-CH-UA": brands, "Sec-CH-UA-Mobile": mobile, "Sec-CH-UA-Platform": platform} {
		if value != "" {
			h.Set(name, value)
		}
	}
	return h
}

// wrong are the agents of the table that are not recognised as it says.
func wrong(all []agent) []agent {
	return slices.DeleteFunc(slices.Clone(all), func(a agent) bool { return Of(a.header) == a.want })
}

func TestEveryAgentOfTheTableGetsItsClassAndLabel(t *testing.T) {
	for _, a := range wrong(agents(t)) {
		got := Of(a.header)
		t.Errorf("got %s, %q, want %s, %q:\n%s", got.Class, got.Label, a.want.Class, a.want.Label, a.header)
	}
}

// A word that no agent of the table needs is a word too many, or an agent is
// missing.
func TestEveryWordIsNeededByAnAgentOfTheTable(t *testing.T) {
	all := agents(t)
	needed := func(what string) {
		if len(wrong(all)) == 0 {
			t.Errorf("no agent needs %s", what)
		}
	}
	for _, word := range slices.Collect(maps.Keys(browsers)) {
		kept := browsers[word]
		delete(browsers, word)
		needed("the browser " + word)
		browsers[word] = kept
	}
	for _, word := range slices.Collect(maps.Keys(systems)) {
		kept := systems[word]
		delete(systems, word)
		needed("the system " + word)
		systems[word] = kept
	}
	for _, word := range slices.Collect(maps.Keys(programs)) {
		kept := programs[word]
		delete(programs, word)
		needed("the program " + word)
		programs[word] = kept
	}
	for i := range models {
		kept := models[i]
		models[i].prefix = "no model begins like this"
		needed("the model " + kept.prefix)
		models[i] = kept
	}
	for i := range hiding {
		kept := hiding[i]
		hiding[i].brand = "no brand is called this"
		needed("the brand " + kept.brand)
		hiding[i] = kept
	}
	if len(wrong(all)) != 0 {
		t.Error("a word was not put back")
	}
}

// names are all names of browsers, and of systems and programs, in labels.
func names() (ofBrowsers, ofSystems map[string]bool) {
	ofBrowsers, ofSystems = map[string]bool{"Opera Mini": true}, map[string]bool{"Unknown device": true, robot.name: true, anyTV.name: true, "Tizen": true}
	for _, b := range browsers {
		ofBrowsers[b.name] = true
	}
	for _, b := range hiding {
		ofBrowsers[b.browser.name] = true
	}
	for _, y := range systems {
		ofSystems[y.name] = true
	}
	for _, m := range models {
		ofSystems[m.system.name] = true
	}
	for _, name := range programs {
		ofSystems[name] = true
	}
	return ofBrowsers, ofSystems
}

func TestEveryLabelFitsIntoFortyBytes(t *testing.T) {
	ofBrowsers, ofSystems := names()
	for b := range ofBrowsers {
		for y := range ofSystems {
			for _, label := range []string{b + " on " + y, y + " app"} {
				if len(label) > 40 {
					t.Errorf("%q has %d bytes", label, len(label))
				}
			}
		}
	}
}

// Whatever a client says, the label is of our own words and the class is one of
// ours, and what stands behind the first 1024 bytes changes neither.
func FuzzDevice(f *testing.F) {
	for _, a := range agents(f) {
		f.Add(a.header.Get("User-Agent"), a.header.Get("Sec-CH-UA"), a.header.Get("Sec-CH-UA-Mobile"), a.header.Get("Sec-CH-UA-Platform"))
	}
	for _, ua := range []string{"(((", ")))(", "bot", "Cubot", "-", "\u202eFirefox/ \u2066Windows", "<script>Chrome/1</script> Windows", strings.Repeat("Mozilla/5.0 (", 500), strings.Repeat(" ", longest) + "iPhone"} {
		f.Add(ua, ua, ua, ua)
	}
	ofBrowsers, ofSystems := names()
	f.Fuzz(func(t *testing.T, ua, brands, mobile, platform string) {
		d := Of(said(ua, brands, mobile, platform))
		if !slices.Contains(oneseat.Classes(), d.Class) {
			t.Errorf("class %q", d.Class)
		}
		browser, system, on := strings.Cut(d.Label, " on ")
		if app, ok := strings.CutSuffix(d.Label, " app"); ok && ofSystems[app] {
			browser, system, on = "", app, true
		}
		if d.Label == "" || on && (!ofSystems[system] || !ofBrowsers[browser] && browser != "") || !on && !ofSystems[d.Label] && !ofBrowsers[d.Label] {
			t.Errorf("label %q is not of our own words", d.Label)
		}
		if len(ua) > longest {
			if again := Of(said(ua[:longest], brands, mobile, platform)); again != d {
				t.Errorf("%v with, %v without what is too long", d, again)
			}
		}
	})
}
