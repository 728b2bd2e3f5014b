package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/record"
	"github.com/oneseat/oneseat/store/memstore"
	"github.com/oneseat/oneseat/store/storetest"
)

type (
	changeFunc  = func(oneseat.View) (oneseat.Change, error)
	updateFunc  = func(context.Context, oneseat.Key, changeFunc) (oneseat.View, error)
	loadFunc    = func(context.Context, ...oneseat.Key) ([]oneseat.View, error)
	changesFunc = func(context.Context, int, oneseat.Cursor) (oneseat.Tail, error)
	dueFunc     = func(context.Context, string, int) ([]oneseat.Key, error)
	rostersFunc = func(context.Context, oneseat.RosterQuery) ([]oneseat.View, error)
	eventsFunc  = func(context.Context, oneseat.EventQuery) ([]oneseat.Record, error)
	countFunc   = func(context.Context, string, uint64) (oneseat.Count, error)
	forgetFunc  = func(ctx context.Context, realm, account string, version uint64) error
)

// handle is a node's handle on a memstore with one fault in it: the methods that are
// set.
type handle struct {
	*memstore.Store
	update  updateFunc
	load    loadFunc
	changes changesFunc
	due     dueFunc
	rosters rostersFunc
	events  eventsFunc
	count   countFunc
	forget  forgetFunc
	sums    *sums // of the database, for plants that keep sums of their own
}

func (h *handle) Update(ctx context.Context, k oneseat.Key, c changeFunc) (oneseat.View, error) {
	return h.update(ctx, k, c)
}

func (h *handle) Load(ctx context.Context, ks ...oneseat.Key) ([]oneseat.View, error) {
	return h.load(ctx, ks...)
}

func (h *handle) Changes(ctx context.Context, p int, c oneseat.Cursor) (oneseat.Tail, error) {
	return h.changes(ctx, p, c)
}

func (h *handle) Due(ctx context.Context, realm string, limit int) ([]oneseat.Key, error) {
	return h.due(ctx, realm, limit)
}

func (h *handle) Rosters(ctx context.Context, q oneseat.RosterQuery) ([]oneseat.View, error) {
	return h.rosters(ctx, q)
}

func (h *handle) Events(ctx context.Context, q oneseat.EventQuery) ([]oneseat.Record, error) {
	return h.events(ctx, q)
}

func (h *handle) Count(ctx context.Context, realm string, epoch uint64) (oneseat.Count, error) {
	return h.count(ctx, realm, epoch)
}

func (h *handle) Forget(ctx context.Context, realm, account string, version uint64) error {
	return h.forget(ctx, realm, account, version)
}

// factory makes databases whose handles all have the plant.
func factory(p plant) storetest.Factory {
	return func(*testing.T) func() oneseat.Store {
		s, own := memstore.New(), &sums{of: make(map[string]oneseat.Count)}
		return func() oneseat.Store {
			h := &handle{Store: s, update: s.Update, load: s.Load, changes: s.Changes, due: s.Due, rosters: s.Rosters, events: s.Events, count: s.Count, forget: s.Forget, sums: own}
			if p.sow != nil {
				p.sow(h)
			}
			return h
		}
	}
}

// blind writes a change, whatever is stored by then.
func (h *handle) blind(ctx context.Context, k oneseat.Key, c oneseat.Change) (oneseat.View, error) {
	return h.Store.Update(ctx, k, func(oneseat.View) (oneseat.Change, error) { return c, nil })
}

// before runs change on what is stored, without a lock.
func (h *handle) before(ctx context.Context, k oneseat.Key, change changeFunc) (oneseat.View, oneseat.Change, error) {
	vs, err := h.Store.Load(ctx, k)
	if err != nil {
		return oneseat.View{}, oneseat.Change{}, err
	}
	c, err := oneseat.RunChange(change, vs[0])
	time.Sleep(2 * time.Millisecond) // a round trip, in which others can run
	return vs[0], c, err
}

// plant is a bug, and the promises that it breaks. Each of their tests has to fail.
type plant struct {
	name   string
	sow    func(h *handle)
	breaks []string
}

var plants = slices.Concat(storePlants, duePlants, groupPlants, countPlants, forgetPlants)

