package oneseat_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

// overheard is a node whose log a test reads.
type overheard struct {
	node
	log *safeBuffer
}

func newOverheard(t *testing.T, c oneseat.Config) overheard {
	t.Helper()
	heard := &safeBuffer{}
	c.Logger = slog.New(slog.NewTextHandler(heard, nil))
	return overheard{newNode(t, memstore.New(), c), heard}
}

// lines returns what the log says of one kind of failure, and fails the test if
// any line names an account or holds a token.
func (o overheard) lines(t *testing.T, of string) (found []string) {
	t.Helper()
	for line := range strings.Lines(o.log.String()) {
		if lower := strings.ToLower(line); strings.Contains(lower, "ada@example") || strings.Contains(lower, "ada%40example") || strings.Contains(lower, oneseat.TokenPrefix) {
			t.Errorf("the log holds an account or a token: %s", line)
		}
		if _, message, _ := strings.Cut(line, "msg="); strings.Contains(strings.SplitN(message, " realm=", 2)[0], of) {
			found = append(found, line)
		}
	}
	return found
}

const ada = "ada@example.com"

var errPlans = fmt.Errorf("no plan of %s: Get \"http://plans/?of=%s\": refused; ADA@EXAMPLE.COM has %q", ada, url.QueryEscape(ada), ada)

