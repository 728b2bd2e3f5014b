package demo_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/demo"
	"github.com/oneseat/oneseat/store/memstore"
)

// between is a store, and a place for hashes, that call a function before each step. The
// function is told the User-Agent of the request, and what the step does.
type between struct {
	oneseat.Store
	demo.Hashes
	before atomic.Pointer[func(agent, step string)]
}

type agentKey struct{}

func (b *between) around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), agentKey{}, r.UserAgent())))
	})
}

func (b *between) step(ctx context.Context, step string) {
	if agent, ok := ctx.Value(agentKey{}).(string); ok {
		if f := b.before.Load(); f != nil {
			(*f)(agent, step)
		}
	}
}

func (b *between) Update(ctx context.Context, key oneseat.Key, change func(oneseat.View) (oneseat.Change, error)) (oneseat.View, error) {
	b.step(ctx, "update")
	return b.Store.Update(ctx, key, change)
}

func (b *between) Get(ctx context.Context, name string) (string, error) {
	b.step(ctx, "get")
	return b.Hashes.Get(ctx, name)
}

func (b *between) Replace(ctx context.Context, name, old, hash string) (bool, error) {
	b.step(ctx, "replace")
	return b.Hashes.Replace(ctx, name, old, hash)
}

// pass is what a visitor has to do at a step, before which it may be held up.
type pass struct {
	came, through chan struct{}
	open          func() // any number of times
}

func newPass() *pass {
	through := make(chan struct{})
	return &pass{make(chan struct{}), through, sync.OnceFunc(func() { close(through) })}
}

func (p *pass) wait() {
	close(p.came)
	<-p.through
}

// ownerIn checks what has to be in the end.
func ownerIn(t *testing.T, owner, thief *browser) {
	t.Helper()
	if got := owner.account(); got != "ada" {
		t.Errorf("the owner sees %q", got)
	}
	if got := thief.account(); got != "" {
		t.Errorf("whoever knows the old password sees %q", got)
	}
	if a := thief.signIn("ada", "ada"); a.status != http.StatusUnauthorized {
		t.Errorf("the old password: %d", a.status)
	}
	if a := thief.post("/oneseat/redeem", "end", "all"); a.status < 300 || thief.account() != "" {
		t.Errorf("a ticket of before the change is good: %d", a.status)
	}
}

// The thief has passed the check of the old password, and is signed in before the step
// of the owner's change.
func TestWhoeverPassedTheCheckOfTheOldPasswordIsOutAfterTheChangeAndTheOwnerIsIn(t *testing.T) {
	// The first application of the examples is tried so under each policy.
	for name, c := range map[string]oneseat.Config{"displace": {}, "ask": {WhenFull: oneseat.PolicyAsk}} {
		for n, step := range []struct{ what, is string }{
			{"it reads the hash", "get"}, {"it reads the hash again", "get"}, {"it changes the password", "replace"},
			{"it ends all sessions", "update"}, {"it signs in", "update"}, {"the next sign-in", ""},
		} {
			t.Run(name+"/before "+step.what, func(t *testing.T) {
				b := &between{Store: memstore.New(), Hashes: demo.MemoryHashes()}
				f := newSite(t, c, oneseat.Store(struct{ oneseat.Store }{b}), demo.Hashes(struct{ demo.Hashes }{b}), b.around)
				owner, thief := f.browser(firefox).mustSignIn("ada"), f.browser(safari)
				owner.account() // its first use

				signsIn, verified, over := newPass(), newPass(), make(chan struct{})
				thiefs, owners := 0, 0
				before := func(agent, what string) {
					switch {
					case agent == safari && what == "update":
						if thiefs++; thiefs <= 2 {
							[]*pass{signsIn, verified}[thiefs-1].wait()
						}
					case agent == firefox:
						if owners++; owners == n+1 {
							if what != step.is {
								t.Errorf("its step %d is %q", owners, what)
							}
							signsIn.open()
							select {
							case <-verified.came:
							case <-over: // there was no room, or the password is still the old one
							}
						}
					}
				}
				b.before.Store(&before)
				request := thief.request(http.MethodPost, "/login", url.Values{"username": {"ada"}, "password": {"ada"}})
				go func() {
					defer close(over)
					if _, err := thief.try(request); err != nil {
						t.Error(err)
					}
				}()
				<-signsIn.came
				a := owner.post("/password", "current", "ada", "new", "lovelace")
				if a.status != http.StatusSeeOther || a.location != "/?changed" {
					t.Errorf("the change: %d to %q", a.status, a.location)
				}
				late := owners <= n
				signsIn.open()
				verified.open()
				<-over
				b.before.Store(nil)
				if late && owner.account() == "" { // the thief was admitted after the owner, and ended then
					owner.signIn("ada", "lovelace")
				}
				ownerIn(t, owner, thief)
			})
		}
	}
}

func TestAgainstOneWhoSignsInWithoutPauseTheOwnerChangesThePasswordEachTime(t *testing.T) {
	f := newSite(t, oneseat.Config{})
	owner, thief := f.browser(firefox), f.browser(safari)
	passwords := []string{"ada", "lovelace"}
	for round := range 20 {
		old, fresh := passwords[round%2], passwords[(round+1)%2]
		stop, stopped := make(chan struct{}), make(chan struct{})
		attempts := make(chan struct{}, 1)
		request := func() *http.Request {
			return thief.request(http.MethodPost, "/login", url.Values{"username": {"ada"}, "password": {old}})
		}
		go func() {
			defer close(stopped)
			for {
				if a, err := thief.try(request()); err != nil || a.status >= 500 {
					t.Errorf("the thief: %d, %v", a.status, err)
				}
				select {
				case attempts <- struct{}{}:
				default:
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		}()
		<-attempts
		changed := false
		for range 500 { // a change that is admitted is made; before that, the thief may be quicker
			owner.signIn("ada", old)
			if a := owner.post("/password", "current", old, "new", fresh); a.location == "/?changed" {
				changed = true
				break
			} else if !strings.HasPrefix(a.location, demo.SignInPath) {
				t.Errorf("round %d: the change: %d", round, a.status)
			}
		}
		close(stop)
		<-stopped
		if !changed {
			t.Fatalf("round %d: the password was not changed", round)
		}
		if owner.account() == "" {
			t.Logf("round %d: a sign-in that was verified before the change was admitted after it, and ended", round)
			owner.signIn("ada", fresh)
		}
		if mine, its := owner.account(), thief.account(); mine != "ada" || its != "" {
			t.Errorf("round %d: the owner sees %q, the thief %q", round, mine, its)
		}
		if a := thief.signIn("ada", old); a.status != http.StatusUnauthorized {
			t.Errorf("round %d: the old password: %d", round, a.status)
		}
	}
}
