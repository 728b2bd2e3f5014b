package storetest

import (
	"context"
	"errors"
	"sync"

	"github.com/oneseat/oneseat"
)

// fate is what happens to one update on an unreliable handle.
type fate string

const (
	replyLost   fate = "reply lost"   // it is committed, and the caller gets an unknown outcome
	requestLost fate = "request lost" // it is not done, and the caller gets an unknown outcome
	noService   fate = "no service"   // it is not done, and the caller is told so
	rehearsed   fate = "rehearsed"    // the change runs once more before, on a view that is no longer current
)

var errNoService = errors.New("storetest: no service")

// unreliable is a handle on which updates fail as the context of a call says.
type unreliable struct{ node }

// trouble is what happens to the updates of one key under one context, one after the
// other. Updates after the last fate go well.
type trouble struct {
	key     oneseat.Key
	between func() // called after each commit whose reply is lost

	mu    sync.Mutex
	fates []fate
	met   []fate // the fates that came true
}

type troubleKey struct{}

// with returns a context under which tr happens.
func (tr *trouble) with(ctx context.Context) context.Context {
	return context.WithValue(ctx, troubleKey{}, tr)
}

// next takes the next fate of an update of k, or "" if there is none.
func (tr *trouble) next(k oneseat.Key) fate {
	if tr == nil || tr.key != k {
		return ""
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if len(tr.fates) == 0 {
		return ""
	}
	f := tr.fates[0]
	tr.fates, tr.met = tr.fates[1:], append(tr.met, f)
	return f
}

// lost reports whether a reply or a request was lost.
func (tr *trouble) lost() bool {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for _, f := range tr.met {
		if f == replyLost || f == requestLost {
			return true
		}
	}
	return false
}

// Update does what the trouble of the context says.
func (u unreliable) Update(ctx context.Context, k oneseat.Key, change func(oneseat.View) (oneseat.Change, error)) (oneseat.View, error) {
	tr, _ := ctx.Value(troubleKey{}).(*trouble)
	switch tr.next(k) {
	case requestLost:
		return oneseat.View{}, oneseat.ErrUnknownOutcome
	case noService:
		return oneseat.View{}, errNoService
	case replyLost:
		if _, err := u.node.Update(ctx, k, change); err != nil {
			return oneseat.View{}, err
		}
		if tr.between != nil {
			tr.between()
		}
		return oneseat.View{}, oneseat.ErrUnknownOutcome
	case rehearsed:
		vs, err := u.Load(ctx, k)
		if err != nil {
			return oneseat.View{}, err
		}
		if tr.between != nil {
			defer func() { tr.between = nil }()
			tr.between()
		}
		if _, err := oneseat.RunChange(change, vs[0]); err != nil {
			return oneseat.View{}, err
		}
	}
	return u.node.Update(ctx, k, change)
}
