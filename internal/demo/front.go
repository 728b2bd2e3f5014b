package demo

import (
	"net/http"

	"github.com/oneseat/oneseat/oneseathttp"
	"github.com/oneseat/oneseat/oneseathttp/stream"
)

// front is the site as it is served at one address: the site itself, or one of the
// devices on the stage. They differ in their guard, and in the pages that may frame
// them.
type front struct {
	*Site
	guard  *oneseathttp.Guard
	device string // "phone" or "laptop", "" for the site itself
}

func (f *front) routes() http.Handler {
	guard := f.guard
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", f.home)
	mux.HandleFunc("GET "+SignInPath, f.signInForm)
	mux.HandleFunc("POST "+SignInPath, f.signIn)
	mux.HandleFunc("POST /logout", f.signOut)
	mux.Handle("GET /password", guard.Require(http.HandlerFunc(f.passwordForm)))
	mux.Handle("POST /password", guard.Finish(http.HandlerFunc(f.changePassword)))
	if live := http.HandlerFunc(f.live); f.c.Streams > 0 {
		streams := stream.New(f.c.Registry, guard)
		mux.Handle("GET /live", streams.Require(live))
		own := streams.Handler()
		mux.Handle("GET "+stream.Path, own)
		mux.Handle("POST "+stream.Path, own)
	} else {
		mux.Handle("GET /live", guard.Require(live))
	}
	own := f.scripted(guard.Handler())
	mux.Handle("GET "+oneseathttp.Path, own)
	mux.Handle("POST "+oneseathttp.Path, own)
	if f.hasStage() {
		mux.Handle("GET /stage", f.onStage(f.stagePage))
		mux.Handle("GET /stage/events", f.onStage(f.stageEvents))
		mux.Handle("POST /stage/rush", f.onStage(f.rush))
		mux.Handle("POST /stage/clear", f.onStage(f.clear))
	}
	mux.HandleFunc("GET /", f.notFound)

	// Assets are the same for everybody, so they do not pass the guard.
	outer := http.NewServeMux()
	outer.Handle("GET "+f.pages.assetPath, f.pages.assets())
	outer.Handle("/", guard.Wrap(mux))

	csrf := http.NewCrossOriginProtection()
	csrf.SetDenyHandler(http.HandlerFunc(f.crossSite))
	return f.secured(csrf.Handler(outer))
}

// hasStage says that this front is the site itself, and that the site has a stage.
func (f *front) hasStage() bool { return f.c.Stage != nil && f.device == "" }

// secured sets the headers that every answer needs. Nothing on the site is inline or
// from elsewhere. A cache may keep assets only.
func (f *front) secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", f.policy(r, ""))
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// These are what a page may do besides showing itself.
const (
	mayScript = "script-src 'self'; connect-src 'self'; "
	mayFrame  = "frame-src " // followed by the origins
)

// policy returns the Content-Security-Policy of a page. more is what this page may do
// and others may not. Only the stage may frame a page, and only a page of one of its
// devices.
func (f *front) policy(r *http.Request, more string) string {
	framed := "'none'"
	if f.device != "" {
		framed = f.c.Stage.origin(r, f.c.Stage.SitePort)
	}
	return "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; " + more + "frame-ancestors " + framed
}

// scripted lets the pages of next use scripts of this site.
func (f *front) scripted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", f.policy(r, mayScript))
		next.ServeHTTP(w, r)
	})
}
