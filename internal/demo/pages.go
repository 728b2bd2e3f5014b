package demo

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

//go:embed pages/*.html assets/*.css assets/*.js assets/icon.svg
var files embed.FS

// page is what a template may show. A field that a page does not use is zero.
type page struct {
	Title   string
	Account string            // on the members' page only
	Session oneseat.Session   // of the request
	Live    []oneseat.Session // the account's, the newest first
	Changed bool              // the password was changed just now
	Told    *told             // why the last session ended
	Wrong   string            // what was wrong with the form
	Name    string            // as typed into the form, or filled in
	Secret  string            // filled in as the password, on the stage only
	Next    string            // where to go after the sign-in, a local path
	Text    string

	Stage  stageView
	Assets string // path of the assets
	Rule   string // how many seats there are, and what happens when none is free
	Limit  int

	Scripts  []string // modules that the page runs
	Counted  bool     // it is counted how many pictures are watched, so a player shows them
	Follows  bool     // the page belongs to Session, and learns of its end
	Device   string   // the device on the stage that this is
	Home     string   // origin of the stage that the device is on
	HasStage bool
}

// pages renders the templates and serves the assets. It is safe for concurrent use once
// it is made.
type pages struct {
	templates map[string]*template.Template
	assetPath string // has a hash of the assets in it, so that they can be cached for ever
	asset     map[string]asset
	limit     int
	rule      string
}

type asset struct {
	kind string
	body []byte
}

func newPages(p *painter, l wording, limit, streams int, full oneseat.Policy) (*pages, error) {
	ps := &pages{templates: map[string]*template.Template{}, asset: map[string]asset{}, limit: limit, rule: l.rule(limit, streams, full)}
	funcs := l.funcs()
	maps.Copy(funcs, template.FuncMap{"iso": isoTime, "clock": clockTime, "day": dayTime})
	base, err := template.New("base.html").Funcs(funcs).ParseFS(files, "pages/base.html")
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"welcome", "login", "full", "members", "password", "error", "stage"} {
		t, err := base.Clone()
		if err == nil {
			t, err = t.ParseFS(files, "pages/"+name+".html")
		}
		if err != nil {
			return nil, err
		}
		ps.templates[name] = t
	}

	still, err := encode(p.frame(time.Unix(stillMoment, 0), ""))
	if err != nil {
		return nil, err
	}
	ps.asset["still.jpg"] = asset{"image/jpeg", still}
	const js = "text/javascript; charset=utf-8"
	for name, kind := range map[string]string{
		"site.css": "text/css; charset=utf-8", "stage.css": "text/css; charset=utf-8",
		"members.js": js, "watch.js": js, "stage.js": js, "device.js": js, "icon.svg": "image/svg+xml",
	} {
		body, err := files.ReadFile("assets/" + name)
		if err != nil {
			return nil, err
		}
		if name == "stage.js" {
			body = l.Fill(body, "stage.")
		}
		ps.asset[name] = asset{kind, body}
	}
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(ps.asset)) {
		sum.Write(ps.asset[name].body)
	}
	ps.assetPath = "/assets/" + hex.EncodeToString(sum.Sum(nil)[:6]) + "/"
	return ps, nil
}

// stillMoment is a moment at which the picture is at its best.
const stillMoment = 1790000018

// assets serves files that never change under their address.
func (ps *pages) assets() http.Handler {
	return http.StripPrefix(ps.assetPath, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := ps.asset[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		w.Header().Set("Content-Type", a.kind)
		w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
		_, _ = w.Write(a.body) // an error means that nobody reads
	}))
}

// show writes a page, with the scripts that it needs and the permission to run them. It
// renders the page first, so that a defect gives an error and not half a page.
func (f *front) show(w http.ResponseWriter, r *http.Request, status int, name string, p page) {
	p.Assets, p.Limit, p.Rule, p.HasStage = f.pages.assetPath, f.pages.limit, f.pages.rule, f.hasStage() && f.c.Stage.shown(r)
	switch name {
	case "members", "password":
		p.Follows = true
		p.Scripts = append(p.Scripts, p.Assets+"members.js", oneseathttp.Path+"oneseat.js")
		if p.Counted = f.c.Streams > 0; p.Counted && name == "members" {
			p.Scripts = append(p.Scripts, p.Assets+"watch.js")
		}
	case "stage":
		p.Scripts = append(p.Scripts, p.Assets+"stage.js")
	}
	if f.device != "" {
		p.Device, p.Home = f.device, f.c.Stage.origin(r, f.c.Stage.SitePort)
		p.Scripts = append(p.Scripts, p.Assets+"device.js")
	}
	more := ""
	if len(p.Scripts) > 0 {
		more = mayScript
	}
	if name == "stage" {
		more += mayFrame + p.Stage.Phone + " " + p.Stage.Laptop + "; "
	}
	w.Header().Set("Content-Security-Policy", f.policy(r, more))
	var b bytes.Buffer
	if err := f.pages.templates[name].ExecuteTemplate(&b, "base.html", p); err != nil {
		f.c.Logger.Error("page", "name", name, "error", err)
		http.Error(w, f.words.Say("site.page_defect"), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // an error means that nobody reads
}

func isoTime(t time.Time) string   { return t.UTC().Format(time.RFC3339) }
func clockTime(t time.Time) string { return t.Local().Format("15:04:05 MST") }

// dayTime returns the day of a moment, where "12 minutes ago" does not imply it.
func dayTime(t time.Time) string {
	if time.Since(t) < time.Hour {
		return ""
	}
	return t.Local().Format("2 January 2006")
}
