package demo

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

// Stage is the page /stage: two devices side by side in one window, and below them who
// is signed in and what happens.
//
// Each device is a frame that shows the site from a port of its own. The ports of a
// host share cookies, so each has a guard with its own cookie names. They share no
// connections, storage or locks, so a port behaves like another device.
type Stage struct {
	Phone, Laptop *oneseathttp.Guard // over the site's registry

	// The three ports are on one host. They serve the site, and what Phone and Laptop
	// of [Site] return.
	SitePort, PhonePort, LaptopPort string

	// Hosts are the names under which the stage is shown, besides those of this machine
	// (localhost, 127.0.0.1, [::1]). Anybody who reaches the stage may use it. A page
	// of another site could reach it from a visitor's browser by a name that points at
	// this machine; such a name is not among these.
	Hosts []string
}

// shown says whether the stage is shown under the host of a request.
func (st *Stage) shown(r *http.Request) bool {
	host := hostOf(r)
	if a, err := netip.ParseAddr(host); err == nil && a.Unmap().IsLoopback() {
		return true
	}
	return strings.EqualFold(host, "localhost") || slices.ContainsFunc(st.Hosts, func(h string) bool { return strings.EqualFold(h, host) })
}

// hostOf returns the host of a request, without the port.
func hostOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = strings.Trim(r.Host, "[]")
	}
	return host
}

// onStage serves next under the hosts of the stage only.
func (f *front) onStage(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !f.c.Stage.shown(r) {
			f.show(w, r, http.StatusForbidden, "error", page{Title: f.words.Say("site.other_name"), Text: f.words.Say("site.hosts")})
			return
		}
		next(w, r)
	})
}

// StagePhone is the Device function of the phone's guard. Both devices are the same
// browser, so the guard that serves them tells them apart.
func StagePhone(_ *http.Request, d oneseat.Device) oneseat.Device {
	d.Label, d.Class = newWording().Say("stage.the_phone"), oneseat.ClassMobile
	return d
}

// StageLaptop is the Device function of the laptop's guard.
func StageLaptop(_ *http.Request, d oneseat.Device) oneseat.Device {
	d.Label, d.Class = newWording().Say("stage.the_laptop"), oneseat.ClassDesktop
	return d
}