// failures are the kinds of failure that only an operator can put right.
var failures = map[string]struct {
	config oneseat.Config
	breaks func(overheard)
	fails  func(ctx context.Context, o overheard, g oneseat.Grant) error
	says   string // in the log's line
	level  string
	key    bool // the line has the account's key
}{
	"a limit that is not known": {
		config: oneseat.Config{LimitFor: func(_ context.Context, account string) (oneseat.Limits, error) {
			if account == ada {
				return oneseat.Limits{}, errPlans
			}
			return oneseat.Limits{}, nil
		}},
		fails: func(ctx context.Context, o overheard, _ oneseat.Grant) error {
			return second(o.SignIn(ctx, ada, oneseat.SignInRequest{}))
		},
		says: "Config.LimitFor gave no limit", level: "ERROR", key: true,
	},
	"an impossible limit": {
		config: oneseat.Config{LimitFor: func(_ context.Context, account string) (oneseat.Limits, error) {
			return oneseat.Limits{Total: len("bob") - len(account)}, nil
		}},
		fails: func(ctx context.Context, o overheard, _ oneseat.Grant) error {
			return second(o.Explain(ctx, ada, oneseat.SignInRequest{}))
		},
		says: "Config.LimitFor gave no limit", level: "ERROR", key: true,
	},
	"an empty account": {
		fails: func(ctx context.Context, o overheard, _ oneseat.Grant) error {
			return second(o.SignIn(ctx, "", oneseat.SignInRequest{}))
		},
		says: "named an account that cannot be one", level: "WARN",
	},
	"an account with a control character": {
		fails: func(ctx context.Context, o overheard, _ oneseat.Grant) error {
			return second(o.Adopt(ctx, ada+"\n", time.Time{}, oneseat.SignInRequest{}))
		},
		says: "named an account that cannot be one", level: "WARN",
	},
	"an account that is too long, checked by its id": {
		fails: func(ctx context.Context, o overheard, _ oneseat.Grant) error {
			return second(o.CheckID(ctx, strings.Repeat(ada, 20), "x"))
		},
		says: "named an account that cannot be one", level: "WARN",
	},
	"a store that is not read": {
		breaks: func(o overheard) { o.unreadable() },
		fails: func(ctx context.Context, o overheard, g oneseat.Grant) error {
			return second(o.CheckFresh(ctx, string(g.Token)))
		},
		says: "the store did not answer", level: "ERROR", key: true,
	},
	"a store that is not written": {
		breaks: func(o overheard) { o.unwritable() },
		fails: func(ctx context.Context, o overheard, _ oneseat.Grant) error {
			return second(o.SignIn(ctx, ada, oneseat.SignInRequest{}))
		},
		says: "the store did not answer", level: "ERROR", key: true,
	},
	"a store that is not written, at the first sign-in of a realm": {
		breaks: func(o overheard) {
			o.unwritable()
			o.set(func() {
				o.load = func(_ context.Context, keys []oneseat.Key, _ loadFunc) (empty []oneseat.View, _ error) {
					for _, k := range keys {
						empty = append(empty, oneseat.View{Key: k})
					}
					return empty, nil
				}
			})
		},
		fails: func(ctx context.Context, o overheard, _ oneseat.Grant) error {
			return second(o.SignIn(ctx, ada, oneseat.SignInRequest{}))
		},
		says: "the store did not answer", level: "ERROR", key: true,
	},
	"a reply that is lost": {
		breaks: func(o overheard) { o.loseReplies(oneseat.KeyOf(realm, ada), 1000, nil) },
		fails: func(ctx context.Context, o overheard, _ oneseat.Grant) error {
			return second(o.EndAll(ctx, ada, oneseat.EndOptions{}))
		},
		says: "a reply of the store was lost", level: "WARN", key: true,
	},
	"a record that is damaged": {
		breaks: func(o overheard) {
			o.set(func() {
				o.load = func(context.Context, []oneseat.Key, loadFunc) ([]oneseat.View, error) {
					return nil, &oneseat.FormatError{Problem: "it is damaged"}
				}
			})
		},
		fails: func(ctx context.Context, o overheard, _ oneseat.Grant) error {
			return second(o.Account(ctx, ada))
		},
		says: "a stored roster cannot be read", level: "ERROR", key: true,
	},
	"a change that panics": {
		breaks: func(o overheard) {
			o.set(func() {
				o.update = func(context.Context, oneseat.Key, change, updateFunc) (oneseat.View, error) {
					return oneseat.View{}, &oneseat.PanicError{Value: "a defect"}
				}
			})
		},
		fails: func(ctx context.Context, o overheard, _ oneseat.Grant) error {
			return second(o.EndAll(ctx, ada, oneseat.EndOptions{}))
		},
		says: "panicked", level: "ERROR", key: true,
	},
	"a registry that is closed, at a check": {
		breaks: func(o overheard) { _ = o.Registry.Close() },
		fails: func(ctx context.Context, o overheard, g oneseat.Grant) error {
			return second(o.CheckFresh(ctx, string(g.Token)))
		},
		says: "asked after it was closed", level: "WARN", key: true,
	},
	"a registry that is closed, at a sign-in": {
		breaks: func(o overheard) { _ = o.Registry.Close() },
		fails: func(ctx context.Context, o overheard, g oneseat.Grant) error {
			return second(o.SignIn(ctx, ada, oneseat.SignInRequest{}))
		},
		says: "asked after it was closed", level: "WARN", key: true,
	},
	"a store that is not read, at a sign-in": {
		breaks: func(o overheard) { o.unreadable() },
		fails: func(ctx context.Context, o overheard, _ oneseat.Grant) error {
			return second(o.SignIn(ctx, ada, oneseat.SignInRequest{}))
		},
		says: "the store did not answer", level: "ERROR", key: true,
	},
	"a store that is not read, at an end": {
		breaks: func(o overheard) { o.unreadable() },
		fails: func(ctx context.Context, o overheard, _ oneseat.Grant) error {
			return second(o.EndAll(ctx, ada, oneseat.EndOptions{}))
		},
		says: "the store did not answer", level: "ERROR", key: true,
	},
	"a store that is not read, at a change of limits": {
		breaks: func(o overheard) { o.unreadable() },
		fails: func(ctx context.Context, o overheard, _ oneseat.Grant) error {
			return o.SetLimit(ctx, ada, oneseat.Limits{Total: 1}, "")
		},
		says: "the store did not answer", level: "ERROR", key: true,
	},
	"a registry that is closed, at work that is to be held": {
		breaks: func(o overheard) { _ = o.Registry.Close() },
		fails: func(ctx context.Context, o overheard, g oneseat.Grant) error {
			held, cancel := o.Hold(ctx, g.Session)
			defer cancel()
			return context.Cause(held)
		},
		says: "asked after it was closed", level: "WARN", key: true,
	},
	"a ping without an answer": {
		breaks: func(o overheard) { o.unreadable() },
		fails:  func(ctx context.Context, o overheard, _ oneseat.Grant) error { return o.Ping(ctx) },
		says:   "the store did not answer", level: "ERROR",
	},
}