var storePlants = []plant{
	{"check then insert", func(h *handle) {
		h.update = func(ctx context.Context, k oneseat.Key, change changeFunc) (oneseat.View, error) {
			_, c, err := h.before(ctx, k, change)
			if err != nil {
				return oneseat.View{}, err
			}
			return h.blind(ctx, k, c)
		}
	}, []string{
		"Updates/updates of one roster are one after the other",
		"Updates/what a change did not see it does not overwrite",
		"Contention/64 sign-ins at once with one seat: one is live",
		"Contention/64 sign-ins at once for one seat: one is admitted",
		"Linearizable/what several nodes do at once has an order in which all answers are right",
	}},
	{"upsert on touch", func(h *handle) {
		h.update = func(ctx context.Context, k oneseat.Key, change changeFunc) (oneseat.View, error) {
			_, c, err := h.before(ctx, k, change)
			if err != nil || c.Roster == nil || len(c.Events) > 0 {
				return h.Store.Update(ctx, k, change)
			}
			return h.blind(ctx, k, c)
		}
	}, []string{
		"Updates/a touch never undoes an ending",
		"Contention/activity that was being written does not bring back what has ended",
	}},
	{"a lost log entry", func(h *handle) {
		var n atomic.Int64
		h.changes = func(ctx context.Context, p int, c oneseat.Cursor) (oneseat.Tail, error) {
			t, err := h.Store.Changes(ctx, p, c)
			t.Entries = slices.DeleteFunc(t.Entries, func(oneseat.Entry) bool { return n.Add(1)%5 == 0 })
			return t, err
		}
	}, []string{
		"Log/what is committed is in the log, whole and in order",
		"Log/what many nodes commit at once is in the log, in commit order",
		"EventsSince/reading from the end returns what was committed since, the oldest first",
		"EventsSince/a place is good on every node, after a restart, and more than once",
		"EventsSince/a long log comes in pages that fit together",
		"EventsSince/nothing is missed of what many nodes commit at once",
	}},
	{"a version that restarts", func(h *handle) {
		forget := func(v oneseat.View) oneseat.View {
			if v.Roster == nil {
				v.Version = 0
			}
			return v
		}
		h.load = func(ctx context.Context, ks ...oneseat.Key) ([]oneseat.View, error) {
			vs, err := h.Store.Load(ctx, ks...)
			for i := range vs {
				vs[i] = forget(vs[i])
			}
			return vs, err
		}
		h.update = func(ctx context.Context, k oneseat.Key, change changeFunc) (oneseat.View, error) {
			v, err := h.Store.Update(ctx, k, func(v oneseat.View) (oneseat.Change, error) { return change(forget(v)) })
			return forget(v), err
		}
	}, []string{"Versions/a version never restarts, not even after an erasure"}},
	{"a retry that admits twice", func(h *handle) {
		h.update = func(ctx context.Context, k oneseat.Key, change changeFunc) (oneseat.View, error) {
			var saw oneseat.View
			v, err := h.Store.Update(ctx, k, func(v oneseat.View) (oneseat.Change, error) {
				saw = v
				return change(v)
			})
			if err != nil || v.Roster == nil || v.Roster.Account == "" {
				return v, err
			}
			// To the store the reply was lost, so it tries again, with the view that it
			// had.
			c, err := oneseat.RunChange(change, saw)
			if err != nil || c.Roster == nil {
				return v, err
			}
			return h.Store.Update(ctx, k, func(v oneseat.View) (oneseat.Change, error) {
				merged, had := record.Of(v.Roster), &record.Record{}
				if saw.Roster != nil {
					had = record.Of(saw.Roster)
				}
				for _, s := range record.Of(c.Roster).Seats {
					if !slices.ContainsFunc(had.Seats, func(o record.Seat) bool { return o.ID == s.ID }) {
						merged.Seats = append(merged.Seats, s)
					}
				}
				return oneseat.Change{Roster: merged.Roster(), Events: c.Events}, nil
			})
		}
	}, []string{
		"LostReplies/a sign-in whose reply is lost is admitted once",
		"LostReplies/a rotation whose reply is lost happens once",
		"Updates/what the last run of change returned is committed, once",
	}},
	{"a now taken before the lock", func(h *handle) {
		h.update = func(ctx context.Context, k oneseat.Key, change changeFunc) (oneseat.View, error) {
			now := time.Now()
			return h.Store.Update(ctx, k, func(v oneseat.View) (oneseat.Change, error) { return change(v.At(now)) })
		}
	}, []string{"Time/now is taken after the lock"}},
	{"a decision of any age is committed", func(h *handle) {
		h.update = func(ctx context.Context, k oneseat.Key, change changeFunc) (oneseat.View, error) {
			for {
				saw, c, err := h.before(ctx, k, change)
				if err != nil {
					return oneseat.View{}, err
				}
				current := false
				v, err := h.Store.Update(ctx, k, func(v oneseat.View) (oneseat.Change, error) {
					if current = v.Version == saw.Version; !current {
						return oneseat.Change{}, nil
					}
					return c, nil
				})
				if err != nil || current {
					return v, err
				}
			}
		}
	}, []string{"Time/a change that took too long runs again"}},
	{"events without their roster", func(h *handle) {
		var n atomic.Int64
		h.update = func(ctx context.Context, k oneseat.Key, change changeFunc) (oneseat.View, error) {
			return h.Store.Update(ctx, k, func(v oneseat.View) (oneseat.Change, error) {
				c, err := change(v)
				if v.Roster != nil && len(c.Events) > 0 && n.Add(1)%3 == 0 {
					c.Roster = v.Roster
				}
				return c, err
			})
		}
	}, []string{"Log/what is in the log is stored already"}},
	{"a log out of order", func(h *handle) {
		h.changes = func(ctx context.Context, p int, c oneseat.Cursor) (oneseat.Tail, error) {
			t, err := h.Store.Changes(ctx, p, c)
			slices.Reverse(t.Entries)
			return t, err
		}
	}, []string{"Log/what is committed is in the log, whole and in order"}},
	{"an end of the log that comes too early", func(h *handle) {
		var n atomic.Int64
		h.changes = func(ctx context.Context, p int, c oneseat.Cursor) (oneseat.Tail, error) {
			if c != "" && n.Add(1)%2 == 0 {
				return oneseat.Tail{Cursor: c, End: true}, nil
			}
			return h.Store.Changes(ctx, p, c)
		}
	}, []string{"Log/the end of the log comes after all that had returned"}},
	{"a gap taken for silence", func(h *handle) {
		h.changes = func(ctx context.Context, p int, c oneseat.Cursor) (oneseat.Tail, error) {
			t, err := h.Store.Changes(ctx, p, c)
			t.Gap = false
			return t, err
		}
	}, []string{
		"EventsSince/a place of another log is a gap, and what is no place is an error",
		"Log/a cursor of another log is a gap",
		"Log/no cursor hides what comes after it",
	}},
	{"a refused change is committed", func(h *handle) {
		h.update = func(ctx context.Context, k oneseat.Key, change changeFunc) (oneseat.View, error) {
			var refused error
			v, err := h.Store.Update(ctx, k, func(v oneseat.View) (c oneseat.Change, err error) {
				c, refused = change(v)
				return c, nil
			})
			if refused != nil {
				err = refused
			}
			return v, err
		}
	}, []string{
		"Updates/an error from change is returned as it is and writes nothing",
		"Log/what did not happen is not in the log",
	}},
	{"a change that does nothing is written", func(h *handle) {
		h.update = func(ctx context.Context, k oneseat.Key, change changeFunc) (oneseat.View, error) {
			return h.Store.Update(ctx, k, func(v oneseat.View) (oneseat.Change, error) {
				c, err := change(v)
				if c.Roster == nil && !c.Erase {
					c.Roster = v.Roster
				}
				return c, err
			})
		}
	}, []string{"Updates/a change that changes nothing writes nothing"}},
	{"a cancelled update is committed", func(h *handle) {
		h.update = func(ctx context.Context, k oneseat.Key, change changeFunc) (oneseat.View, error) {
			v, err := h.Store.Update(context.WithoutCancel(ctx), k, change)
			if err == nil {
				err = ctx.Err()
			}
			return v, err
		}
	}, []string{
		"Cancellation/a context that had ended is the error, and nothing is done",
		"Cancellation/a context that ends inside change is the error, and nothing is written",
		"Cancellation/a context that ends while another update holds the roster is the error",
	}},
	{"a panic takes its neighbours along", func(h *handle) {
		var ill atomic.Bool
		h.update = func(ctx context.Context, k oneseat.Key, change changeFunc) (oneseat.View, error) {
			v, err := h.Store.Update(ctx, k, change)
			if _, panicked := errors.AsType[*oneseat.PanicError](err); panicked {
				ill.Store(true)
			} else if ill.CompareAndSwap(true, false) {
				return oneseat.View{}, errors.New("the batch was rolled back")
			}
			return v, err
		}
	}, []string{"Updates/a panic in change is an error and harms no other update"}},
	{"a replica that lags", func(h *handle) {
		var n atomic.Int64
		var seen sync.Map
		h.load = func(ctx context.Context, ks ...oneseat.Key) ([]oneseat.View, error) {
			vs, err := h.Store.Load(ctx, ks...)
			for i, v := range vs {
				if old, ok := seen.Swap(v.Key, v); ok && n.Add(1)%2 == 0 {
					vs[i] = old.(oneseat.View)
				}
			}
			return vs, err
		}
	}, []string{
		"Views/every node loads what was committed",
		"Linearizable/what several nodes do at once has an order in which all answers are right",
	}},
	{"a view that is not a copy", func(h *handle) {
		h.update = func(ctx context.Context, k oneseat.Key, change changeFunc) (oneseat.View, error) {
			return h.Store.Update(ctx, k, func(v oneseat.View) (oneseat.Change, error) {
				c, err := change(v)
				if v.Roster != nil && c.Roster != nil {
					*v.Roster = *c.Roster
				}
				return c, err
			})
		}
	}, []string{"Views/a view does not change when its roster does"}},
	{"numbers rounded to a double", func(h *handle) {
		h.update = func(ctx context.Context, k oneseat.Key, change changeFunc) (oneseat.View, error) {
			return h.Store.Update(ctx, k, func(v oneseat.View) (oneseat.Change, error) {
				c, err := change(v)
				if c.Roster != nil {
					ro := record.Of(c.Roster)
					ro.Epoch = uint64(float64(ro.Epoch>>1)) << 1
					c.Roster = ro.Roster()
				}
				return c, err
			})
		}
	}, []string{"Views/every field of a roster comes back"}},
	{"times kept in milliseconds", func(h *handle) {
		h.load = func(ctx context.Context, ks ...oneseat.Key) ([]oneseat.View, error) {
			vs, err := h.Store.Load(ctx, ks...)
			for i, v := range vs {
				if v.Roster == nil {
					continue
				}
				ro := record.Of(v.Roster)
				for j := range ro.Seats {
					ro.Seats[j].LastSeen = record.Time{Time: ro.Seats[j].LastSeen.Truncate(time.Millisecond)}
				}
				vs[i].Roster = ro.Roster()
			}
			return vs, err
		}
	}, []string{"Views/every field of a roster comes back"}},
	{"unknown fields are dropped", func(h *handle) {
		h.update = func(ctx context.Context, k oneseat.Key, change changeFunc) (oneseat.View, error) {
			return h.Store.Update(ctx, k, func(v oneseat.View) (oneseat.Change, error) {
				c, err := change(v)
				if c.Roster != nil {
					c.Roster = record.Of(c.Roster).Roster()
				}
				return c, err
			})
		}
	}, []string{"Views/fields of a newer release are kept"}},
	{"tickets and blocks are dropped", func(h *handle) {
		h.update = func(ctx context.Context, k oneseat.Key, change changeFunc) (oneseat.View, error) {
			return h.Store.Update(ctx, k, func(v oneseat.View) (oneseat.Change, error) {
				c, err := change(v)
				if c.Roster != nil {
					ro := record.Of(c.Roster)
					ro.Pending, ro.Block = nil, nil
					c.Roster = ro.Roster()
				}
				return c, err
			})
		}
	}, []string{
		"Views/every field of a roster comes back",
		"Linearizable/what several nodes do at once has an order in which all answers are right",
	}},
	{"text cut at a NUL-padded width", func(h *handle) {
		h.load = func(ctx context.Context, ks ...oneseat.Key) ([]oneseat.View, error) {
			vs, err := h.Store.Load(ctx, ks...)
			for i, v := range vs {
				if v.Roster == nil {
					continue
				}
				ro := *v.Roster
				ro.Account = strings.TrimRight(ro.Account, " ")
				vs[i].Roster = &ro
			}
			return vs, err
		}
	}, []string{"Strings/any account is kept as it is, and apart from every other"}},
	{"a field of events is forgotten", func(h *handle) {
		h.changes = func(ctx context.Context, p int, c oneseat.Cursor) (oneseat.Tail, error) {
			t, err := h.Store.Changes(ctx, p, c)
			for n, e := range t.Entries {
				t.Entries[n].Events = slices.Clone(e.Events)
				for i := range e.Events {
					t.Entries[n].Events[i].Until = time.Time{}
				}
			}
			return t, err
		}
	}, []string{"Log/every field of an event comes back"}},
	{"a field of events is forgotten in the history", func(h *handle) {
		h.events = func(ctx context.Context, q oneseat.EventQuery) ([]oneseat.Record, error) {
			rs, err := h.Store.Events(ctx, q)
			for i := range rs {
				rs[i].Limits = nil
			}
			return rs, err
		}
	}, []string{"Log/every field of an event comes back"}},
	{"a prefix that ignores case", func(h *handle) {
		h.rosters = func(ctx context.Context, q oneseat.RosterQuery) ([]oneseat.View, error) {
			all := q
			all.Prefix, all.Limit = "", 1000
			vs, err := h.Store.Rosters(ctx, all)
			vs = slices.DeleteFunc(vs, func(v oneseat.View) bool {
				return !strings.HasPrefix(strings.ToLower(v.Roster.Account), strings.ToLower(q.Prefix))
			})
			return vs[:min(oneseat.PageLimit(q.Limit), len(vs))], err
		}
	}, []string{"History/rosters are found by how their account begins"}},
	{"the oldest events first", func(h *handle) {
		h.events = func(ctx context.Context, q oneseat.EventQuery) ([]oneseat.Record, error) {
			rs, err := h.Store.Events(ctx, q)
			slices.Reverse(rs)
			return rs, err
		}
	}, []string{"History/events come the newest first, page by page"}},
}

