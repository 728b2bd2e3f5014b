package oneseathttp

import (
	_ "embed"
	"html/template"
	"net/http"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/words"
	"github.com/oneseat/oneseat/oneseathttp/internal/answer"
	"github.com/oneseat/oneseat/oneseathttp/internal/mounted"
)

//go:embed assets/devices.css
var devicesCSS []byte

//go:embed assets/devices.html
var devicesHTML string

var devicesPage = template.Must(template.New("devices").Parse(devicesHTML))

// Handler serves, under [Path], what browsers need:
//
//	GET  /oneseat/events              server-sent events: "session", then "ended", or "closing" (see [Guard.Drain])
//	GET  /oneseat/session             whose page this is, and when the session ends; no activity
//	POST /oneseat/active              the same, and activity: somebody types in a page, say
//	GET  /oneseat/sessions            the account's live sessions, as JSON
//	POST /oneseat/sessions/{id}/end   end one of them
//	POST /oneseat/sessions/end-others end all but this one
//	GET  /oneseat/devices             the same as a page, which needs no script
//	POST /oneseat/redeem              the choice of a newcomer that was asked, see [Guard.RefuseSignIn]
//	GET  /oneseat/oneseat.js          the script that tells an open page when its session ends
//	GET  /oneseat/dialog.js           its dialogs, which it loads when it needs one
//
// Mount it with mux.Handle(oneseathttp.Path, guard.Handler()), or beneath any prefix,
// with http.StripPrefix or without: see [Config.Prefix]. A request of another origin
// that would change something, or keep an event stream open, gets 403, unless
// [Config.Origins] names that origin. A session has at most 32 event streams open. A
// stream whose client takes more than 10 seconds to read a part is closed. Every endpoint
// acts on the caller's own account. IDs of other accounts are ignored.
func (g *Guard) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET "+Path+"events", g.Wrap(http.HandlerFunc(g.events)))
	mux.Handle("GET "+Path+"session", g.Require(http.HandlerFunc(g.whoami)))
	mux.Handle("POST "+Path+"active", g.Require(http.HandlerFunc(g.whoami)))
	mux.Handle("GET "+Path+"sessions", g.current(g.list))
	mux.Handle("POST "+Path+"sessions/{id}/end", g.current(g.endOne))
	mux.Handle("POST "+Path+"sessions/end-others", g.current(g.endOthers))
	mux.Handle("GET "+Path+"devices", g.current(g.devices))
	mux.Handle("POST "+Path+"redeem", g.Wrap(http.HandlerFunc(g.redeem)))
	mux.HandleFunc("GET "+Path+"oneseat.js", asset("text/javascript; charset=utf-8", lean(script)))
	mux.HandleFunc("GET "+Path+"dialog.js", asset("text/javascript; charset=utf-8", lean(g.words.Fill(dialogs, "script."))))
	mux.HandleFunc("GET "+Path+"devices.css", asset("text/css; charset=utf-8", devicesCSS))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "oneseat: there is nothing here. guard.Handler() serves "+Path+"events, sessions, devices and oneseat.js: mount it with mux.Handle(\""+Path+"\", guard.Handler()).", http.StatusNotFound)
	})
	return mounted.At(Path, g.CrossOrigin(mux))
}

// current serves next to requests of a live session that bring its newest token. The
// token from before a rotation is good for seconds, to check and to sign out only.
func (g *Guard) current(next http.HandlerFunc) http.Handler {
	return g.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if oneseat.FromContext(r.Context()).Rotated {
			g.refuse(w, r, oneseat.ErrRotated)
			return
		}
		next(w, r)
	}))
}

func asset(contentType string, body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write(body) // an error is the client's connection
	}
}

// own lists the sessions of the request's account. If it returns false it has
// answered the request.
func (g *Guard) own(w http.ResponseWriter, r *http.Request) (mine oneseat.Session, all []answer.Session, ok bool) {
	mine, _ = oneseat.SessionFrom(r.Context())
	live, err := g.seats.Sessions(r.Context(), mine.Account)
	if err != nil {
		g.refuse(w, r, err)
		return mine, nil, false
	}
	return mine, answer.Sessions(live, mine.ID), true
}

func (g *Guard) list(w http.ResponseWriter, r *http.Request) {
	if mine, all, ok := g.own(w, r); ok {
		answer.JSON(w, map[string]any{"account": mine.Account, "sessions": all})
	}
}

// devicesView is what the devices page shows.
type devicesView struct {
	words.Language
	Account  string
	Sessions []answer.Session
	Home     string
}

// Strong puts emphasis on a text.
func (devicesView) Strong(text string) template.HTML {
	return template.HTML("<strong>" + template.HTMLEscapeString(text) + "</strong>") // it is escaped
}

func (g *Guard) devices(w http.ResponseWriter, r *http.Request) {
	if mine, all, ok := g.own(w, r); ok {
		g.page(w, http.StatusOK, devicesPage, devicesView{g.words, mine.Account, all, g.config.Prefix})
	}
}

func (g *Guard) endOne(w http.ResponseWriter, r *http.Request) {
	mine, _ := oneseat.SessionFrom(r.Context())
	id := oneseat.SessionID(r.PathValue("id"))
	if id == mine.ID {
		if err := g.SignOut(w, r); err != nil {
			g.refuse(w, r, err)
			return
		}
		g.ended(w, r, 1, g.config.SignInPath)
		return
	}
	if !g.mayEnd(w, r) {
		return
	}
	n, err := g.seats.End(r.Context(), mine.Account, oneseat.EndOptions{As: mine.ID}, id)
	if err != nil {
		g.refuse(w, r, err)
		return
	}
	g.ended(w, r, n, "../../devices")
}

func (g *Guard) endOthers(w http.ResponseWriter, r *http.Request) {
	mine, _ := oneseat.SessionFrom(r.Context())
	if !g.mayEnd(w, r) {
		return
	}
	n, err := g.seats.EndOthers(r.Context(), mine.Account, mine.ID, oneseat.EndOptions{By: mine.ID})
	if err != nil {
		g.refuse(w, r, err)
		return
	}
	g.ended(w, r, n, "../devices")
}

// mayEnd reports whether a request's session may end others of its account (ASVS 7.5.2).
// If not, it has answered the request.
func (g *Guard) mayEnd(w http.ResponseWriter, r *http.Request) bool {
	age := g.config.OwnDevicesProof
	return age == AnyProof || g.proved(w, r, age, g.path()+"devices")
}

// ended answers a request that has ended n sessions. A browser that posted a form is
// sent to a page, whose path may be relative to the browser's.
func (g *Guard) ended(w http.ResponseWriter, r *http.Request, n int, page string) {
	if browser(r) {
		w.Header().Set("Location", page)
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	answer.JSON(w, map[string]int{"ended": n})
}
