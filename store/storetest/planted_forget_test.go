package storetest_test

import (
	"context"
	"slices"
	"sync"

	"github.com/oneseat/oneseat"
)

// forgetPlants are bugs of a store that forgets.
var forgetPlants = []plant{
	{"nothing is forgotten", func(h *handle) {
		h.forget = func(context.Context, string, string, uint64) error { return nil }
	}, []string{
		"Forgetting/what is forgotten goes from the history, and nothing else does",
		"Forgetting/what is forgotten keeps its place, its key and its version in the log",
		"Forgetting/no commit is lost while the log forgets",
		"Forgetting/nothing that names an account is left of it",
	}},
	{"what came later is forgotten too", func(h *handle) {
		h.forget = func(ctx context.Context, realm, account string, _ uint64) error {
			return h.Store.Forget(ctx, realm, account, 1<<63-1)
		}
	}, []string{
		"Forgetting/what is forgotten goes from the history, and nothing else does",
		"Forgetting/forgetting what is not there does nothing",
	}},
	{"the last version is kept", func(h *handle) {
		h.forget = func(ctx context.Context, realm, account string, version uint64) error {
			return h.Store.Forget(ctx, realm, account, version-1)
		}
	}, []string{
		"Forgetting/what is forgotten goes from the history, and nothing else does",
		"Forgetting/what is forgotten keeps its place, its key and its version in the log",
		"Forgetting/no commit is lost while the log forgets",
	}},
	{"an account of the same name in every realm is forgotten", func(h *handle) {
		h.forget = func(ctx context.Context, _, account string, version uint64) error {
			return h.Store.Forget(ctx, "storetest", account, version)
		}
	}, []string{"Forgetting/forgetting what is not there does nothing"}},
	{"an entry goes with its events", func(h *handle) {
		h.changes = func(ctx context.Context, p int, c oneseat.Cursor) (oneseat.Tail, error) {
			t, err := h.Store.Changes(ctx, p, c)
			t.Entries = slices.DeleteFunc(t.Entries, func(e oneseat.Entry) bool { return len(e.Events) == 0 })
			return t, err
		}
	}, []string{"Forgetting/what is forgotten keeps its place, its key and its version in the log"}},
	{"a reader finds a gap where something was forgotten", func(h *handle) {
		h.changes = func(ctx context.Context, p int, c oneseat.Cursor) (oneseat.Tail, error) {
			t, err := h.Store.Changes(ctx, p, c)
			t.Gap = t.Gap || slices.ContainsFunc(t.Entries, func(e oneseat.Entry) bool { return len(e.Events) == 0 })
			return t, err
		}
	}, []string{
		"Forgetting/what is forgotten keeps its place, its key and its version in the log",
	}},
	{"an old copy of the log takes its place", func(h *handle) {
		// What one forgets, another brings back that had read the log before.
		var mu sync.Mutex
		var last string
		h.forget = func(ctx context.Context, realm, account string, version uint64) error {
			mu.Lock()
			defer mu.Unlock()
			if last == "" || last == account {
				last = account
				return h.Store.Forget(ctx, realm, account, version)
			}
			return nil
		}
	}, []string{"Forgetting/no commit is lost while the log forgets"}},
}
