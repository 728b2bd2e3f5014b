package storetest_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/oneseat/oneseat"
)

// member is an update in a group.
type member struct {
	ctx    context.Context
	key    oneseat.Key
	change changeFunc
	v      oneseat.View
	err    error
	done   chan struct{}
}

// grouping collects updates for a moment and has them made by together.
func grouping(h *handle, together func(group []*member)) {
	var mu sync.Mutex
	var waiting []*member
	h.update = func(ctx context.Context, k oneseat.Key, change changeFunc) (oneseat.View, error) {
		m := &member{ctx: ctx, key: k, change: change, done: make(chan struct{})}
		mu.Lock()
		waiting = append(waiting, m)
		if len(waiting) == 1 {
			go func() {
				time.Sleep(2 * time.Millisecond) // others join
				mu.Lock()
				group := waiting
				waiting = nil
				mu.Unlock()
				together(group)
				for _, m := range group {
					close(m.done)
				}
			}()
		}
		mu.Unlock()
		<-m.done
		return m.v, m.err
	}
}

// one makes the update of a member as it should be made.
func (h *handle) one(m *member) { m.v, m.err = h.Store.Update(m.ctx, m.key, m.change) }

// spoiling is a plant in which a member whose error is of a kind spoils its group.
func spoiling(name string, is func(error) bool) plant {
	return plant{name, func(h *handle) {
		grouping(h, func(group []*member) {
			var spoilt error
			for _, m := range group {
				if h.one(m); m.err != nil && is(m.err) {
					spoilt = m.err
				}
			}
			for _, m := range group {
				if spoilt != nil {
					m.v, m.err = oneseat.View{}, spoilt
				}
			}
		})
	}, []string{"Groups/what fails in a group touches only itself"}}
}

var groupPlants = []plant{
	spoiling("an error fails the whole group", func(err error) bool {
		_, panicked := errors.AsType[*oneseat.PanicError](err)
		return !panicked && !errors.Is(err, context.Canceled)
	}),
	spoiling("a panic fails the whole group", func(err error) bool {
		_, panicked := errors.AsType[*oneseat.PanicError](err)
		return panicked
	}),
	spoiling("a caller that is cancelled cancels the whole group", func(err error) bool { return errors.Is(err, context.Canceled) }),
	{"the answers of a group are given to each other's callers", func(h *handle) {
		grouping(h, func(group []*member) {
			for _, m := range group {
				h.one(m)
			}
			views := make([]oneseat.View, len(group))
			for i := range group {
				views[i] = group[(i+1)%len(group)].v
			}
			for i, m := range group {
				m.v = views[i]
			}
		})
	}, []string{"Groups/updates at once of one partition each get their own answer"}},
	{"a group is cut short and its last updates are acknowledged", func(h *handle) {
		grouping(h, func(group []*member) {
			for i, m := range group {
				if i < 8 {
					h.one(m)
					continue
				}
				vs, err := h.Store.Load(m.ctx, m.key)
				if m.err = err; err == nil {
					c, err := oneseat.RunChange(m.change, vs[0])
					m.v, m.err = vs[0], err
					if c.Roster != nil {
						m.v.Roster, m.v.Version = c.Roster, vs[0].Next()
					}
				}
			}
		})
	}, []string{
		"Groups/updates at once of one partition each get their own answer",
		"Groups/what fails in a group touches only itself",
	}},
	{"after a conflict the rest of the group is left out", func(h *handle) {
		grouping(h, func(group []*member) {
			conflict := false
			for _, m := range group {
				v, c, err := h.before(m.ctx, m.key, m.change)
				if m.v, m.err = v, err; err != nil || conflict || c.Roster == nil {
					continue
				}
				m.v, m.err = h.Store.Update(m.ctx, m.key, func(now oneseat.View) (oneseat.Change, error) {
					if conflict = now.Version != v.Version && now.Roster != nil; conflict {
						return m.change(now)
					}
					return c, nil
				})
			}
		})
	}, []string{"Groups/a conflict in a group touches only the update that meets it"}},
	{"an update begins with what the last one of its node has left", func(h *handle) {
		var mu sync.Mutex
		left := make(map[oneseat.Key]oneseat.View)
		h.update = func(ctx context.Context, k oneseat.Key, change changeFunc) (oneseat.View, error) {
			mu.Lock()
			v, there := left[k]
			mu.Unlock()
			if there {
				if c, err := oneseat.RunChange(change, v); err == nil && c.Roster == nil && !c.Erase {
					return v, nil
				}
			}
			v, err := h.Store.Update(ctx, k, change)
			mu.Lock()
			defer mu.Unlock()
			if left[k] = v; err != nil {
				delete(left, k)
			}
			return v, err
		}
	}, []string{"Groups/an update is shown what was committed before it began"}},
	{"a group has only one update of each key", func(h *handle) {
		grouping(h, func(group []*member) {
			slices.Reverse(group)
			done := make(map[oneseat.Key]*member)
			for _, m := range group {
				if first := done[m.key]; first != nil {
					m.v, m.err = first.v, first.err
					continue
				}
				done[m.key] = m
				h.one(m)
			}
		})
	}, []string{"Groups/a conflict in a group touches only the update that meets it"}},
}
