package webtest

import (
	"context"
	"net/http"
	"sync"

	"github.com/oneseat/oneseat"
)

// Between is a store that calls a function before each update that a request makes.
// The function gets the request, so a test can act between any two steps of a
// handler. An error of the function is the update's error. Wrap the application in
// [Between.Around].
type Between struct {
	oneseat.Store

	requests sync.WaitGroup
	mu       sync.Mutex // guards before
	before   func(r *http.Request) error
}

type requestKey struct{}

// Around serves next, and lets the store know which request makes an update.
func (b *Between) Around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.requests.Add(1)
		defer b.requests.Done()
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestKey{}, r)))
	})
}

// Before makes the store call f before each update from now on; nil: no function.
func (b *Between) Before(f func(r *http.Request) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.before = f
}

// Wait returns when no request is being served. That includes requests that their
// browser has left.
func (b *Between) Wait() { b.requests.Wait() }

// Update implements [oneseat.Store].
func (b *Between) Update(ctx context.Context, key oneseat.Key, change func(oneseat.View) (oneseat.Change, error)) (oneseat.View, error) {
	b.mu.Lock()
	before := b.before
	b.mu.Unlock()
	if r, ok := ctx.Value(requestKey{}).(*http.Request); ok && before != nil {
		if err := before(r); err != nil {
			return oneseat.View{}, err
		}
	}
	return b.Store.Update(ctx, key, change)
}
