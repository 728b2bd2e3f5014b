package oneseathttp

import (
	_ "embed"
	"encoding/json"
	"html/template"
	"net/http"
	"time"

	"github.com/oneseat/oneseat"
)

// Path is where [Guard.Handler] is mounted.
const Path = "/oneseat/"

//go:embed assets/oneseat.js
var script []byte

//go:embed assets/devices.css
var devicesCSS []byte

//go:embed assets/devices.html
var devicesHTML string

var devicesPage = template.Must(template.New("devices").Parse(devicesHTML))

// Handler serves, under [Path], what a browser needs of oneseat:
//
//	GET  /oneseat/events              server-sent events: "session", then "ended"
//	GET  /oneseat/session             whose page this is; no activity
//	GET  /oneseat/sessions            the account's live sessions, as JSON
//	POST /oneseat/sessions/{id}/end   end one of them
//	POST /oneseat/sessions/end-others end all but this one
//	GET  /oneseat/devices             the same as a page, which needs no script
//	POST /oneseat/redeem              the choice of who was asked, see [Guard.RefuseSignIn]
//	GET  /oneseat/oneseat.js          the script that tells an open page of its end
//
// Mount it with mux.Handle(oneseathttp.Path, guard.Handler()). Requests of other
// sites that would change something, or hold a stream open, get 403. A session
// has at most 32 streams open; a reader that is stuck for 10 seconds is dropped.
// Nothing here counts as more than a session's own business: ids of other accounts
// do nothing.
func (g *Guard) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET "+Path+"events", g.Wrap(http.HandlerFunc(g.events)))
	mux.Handle("GET "+Path+"session", g.Require(http.HandlerFunc(g.whoami)))
	mux.Handle("GET "+Path+"sessions", g.current(g.list))
	mux.Handle("POST "+Path+"sessions/{id}/end", g.current(g.endOne))
	mux.Handle("POST "+Path+"sessions/end-others", g.current(g.endOthers))
	mux.Handle("GET "+Path+"devices", g.current(g.devices))
	mux.Handle("POST "+Path+"redeem", g.Wrap(http.HandlerFunc(g.redeem)))
	mux.HandleFunc("GET "+Path+"oneseat.js", asset("text/javascript; charset=utf-8", script))
	mux.HandleFunc("GET "+Path+"devices.css", asset("text/css; charset=utf-8", devicesCSS))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "oneseat: there is nothing here. guard.Handler() serves "+Path+"events, sessions, devices and oneseat.js: mount it with mux.Handle(\""+Path+"\", guard.Handler()), without StripPrefix.", http.StatusNotFound)
	})
	return http.NewCrossOriginProtection().Handler(mux)
}

// current serves requests of a live session by the token in force. A token that
// was rotated away has seconds left, and those only to check and to sign out.
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

// ownSession is a session as its owner sees it.
type ownSession struct {
	ID       oneseat.SessionID `json:"id"`
	Current  bool              `json:"current"`
	Device   oneseat.Device    `json:"device"`
	Created  time.Time         `json:"created"`
	LastSeen time.Time         `json:"last_seen"`
}

// own lists the sessions of the request's account. It answers the request
// itself when that cannot be done.
func (g *Guard) own(w http.ResponseWriter, r *http.Request) (mine oneseat.Session, all []ownSession, ok bool) {
	mine, _ = oneseat.SessionFrom(r.Context())
	live, err := g.seats.Sessions(r.Context(), mine.Account)
	if err != nil {
		g.refuse(w, r, err)
		return mine, nil, false
	}
	for _, s := range live {
		all = append(all, ownSession{s.ID, s.ID == mine.ID, s.Device, s.Created, s.LastSeen})
	}
	return mine, all, true
}

func (g *Guard) whoami(w http.ResponseWriter, r *http.Request) {
	mine, _ := oneseat.SessionFrom(r.Context())
	writeJSON(w, map[string]any{"session": mine.ID, "account": mine.Account})
}

func (g *Guard) list(w http.ResponseWriter, r *http.Request) {
	if mine, all, ok := g.own(w, r); ok {
		writeJSON(w, map[string]any{"account": mine.Account, "sessions": all})
	}
}

func (g *Guard) devices(w http.ResponseWriter, r *http.Request) {
	mine, all, ok := g.own(w, r)
	if !ok {
		return
	}
	g.page(w, http.StatusOK, devicesPage, map[string]any{"Account": mine.Account, "Sessions": all, "Others": len(all) > 1, "Path": Path})
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
	n, err := g.seats.End(r.Context(), mine.Account, oneseat.EndOptions{As: mine.ID}, id)
	if err != nil {
		g.refuse(w, r, err)
		return
	}
	g.ended(w, r, n, Path+"devices")
}

func (g *Guard) endOthers(w http.ResponseWriter, r *http.Request) {
	mine, _ := oneseat.SessionFrom(r.Context())
	n, err := g.seats.EndOthers(r.Context(), mine.Account, mine.ID, oneseat.EndOptions{By: mine.ID})
	if err != nil {
		g.refuse(w, r, err)
		return
	}
	g.ended(w, r, n, Path+"devices")
}

// ended answers what has ended sessions: a form's browser goes back to a page.
func (g *Guard) ended(w http.ResponseWriter, r *http.Request, n int, page string) {
	if browser(r) {
		http.Redirect(w, r, page, http.StatusSeeOther)
		return
	}
	writeJSON(w, map[string]int{"ended": n})
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // an error is the client's connection
}
