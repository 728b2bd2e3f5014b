package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/oneseat/oneseat"
)

// patient is a handle that makes a call again if the store refuses it because it is
// busy. On a machine that does other work too, a store may wait too long, for a lock
// for example. It then says that nothing was done, which is no fault.
type patient struct {
	oneseat.Store
	oneseat.History
}

func (p patient) Load(ctx context.Context, ks ...oneseat.Key) ([]oneseat.View, error) {
	return unlessBusy(ctx, func() ([]oneseat.View, error) { return p.Store.Load(ctx, ks...) })
}

func (p patient) Update(ctx context.Context, k oneseat.Key, change changeFunc) (oneseat.View, error) {
	return unlessBusy(ctx, func() (oneseat.View, error) { return p.Store.Update(ctx, k, change) })
}

func (p patient) Changes(ctx context.Context, partition int, after oneseat.Cursor) (oneseat.Tail, error) {
	return unlessBusy(ctx, func() (oneseat.Tail, error) { return p.Store.Changes(ctx, partition, after) })
}

func (p patient) Due(ctx context.Context, realm string, limit int) ([]oneseat.Key, error) {
	return unlessBusy(ctx, func() ([]oneseat.Key, error) { return p.Store.Due(ctx, realm, limit) })
}

func (p patient) Rosters(ctx context.Context, q oneseat.RosterQuery) ([]oneseat.View, error) {
	return unlessBusy(ctx, func() ([]oneseat.View, error) { return p.History.Rosters(ctx, q) })
}

func (p patient) Events(ctx context.Context, q oneseat.EventQuery) ([]oneseat.Record, error) {
	return unlessBusy(ctx, func() ([]oneseat.Record, error) { return p.History.Events(ctx, q) })
}

func (p patient) Count(ctx context.Context, realm string, epoch uint64) (oneseat.Count, error) {
	return unlessBusy(ctx, func() (oneseat.Count, error) { return p.History.Count(ctx, realm, epoch) })
}

func (p patient) Forget(ctx context.Context, realm, account string, version uint64) error {
	_, err := unlessBusy(ctx, func() (struct{}, error) { return struct{}{}, p.History.Forget(ctx, realm, account, version) })
	return err
}

// unlessBusy repeats a call until the store is not too busy for it.
func unlessBusy[T any](ctx context.Context, call func() (T, error)) (T, error) {
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		v, err := call()
		e, ok := errors.AsType[*oneseat.StoreError](err)
		busy := ok && e.Failure == oneseat.FailureBusy && !errors.Is(err, oneseat.ErrUnknownOutcome)
		if !busy || ctx.Err() != nil || time.Now().After(end) {
			return v, err
		}
	}
}

// unhurried is a handle whose calls may take any time. A registry gives a read two
// seconds and an update six, because people wait for them. In a test a busy machine
// makes them slow. A call whose context is cancelled ends as always.
type unhurried struct{ backend }

func (u unhurried) Load(ctx context.Context, ks ...oneseat.Key) ([]oneseat.View, error) {
	ctx, done := withoutDeadline(ctx)
	defer done()
	return u.backend.Load(ctx, ks...)
}

func (u unhurried) Update(ctx context.Context, k oneseat.Key, change changeFunc) (oneseat.View, error) {
	ctx, done := withoutDeadline(ctx)
	defer done()
	return u.backend.Update(ctx, k, change)
}

func (u unhurried) Changes(ctx context.Context, partition int, after oneseat.Cursor) (oneseat.Tail, error) {
	ctx, done := withoutDeadline(ctx)
	defer done()
	return u.backend.Changes(ctx, partition, after)
}

// withoutDeadline returns a context that is cancelled with ctx, except by its deadline.
func withoutDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	free, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			cancel()
		}
	})
	return free, func() { stop(); cancel() }
}
