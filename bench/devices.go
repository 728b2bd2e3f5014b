package main

import (
	"bufio"
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	medama "github.com/medama-io/go-useragent"
	mileusna "github.com/mileusna/useragent"
	mssola "github.com/mssola/useragent"
	"github.com/ua-parser/uap-go/uaparser"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/device"
)

// recogniser is one of the ways to tell a class of device. class returns
// "nothing" where the library recognises no device, and "robot" where it says
// so. Where a library has no classes, its answer is put into the class that is
// best for the library among those that its fields allow.
type recogniser struct {
	name  string
	class func(h http.Header) string
	path  string // what a program imports
	calls string // an expression that calls it
}

func recognisers() []recogniser {
	byTrie := medama.NewParser()
	byRules := must(uaparser.New(uaparser.WithCacheSize(1)))
	return []recogniser{
		{"internal/device", func(h http.Header) string { return string(device.Of(h).Class) },
			"github.com/oneseat/oneseat/internal/device", "device.Of(r.Header).Class"},
		{"medama-io/go-useragent", func(h http.Header) string {
			switch ua := byTrie.Parse(h.Get("User-Agent")); {
			case ua.IsBot():
				return "robot"
			case ua.IsTV():
				return "tv"
			case ua.IsTablet():
				return "tablet"
			case ua.IsMobile():
				return "mobile"
			case ua.IsDesktop():
				return "desktop"
			}
			return "nothing"
		}, "github.com/medama-io/go-useragent", `useragent.NewParser().Parse(r.UserAgent()).IsTV()`},
		{"mileusna/useragent", func(h http.Header) string {
			switch ua := mileusna.Parse(h.Get("User-Agent")); {
			case ua.Bot:
				return "robot"
			case ua.Tablet:
				return "tablet"
			case ua.Mobile:
				return "mobile"
			case ua.Desktop:
				return "desktop"
			}
			return "nothing"
		}, "github.com/mileusna/useragent", `useragent.Parse(r.UserAgent()).Tablet`},
		{"mssola/useragent", func(h http.Header) string { // no tablets, no televisions
			switch ua := mssola.New(h.Get("User-Agent")); {
			case ua.Bot():
				return "robot"
			case ua.Mobile() && ua.Platform() == "iPad":
				return "tablet"
			case ua.Mobile():
				return "mobile"
			case ua.Mozilla() != "" && ua.OS() != "":
				return "desktop"
			}
			return "nothing"
		}, "github.com/mssola/useragent", `useragent.New(r.UserAgent()).Mobile()`},
		{"ua-parser/uap-go", func(h http.Header) string { // names, and no classes
			ua := byRules.Parse(h.Get("User-Agent"))
			switch system := ua.Os.Family; {
			case ua.Device.Family == "Spider":
				return "robot"
			case slices.Contains([]string{"tvOS", "ATV OS X", "Chromecast", "Tizen", "webOS", "WebTV", "Roku", "HbbTV", "FireOS TV"}, system) || strings.Contains(ua.Device.Family, "TV") || strings.HasPrefix(ua.Device.Family, "AFT") || strings.HasPrefix(ua.Device.Family, "PlayStation"):
				return "tv"
			case strings.Contains(ua.Device.Family, "iPad"), strings.Contains(ua.Device.Family, "Tablet"), strings.Contains(ua.Device.Family, "Kindle"):
				return "tablet"
			case system == "Android" || system == "iOS" || strings.HasPrefix(system, "Windows Phone") || strings.HasPrefix(system, "BlackBerry") || system == "KaiOS":
				return "mobile"
			case slices.Contains([]string{"Windows", "Mac OS X", "Linux", "Ubuntu", "Chrome OS", "FreeBSD", "OpenBSD"}, system):
				return "desktop"
			}
			return "nothing"
		}, "github.com/ua-parser/uap-go/uaparser", `func() bool { p, _ := uaparser.New(); return p.Parse(r.UserAgent()).Os.Family == "" }()`},
	}
}

// agent is a row of the table.
type agent struct {
	class  string
	header http.Header
}

func agents(name string) (all []agent) {
	f := must(os.Open(name))
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if lines.Text() == "" || lines.Text()[0] == '#' {
			continue
		}
		fields := append(strings.Split(lines.Text(), "\t"), "", "", "") // the last three are rare
		header := http.Header{}
		for i, name := range []string{"User-Agent", "Sec-CH-UA", "Sec-CH-UA-Mobile", "Sec-CH-UA-Platform"} {
			if fields[2+i] != "" {
				header.Set(name, fields[2+i])
			}
		}
		all = append(all, agent{fields[0], header})
	}
	return all
}

