package main

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/internal/accounts"
	"github.com/oneseat/oneseat/oneseathttp"
)

// site is what is served.
type site struct {
	seats *oneseat.Registry
	guard *oneseathttp.Guard
	users *accounts.Table
	data  *os.Root // the folder that stands for your database: orders, and a large report.csv
}

func newSite(seats *oneseat.Registry, data string) (*site, error) {
	guard, err := oneseathttp.New(seats, oneseathttp.Config{
		SignInPath:     "/login",
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, // nginx is on this machine
	})
	if err != nil {
		return nil, err
	}
	folder, err := os.OpenRoot(data)
	if err != nil {
		return nil, err
	}
	users := accounts.New("ada", "alan", "barbara", "donald", "edsger", "frances", "grace", "john", "ken")
	return &site{seats: seats, guard: guard, users: users, data: folder}, nil
}

func (s *site) close() { _ = s.data.Close() } // nothing was written by it

func (s *site) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ready", s.ready)
	mux.HandleFunc("POST /login", s.signIn)
	mux.Handle("GET /{$}", s.guard.Require(http.HandlerFunc(s.members)))
	mux.Handle("GET /report.csv", s.guard.Require(http.HandlerFunc(s.report)))
	mux.Handle("POST /order", s.guard.Finish(http.HandlerFunc(s.order)))
	mux.Handle(oneseathttp.Path, s.guard.Handler())
	return http.NewCrossOriginProtection().Handler(s.guard.Wrap(mux))
}

// ready tells a balancer whether this node wants requests.
func (s *site) ready(w http.ResponseWriter, r *http.Request) {
	select {
	case <-s.guard.Draining():
		http.Error(w, "closing", http.StatusServiceUnavailable)
		return
	default:
	}
	if err := s.seats.Ping(r.Context()); err != nil {
		http.Error(w, "no answer from the store", http.StatusServiceUnavailable)
		return
	}
	_, _ = io.WriteString(w, "ready\n")
}

func (s *site) signIn(w http.ResponseWriter, r *http.Request) {
	account := r.PostFormValue("account")
	if !s.users.Verify(account, r.PostFormValue("password")) {
		http.Error(w, "That name and password do not belong together.", http.StatusUnauthorized)
		return
	}
	if _, err := s.guard.SignIn(w, r, account); err != nil {
		s.guard.RefuseSignIn(w, r, err, "/")
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// members is a page that listens: oneseat.js opens an event stream.
func (s *site) members(w http.ResponseWriter, r *http.Request) {
	session, _ := oneseat.SessionFrom(r.Context())
	fmt.Fprintf(w, `<!doctype html><title>Members</title><p>%s<script type="module" src="/oneseat/oneseat.js"></script>`, session.Account)
}

// report is a large download.
func (s *site) report(w http.ResponseWriter, r *http.Request) {
	http.ServeFileFS(w, r, s.data.FS(), "report.csv")
}

// order records an order, and then takes its time, for example to ask for a receipt.
// By then it is done, and must not be answered as failed.
func (s *site) order(w http.ResponseWriter, r *http.Request) {
	key := r.PostFormValue("key")
	if key == "" || strings.ContainsAny(key, "./\\") {
		http.Error(w, "An order needs a key.", http.StatusBadRequest)
		return
	}
	session, _ := oneseat.SessionFrom(r.Context())
	if err := s.record(key, session.Account); err != nil {
		http.Error(w, "The order was not recorded. You can try again.", http.StatusInternalServerError)
		return
	}
	time.Sleep(100 * time.Millisecond)
	fmt.Fprintf(w, "Ordered: %s.\n", key)
}

// record adds a line to an order, so that one that is sent twice is seen.
func (s *site) record(key, account string) error {
	f, err := s.data.OpenFile("order-"+key, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, account+"\n")
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}