func TestWhatOnlyAnOperatorCanPutRightIsLoggedOnceAMinute(t *testing.T) {
	for name, tt := range failures {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOverheard(t, tt.config)
				g := signIn(t, o, "bob", oneseat.SignInRequest{})
				synctest.Wait()
				time.Sleep(30 * time.Second) // the first sweep, which may be heard too, is later
				if tt.breaks != nil {
					tt.breaks(o)
				}
				key := oneseat.KeyOf(realm, ada).String()
				if strings.Contains(name, "at a check") || strings.Contains(name, "is to be held") || name == "a store that is not read" {
					key = oneseat.KeyOf(realm, "bob").String()
				}
				fail := func() {
					t.Helper()
					if err := tt.fails(t.Context(), o, g); err == nil {
						t.Fatal("it did not fail")
					}
				}
				fail()
				first := o.lines(t, tt.says)
				if len(first) != 1 || !strings.Contains(first[0], "level="+tt.level) || !strings.Contains(first[0], "error=") || strings.Contains(first[0], "not_logged") {
					t.Fatalf("after one failure the log says %q", first)
				}
				if tt.key && !strings.Contains(first[0], "account_key="+key) {
					t.Errorf("it does not say whose: %s", first[0])
				}
				for range 100 {
					fail()
				}
				if n := len(o.lines(t, tt.says)); n != 1 {
					t.Errorf("after 101 failures the log has %d lines", n)
				}
				time.Sleep(time.Minute)
				fail()
				again := o.lines(t, tt.says)
				var silent int
				if len(again) != 2 {
					t.Fatalf("a minute later the log says %q", again)
				}
				if _, after, ok := strings.Cut(again[1], "not_logged="); ok {
					if _, err := fmt.Sscan(after, &silent); err != nil {
						t.Fatal(err)
					}
				}
				if silent < 100 {
					t.Errorf("it does not say how many lines were left out: %s", again[1])
				}
			})
		})
	}
}

// A caller that has gone away, and an answer, are no failures.
func TestAnswersAndCallersThatLeftAreNotLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var leave atomic.Pointer[context.CancelFunc]
		o := newOverheard(t, oneseat.Config{WhenFull: oneseat.PolicyRefuse, LimitFor: func(ctx context.Context, _ string) (oneseat.Limits, error) {
			if cancel := leave.Load(); cancel != nil {
				(*cancel)()
			}
			return oneseat.Limits{}, ctx.Err()
		}})
		g := signIn(t, o, ada, oneseat.SignInRequest{})
		_, full := o.SignIn(t.Context(), ada, oneseat.SignInRequest{})
		_, none := o.Check(t.Context(), forged(ada))
		if err := o.SignOut(t.Context(), string(g.Token)); err != nil {
			t.Fatal(err)
		}
		_, over := o.Check(t.Context(), string(g.Token))
		if err := second(o.SignIn(t.Context(), "bob", oneseat.SignInRequest{Previous: oneseat.Previous{Account: ada, Session: g.Session.ID}})); err != nil {
			t.Errorf("after a session that has ended: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		leave.Store(&cancel)
		_, gone := o.SignIn(ctx, ada, oneseat.SignInRequest{})
		_, still := o.CheckFresh(ctx, string(g.Token))
		for _, err := range []error{full, none, over, gone, still} {
			if err == nil {
				t.Error("something did not fail")
			}
		}
		if said := o.log.String(); said != "" {
			t.Errorf("the log says %s", said)
		}
	})
}

// A store that is too slow for its callers, which give up first, is seen too.
func TestAStoreThatIsSlowerThanItsCallersIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOverheard(t, oneseat.Config{})
		g := signIn(t, o, ada, oneseat.SignInRequest{})
		held, letGo := gate(t)
		o.set(func() {
			o.load = func(ctx context.Context, keys []oneseat.Key, next loadFunc) ([]oneseat.View, error) {
				<-held
				return next(ctx, keys...)
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := o.CheckFresh(ctx, string(g.Token))
		wantError(t, err, context.DeadlineExceeded)
		if said := o.lines(t, "the store did not answer"); len(said) != 1 {
			t.Errorf("the log says %q", o.log.String())
		}
		letGo()
	})
}

// Each kind of failure has its line, however many failures of another kind there are.
func TestAStormOfOneKindHidesNoOtherKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOverheard(t, failures["a limit that is not known"].config)
		g := signIn(t, o, "bob", oneseat.SignInRequest{})
		for i := range 1000 {
			_, _ = o.SignIn(t.Context(), fmt.Sprint("account\n", i), oneseat.SignInRequest{})
		}
		_, err := o.SignIn(t.Context(), ada, oneseat.SignInRequest{})
		wantError(t, err, oneseat.ErrLimitUnknown)
		wantError(t, err, errPlans)
		o.down()
		time.Sleep(2 * time.Second)
		for range 1000 {
			_, _ = o.CheckFresh(t.Context(), string(g.Token))
		}
		for _, kind := range []string{"named an account", "gave no limit", "the store did not answer"} {
			if n := len(o.lines(t, kind)); n != 1 {
				t.Errorf("%s: %d lines", kind, n)
			}
		}
	})
}

// A request that is cut because its session cannot be verified is seen, even if nothing
// else is asked.
func TestAHeldRequestThatIsCutWithoutAnAnswerIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOverheard(t, oneseat.Config{})
		g := signIn(t, o, ada, oneseat.SignInRequest{})
		held, cancel := o.Hold(t.Context(), g.Session)
		defer cancel()
		o.down()
		<-held.Done()
		wantError(t, context.Cause(held), oneseat.ErrStoreUnavailable)
		synctest.Wait()
		said := o.lines(t, "the store did not answer")
		if len(said) != 1 || !strings.Contains(said[0], oneseat.KeyOf(realm, ada).String()) {
			t.Errorf("the log says %q", o.log.String())
		}
	})
}