// devices holds our own words and the libraries that know agents against the
// table of internal/device, or against the file that AGENTS names, of the same
// form.
func devices() {
	all, ways := agents(cmp.Or(os.Getenv("AGENTS"), "../internal/device/testdata/agents.tsv")), recognisers()
	classes := oneseat.Classes()
	total := map[string]int{"": len(all)}
	for _, a := range all {
		total[a.class]++
	}
	row := func(name string, of map[string]int) {
		fmt.Printf("  %-24s %5d", name, of[""])
		for _, class := range classes {
			fmt.Printf(" %8d", of[string(class)])
		}
		fmt.Println()
	}
	fmt.Printf("Agents whose class is right\n  %-24s %5s", "", "all")
	for _, class := range classes {
		fmt.Printf(" %8s", class)
	}
	fmt.Println()
	row("of", total)
	for _, w := range ways {
		right := map[string]int{}
		for _, a := range all {
			got := w.class(a.header)
			// Only internal/device has api and other. For a library that is
			// "robot" or "nothing".
			if got == a.class || (got == "robot" || got == "nothing") && (a.class == "api" || a.class == "other") {
				right[a.class]++
				right[""]++
			}
		}
		row(w.name, right)
	}

	var sides []side
	for _, w := range ways {
		i := 0
		sides = append(sides, side{w.name, func() { w.class(all[i%len(all)].header); i++ }})
	}
	compare("One agent, each of the table in turn", sides...)

	bare := programSize("", "r.Host")
	fmt.Println("Damaged agents, an agent of 8 KiB, and what a server grows by")
	for _, w := range ways {
		tried, panics := hostile(w, all)
		fmt.Printf("  %-24s %2d panics in %8d  %8.0f µs  %5d KiB  %d modules\n", w.name, panics, tried,
			longAgent(w, all), (programSize(w.path, w.calls)-bare)/1024, programModules(w.path))
	}
}

// hostile calls for some seconds with agents that were cut, mixed and damaged,
// and counts the panics.
func hostile(r recogniser, all []agent) (tried, panics int) {
	random := rand.New(rand.NewPCG(1, 2))
	piece := func() string {
		ua := all[random.IntN(len(all))].header.Get("User-Agent")
		i := random.IntN(len(ua) + 1)
		return ua[i : i+random.IntN(len(ua)-i+1)]
	}
	for began := time.Now(); time.Since(began) < 3*time.Second; tried++ {
		ua := []byte(piece() + piece())
		for range random.IntN(4) {
			if len(ua) > 0 {
				ua[random.IntN(len(ua))] = "()/;,[] \x00\xff"[random.IntN(10)]
			}
		}
		func() {
			defer func() {
				if recover() != nil {
					panics++
				}
			}()
			r.class(http.Header{"User-Agent": {string(ua)}})
		}()
	}
	return tried, panics
}

// longAgent returns the time in µs of the slowest of some long agents, the best
// of five runs for each.
func longAgent(r recogniser, all []agent) float64 {
	slowest := 0.0
	for _, part := range []string{"a", "(", "Mozilla/5.0 (", "; Android ", all[0].header.Get("User-Agent") + " "} {
		best := time.Hour
		for i := range 5 {
			h := http.Header{"User-Agent": {strings.Repeat(part, 8192/len(part)) + strconv.Itoa(i)}} // in no cache
			began := time.Now()
			r.class(h)
			best = min(best, time.Since(began))
		}
		slowest = max(slowest, float64(best)/1e3)
	}
	return slowest
}

// programSize returns the size of a server that evaluates calls, an expression
// with the package at path, in bytes. If path is "", the server uses no
// package.
func programSize(path, calls string) int64 {
	dir := must(os.MkdirTemp(".", "size"))
	defer os.RemoveAll(dir)
	if path != "" {
		path = `import "` + path + `"`
	}
	source := fmt.Sprintf(`package main

import ("fmt"; "net/http")
%s

func main() {
	fmt.Println(http.ListenAndServe("", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, %s) })))
}
`, path, calls)
	must(0, os.WriteFile(filepath.Join(dir, "main.go"), []byte(source), 0o600))
	program := filepath.Join(dir, "program")
	build := exec.Command("go", "build", "-o", program, "./"+dir)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		must(0, fmt.Errorf("%w\n%s", err, out))
	}
	return must(os.Stat(program)).Size()
}

// programModules counts the modules beside ours that a package needs.
func programModules(path string) int {
	out := must(exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", path).Output())
	found := strings.Fields(string(out))
	slices.Sort(found)
	found = slices.DeleteFunc(slices.Compact(found), func(m string) bool { return m == "github.com/oneseat/oneseat" })
	return len(found)
}
