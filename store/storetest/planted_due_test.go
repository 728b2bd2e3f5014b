package storetest_test

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/oneseat/oneseat"
)

var duePlants = []plant{
	{"due a second late", func(h *handle) {
		h.due = func(ctx context.Context, realm string, limit int) ([]oneseat.Key, error) {
			ks, err := h.Store.Due(ctx, realm, limit)
			return slices.DeleteFunc(ks, func(k oneseat.Key) bool {
				vs, err := h.Store.Load(ctx, k)
				return err != nil || vs[0].Now.Before(vs[0].Roster.Due.Add(time.Second))
			}), err
		}
	}, []string{
		"Due/what is due is listed once its time has come",
		"Due/what is due is listed at once on every node, the longest waiting first",
	}},
	{"the index of what is due moves later only", func(h *handle) {
		var mu sync.Mutex
		index := make(map[oneseat.Key]time.Time)
		h.update = func(ctx context.Context, k oneseat.Key, change changeFunc) (oneseat.View, error) {
			v, err := h.Store.Update(ctx, k, change)
			mu.Lock()
			defer mu.Unlock()
			if err == nil && v.Roster != nil && v.Roster.Due.After(index[k]) {
				index[k] = v.Roster.Due
			}
			return v, err
		}
		h.due = func(ctx context.Context, realm string, limit int) ([]oneseat.Key, error) {
			ks, err := h.Store.Due(ctx, realm, limit)
			mu.Lock()
			defer mu.Unlock()
			return slices.DeleteFunc(ks, func(k oneseat.Key) bool { return index[k].After(time.Now()) }), err
		}
	}, []string{"Due/what becomes due sooner is listed at once"}},
	{"an update that leaves the time takes it from the index", func(h *handle) {
		var mu sync.Mutex
		lost := make(map[oneseat.Key]bool)
		h.update = func(ctx context.Context, k oneseat.Key, change changeFunc) (oneseat.View, error) {
			leaves := false
			v, err := h.Store.Update(ctx, k, func(v oneseat.View) (oneseat.Change, error) {
				c, err := change(v)
				leaves = c.Roster != nil && v.Roster != nil && c.Roster.Due.Equal(v.Roster.Due)
				return c, err
			})
			mu.Lock()
			defer mu.Unlock()
			lost[k] = leaves
			return v, err
		}
		h.due = func(ctx context.Context, realm string, limit int) ([]oneseat.Key, error) {
			ks, err := h.Store.Due(ctx, realm, limit)
			mu.Lock()
			defer mu.Unlock()
			return slices.DeleteFunc(ks, func(k oneseat.Key) bool { return lost[k] }), err
		}
	}, []string{"Due/what is due stays so when an update leaves its time alone"}},
	{"due in no order", func(h *handle) {
		h.due = func(ctx context.Context, realm string, limit int) ([]oneseat.Key, error) {
			ks, err := h.Store.Due(ctx, realm, 1000)
			slices.SortFunc(ks, func(a, b oneseat.Key) int { return slices.Compare(a[:], b[:]) })
			return ks[:min(limit, len(ks))], err
		}
	}, []string{"Due/due lists no more than was asked for"}},
}