// TestMain also checks that nothing is still running after the tests: everything that a
// registry or a store starts ends with it.
func TestMain(m *testing.M) {
	code := m.Run()
	ours := func() string {
		var b strings.Builder
		_ = pprof.Lookup("goroutine").WriteTo(&b, 2)
		_, others, _ := strings.Cut(b.String(), "\n\n") // the first goroutine is this one
		if !strings.Contains(others, "oneseat/") {
			return ""
		}
		return others
	}
	for begun := time.Now(); code == 0 && ours() != ""; runtime.Gosched() {
		if time.Since(begun) > 10*time.Second {
			fmt.Println("still running after the tests:\n" + ours())
			code = 1
		}
	}
	os.Exit(code)
}

// TestPlantedChild runs the suite against the plant that the environment names. Without
// one it is the control: the same handles without a fault, and everything has to pass.
func TestPlantedChild(t *testing.T) {
	name := os.Getenv("ONESEAT_PLANT")
	p := plant{}
	if name != "" {
		i := slices.IndexFunc(plants, func(p plant) bool { return p.name == name })
		if i < 0 {
			t.Fatalf("no plant is named %q", name)
		}
		p = plants[i]
	}
	storetest.Run(t, factory(p))
}

// TestEveryPlantedBugIsCaught runs, for every plant, the tests that it has to break, in
// a process of their own.
func TestEveryPlantedBugIsCaught(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range plants {
		for _, broken := range p.breaks {
			t.Run(p.name+"/"+broken, func(t *testing.T) {
				t.Parallel()
				group, promise, _ := strings.Cut(broken, "/")
				pattern := "^TestPlantedChild$/^" + group + "$/^" + regexp.QuoteMeta(promise) + "$"
				child := exec.CommandContext(t.Context(), self, "-test.run="+pattern, "-test.count=1", "-test.timeout=2m", "-rapid.nofailfile") // this very program
				child.Env = append(os.Environ(), "ONESEAT_PLANT="+p.name)
				out, err := child.CombinedOutput()
				failed := "--- FAIL: TestPlantedChild/" + strings.ReplaceAll(broken, " ", "_") + " ("
				switch exit, _ := errors.AsType[*exec.ExitError](err); {
				case err == nil && strings.Contains(string(out), "no tests to run"):
					t.Errorf("there is no test %q", broken)
				case err == nil:
					t.Errorf("the plant was not caught by %q:\n%s", broken, out)
				case exit == nil:
					t.Errorf("the child did not run: %v", err)
				case !strings.Contains(string(out), failed) || strings.Contains(string(out), "DATA RACE") || strings.Contains(string(out), "panic: test timed out"):
					t.Errorf("the child failed, and not because of %q:\n%s", broken, out)
				}
			})
		}
	}
}

// A plant that is the same as another one, or has no name, would prove nothing.
func TestPlantsHaveNamesAndPromises(t *testing.T) {
	seen := make(map[string]bool)
	for _, p := range plants {
		if p.name == "" || p.sow == nil || len(p.breaks) == 0 || seen[p.name] {
			t.Errorf("plant %q breaks %q; it was named before: %v", p.name, p.breaks, seen[p.name])
		}
		seen[p.name] = true
	}
}