// origin returns the origin of a port of the stage, on the host of the request.
func (st *Stage) origin(r *http.Request, port string) string {
	host := hostOf(r)
	// The host goes into a header and into a page, so it may have no other characters.
	if host == "" || strings.ContainsFunc(host, func(c rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-", c)
	}) {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

const (
	maxWatchers = 32                    // of the stage at a time
	gather      = 60 * time.Millisecond // what happens within this time is sent together
	maxTold     = 512                   // events that are sent together

	rushed  = 64 // sign-ins at once
	rushMax = 20 * time.Second
)

// stage is what the site keeps for its stage.
type stage struct {
	watching chan struct{} // a slot for each watcher
	rushing  sync.Mutex    // one rush at a time
}

func (s *stage) init() { s.watching = make(chan struct{}, maxWatchers) }

// stageView is what the page shows of the stage.
type stageView struct {
	Phone, Laptop string // origins
	Account       string
	Rush          int
	Displaces     bool // there is one seat, and the newest sign-in takes it
}

func (f *front) stagePage(w http.ResponseWriter, r *http.Request) {
	st := f.c.Stage
	f.show(w, r, http.StatusOK, "stage", page{Title: f.words.Say("stage.title"), Stage: stageView{
		Phone: st.origin(r, st.PhonePort), Laptop: st.origin(r, st.LaptopPort), Account: Names()[0], Rush: rushed,
		Displaces: f.c.Limit == 1 && f.c.WhenFull != oneseat.PolicyRefuse,
	}})
}

// row is what the stage shows of an account, and happening what it shows of an event.
// They have no address, no id and nothing else that could be used.
type (
	row struct {
		Account string `json:"account"`
		Seats   []seat `json:"seats"`
	}
	seat struct {
		Device string    `json:"device"`
		Kind   string    `json:"kind"`
		Since  time.Time `json:"since"`
	}
	happening struct {
		Type    oneseat.EventType `json:"type"`
		Reason  oneseat.Reason    `json:"reason,omitzero"`
		Account string            `json:"account"`
		At      time.Time         `json:"at"`
		Text    string            `json:"text"`
	}
)

// stageEvents sends a watcher who is signed in ("roster") and what happens ("events"),
// as server-sent events. A watcher that is too slow is dropped. It comes back and
// begins with the roster of that moment.
//
// It runs on the request's goroutine, and ends with the watcher's connection, the
// subscription, or the site.
func (f *front) stageEvents(w http.ResponseWriter, r *http.Request) {
	select {
	case f.stage.watching <- struct{}{}:
		defer func() { <-f.stage.watching }()
	default:
		w.Header().Set("Retry-After", "5")
		http.Error(w, f.words.Say("stage.full_house"), http.StatusServiceUnavailable)
		return
	}
	ctx := r.Context()
	all := f.c.Registry.Subscribe("")
	defer all.Close()
	roster, err := f.roster(ctx)
	to, ok := oneseathttp.NewEndless(w, r, "text/event-stream", append([]byte("retry: 1000\n\n"), roster...))
	defer func() {
		if err != nil && ctx.Err() == nil { // the watcher comes back in a second
			f.c.Logger.ErrorContext(ctx, "the stage cannot tell what happens", "error", err)
		}
	}()
	for ok && err == nil {
		select {
		case <-ctx.Done():
			return
		case <-to.Beat():
			ok = to.Send([]byte(": still here\n\n")) == nil
		case e, more := <-all.Events():
			if !more {
				return
			}
			news := f.gather(ctx, e, all.Events())
			if len(news) == 0 {
				continue
			}
			var text []byte
			if text, err = oneseathttp.ServerSentEvent("events", news); err == nil {
				roster, err = f.roster(ctx)
				ok = err == nil && to.Send(append(text, roster...)) == nil
			}
		}
	}
}

// gather returns an event and the events that follow soon after it, if they are of the
// demo's accounts.
func (f *front) gather(ctx context.Context, e oneseat.Event, more <-chan oneseat.Event) []happening {
	over := time.NewTimer(gather)
	defer over.Stop()
	news := make([]happening, 0, 2)
	for ok := true; ok && len(news) < maxTold; {
		if slices.Contains(Names(), e.Account) {
			news = append(news, happening{e.Type, e.Reason, e.Account, e.At, f.words.event(e)})
		}
		select {
		case e, ok = <-more:
		case <-over.C:
			return news
		case <-ctx.Done():
			return news
		}
	}
	return news
}

// roster returns the event that says who is signed in.
func (f *front) roster(ctx context.Context) ([]byte, error) {
	rows := []row{}
	for _, name := range Names() {
		live, err := f.c.Registry.Sessions(ctx, name)
		if err != nil {
			return nil, err
		}
		seats := []seat{}
		for _, s := range live {
			seats = append(seats, seat{s.Device.Label, f.words.kind(s.Device), s.Created})
		}
		rows = append(rows, row{name, seats})
	}
	return oneseathttp.ServerSentEvent("roster", rows)
}

// rush makes many sign-ins at the same moment, as programs, and answers how many seats
// they have got.
func (f *front) rush(w http.ResponseWriter, r *http.Request) {
	if !f.stage.rushing.TryLock() {
		http.Error(w, f.words.Say("stage.rushing"), http.StatusTooManyRequests)
		return
	}
	defer f.stage.rushing.Unlock()
	ctx, cancel := context.WithTimeout(r.Context(), rushMax)
	defer cancel()

	name := Names()[0]
	var ready, done sync.WaitGroup
	var errs [rushed]error
	gate := make(chan struct{})
	for i := range rushed {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-gate
			_, errs[i] = f.c.Registry.SignIn(ctx, name, oneseat.SignInRequest{
				Device: oneseat.Device{Label: f.words.Say("stage.program", "number", strconv.Itoa(i+1), "count", strconv.Itoa(rushed)), Class: oneseat.ClassAPI},
			})
		})
	}
	ready.Wait()
	began := time.Now()
	close(gate)
	done.Wait()
	took := time.Since(began)

	var in, refused int
	var failed error // an error of one that got no answer
	for _, err := range errs {
		_, full := errors.AsType[*oneseat.LimitError](err)
		_, ended := errors.AsType[*oneseat.EndedError](err) // by the next sign-in, before this one returned
		switch {
		case full:
			refused++
		case err == nil || ended:
			in++
		default:
			failed = err
		}
	}
	live, err := f.c.Registry.Sessions(ctx, name)
	if err = errors.Join(failed, err); err != nil {
		f.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{ // an error means that nobody reads
		"asked": rushed, "admitted": in, "refused": refused, "live": len(live), "said": f.words.rush(in, refused, took, live),
	})
}

// clear signs everybody out, so that the stage can be played again. Under
// oneseat.PolicyRefuse a rush would otherwise leave a seat that nobody can give back.
func (f *front) clear(w http.ResponseWriter, r *http.Request) {
	for _, name := range Names() {
		if _, err := f.c.Registry.EndAll(r.Context(), name, oneseat.EndOptions{Actor: "the stage"}); err != nil {
			f.fail(w, r, err)
			return
		}
	}
	w.WriteHeader(http.StatusNoContent)
}