// What runs by itself while the store is down takes few lines too.
func TestAnHourWithoutTheStoreTakesFewLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOverheard(t, oneseat.Config{Limit: 100, DangerouslyAllowWhenStoreIsDown: true})
		var all []oneseat.Grant
		for range 50 {
			all = append(all, signIn(t, o, ada, oneseat.SignInRequest{}))
		}
		o.down()
		for range 60 {
			for range 6 {
				time.Sleep(10 * time.Second)
				for _, g := range all {
					_, _ = o.Check(t.Context(), string(g.Token))
				}
				synctest.Wait()
			}
		}
		o.lines(t, "")
		if n := strings.Count(o.log.String(), "\n"); n > 60*5 {
			t.Errorf("%d lines", n)
		}
	})
}

// A sign-out of another account in the same browser that fails is one kind.
func TestSessionsThatAreLeftBehindAreLoggedOnceAMinute(t *testing.T) {
	for name, had := range map[string]func(left oneseat.Grant) oneseat.SignInRequest{
		"by its token": func(left oneseat.Grant) oneseat.SignInRequest {
			return oneseat.SignInRequest{Token: string(left.Token)}
		},
		"by its id": func(left oneseat.Grant) oneseat.SignInRequest {
			return oneseat.SignInRequest{Previous: oneseat.Previous{Account: ada, Session: left.Session.ID}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOverheard(t, oneseat.Config{Limit: 100})
				left := signIn(t, o, ada, oneseat.SignInRequest{})
				o.set(func() {
					o.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
						if k == oneseat.KeyOf(realm, ada) {
							return oneseat.View{}, errDown
						}
						return next(ctx, k, c)
					}
				})
				for range 50 {
					signIn(t, o, "bob", had(left))
				}
				said := o.lines(t, "another account in the same browser")
				if len(said) != 1 || !strings.Contains(said[0], oneseat.KeyOf(realm, ada).String()) {
					t.Errorf("the log says %q", said)
				}
			})
		})
	}
}

// An error of the application's that looks like one of ours does not count as ours.
func TestWhatLimitForSaysIsNeverTakenForAnAnswer(t *testing.T) {
	for _, said := range []error{&oneseat.BlockedError{}, oneseat.ErrNoSession, &oneseat.LimitError{}, oneseat.ErrClosed, errors.ErrUnsupported} {
		o := newOverheard(t, oneseat.Config{AdoptUntil: time.Now().Add(time.Hour), LimitFor: func(context.Context, string) (oneseat.Limits, error) { return oneseat.Limits{}, said }})
		_, err := o.Adopt(t.Context(), ada, time.Now(), oneseat.SignInRequest{})
		wantError(t, err, oneseat.ErrLimitUnknown)
		wantError(t, err, said)
		if lines := o.lines(t, ""); len(lines) != 1 || !strings.Contains(lines[0], "Config.LimitFor gave no limit") {
			t.Errorf("%v: the log says %q", said, lines)
		}
	}
}

// unlisted is a store that cannot list anything.
type unlisted struct{ *memstore.Store }

func (unlisted) Count(context.Context, string, uint64) (oneseat.Count, error) {
	return oneseat.Count{}, errDown
}

func (unlisted) Events(context.Context, oneseat.EventQuery) ([]oneseat.Record, error) {
	return nil, errDown
}

func (unlisted) Rosters(context.Context, oneseat.RosterQuery) ([]oneseat.View, error) {
	return nil, errDown
}

func TestAListThatFailsIsLogged(t *testing.T) {
	for name, list := range map[string]func(*oneseat.Registry) error{
		"Count":    func(r *oneseat.Registry) error { return second(r.Count(t.Context())) },
		"Events":   func(r *oneseat.Registry) error { return second(r.Events(t.Context(), oneseat.EventQuery{})) },
		"Accounts": func(r *oneseat.Registry) error { return second(r.Accounts(t.Context(), oneseat.AccountQuery{})) },
	} {
		heard := &safeBuffer{}
		r := newRegistry(t, unlisted{memstore.New()}, oneseat.Config{Logger: slog.New(slog.NewTextHandler(heard, nil))})
		wantError(t, list(r), oneseat.ErrStoreUnavailable)
		if n := strings.Count(heard.String(), "msg=\"the store did not answer"); n != 1 {
			t.Errorf("%s: the log says %q", name, heard.String())
		}
	}
}
