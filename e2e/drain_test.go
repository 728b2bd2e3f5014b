package e2e

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
	"github.com/oneseat/oneseat/store/memstore"
)

// pair is a site of two nodes on one store. A balancer sends everything to one of
// them.
type pair struct {
	*httptest.Server
	seats    [2]*oneseat.Registry
	guards   [2]*oneseathttp.Guard
	use      atomic.Int32
	refusals atomic.Int32 // of event streams
}

func newPair(t *testing.T) *pair {
	t.Helper()
	p, store := &pair{}, memstore.New()
	var nodes [2]http.Handler
	for i := range nodes {
		seats, err := oneseat.New(store, oneseat.Config{Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))})
		if err != nil {
			t.Fatal(err)
		}
		guard, err := oneseathttp.New(seats, oneseathttp.Config{SignInPath: "/login"})
		if err != nil {
			t.Fatal(err)
		}
		p.seats[i], p.guards[i] = seats, guard
		mux := http.NewServeMux()
		mux.HandleFunc("/enter", func(w http.ResponseWriter, r *http.Request) {
			if _, err := guard.SignIn(w, r, "ada"); err != nil {
				t.Error(err)
			}
			http.Redirect(w, r, "/", http.StatusSeeOther)
		})
		mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
			reason := r.URL.Query().Get("reason")
			fmt.Fprintf(w, `<!doctype html><p data-reason=%q>Sign in`, strings.Map(func(c rune) rune {
				if c == '_' || c >= 'a' && c <= 'z' {
					return c
				}
				return -1
			}, reason))
		})
		mux.Handle("/{$}", guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mine, _ := oneseat.SessionFrom(r.Context())
			fmt.Fprintf(w, `<!doctype html><meta name="oneseat-session" content=%q><form id="form"><input></form><script type="module" src="/oneseat/oneseat.js"></script>`, mine.ID)
		})))
		mux.Handle(oneseathttp.Path, guard.Handler())
		nodes[i] = guard.Wrap(mux)
	}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := p.use.Load()
		if r.URL.Path == "/oneseat/events" && at == 0 {
			select {
			case <-p.guards[0].Draining():
				p.refusals.Add(1)
			default:
			}
		}
		nodes[at].ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		for _, seats := range p.seats {
			_ = seats.Close() // it ends the event streams, and returns nil
		}
		p.CloseClientConnections()
		p.Close()
	})
	return p
}

// C9: a restart is no ending. A page stays while its node refuses to let it listen,
// and while the node is there no more, and then listens to another.
func TestAPageStaysWhileItsNodeShutsDownAndListensToAnother(t *testing.T) {
	p := newPair(t)
	b := newProfile(t).tab().open(p.URL + "/enter").at("/")
	until(t, "the page listens", func() bool { return p.seats[0].Stats().Held > 0 })
	b.wait(`document.body.dataset.same = "yes"`)
	p.guards[0].Drain()
	until(t, "the page tries again", func() bool { return p.refusals.Load() > 1 })
	if err := p.seats[0].Close(); err != nil {
		t.Fatal(err)
	}
	more := p.refusals.Load()
	until(t, "the page tries again", func() bool { return p.refusals.Load() > more })
	b.wait(`document.body.dataset.same && location.pathname === "/" && !document.querySelector("dialog")`)
	p.use.Store(1)
	until(t, "the page listens to the other node", func() bool { return p.seats[1].Stats().Held > 0 })
	b.wait(`document.body.dataset.same && !document.querySelector("dialog")`)
	if _, err := p.seats[1].SignIn(t.Context(), "ada", oneseat.SignInRequest{Device: oneseat.Device{Label: "Safari on iPhone"}}); err != nil {
		t.Fatal(err)
	}
	b.told("displaced")
}
