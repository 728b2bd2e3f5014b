package simulate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/oneseat/oneseat"
)

var (
	errDown = errors.New("simulate: the store cannot be reached")
	errDead = errors.New("simulate: this process has crashed")
)

// link is one registry's way to the store. It is an [oneseat.Store] on which each call
// takes time, and fails, as the plan says.
type link struct {
	*node
	mu    sync.Mutex
	dice  [4]dice // of loads, updates, readings of the log, wakes
	wakes map[*func(int)]struct{}
	dead  bool

	// The judge reads these. They say which answers the registry has had.
	answered map[oneseat.Key]time.Duration // when the latest read or update that was answered began
	heard    []time.Duration               // by partition: when the latest reading that came to its end began
	failed   time.Duration                 // when a call last failed
	slowest  time.Duration                 // the longest of the calls
	flying   []time.Duration               // when those under way began
}

const never = -time.Hour

var _ oneseat.Store = (*link)(nil)

func newLink(n *node, generation int) *link {
	l := &link{
		node: n, wakes: make(map[*func(int)]struct{}),
		answered: make(map[oneseat.Key]time.Duration), heard: make([]time.Duration, n.w.plan.partitions), failed: never,
	}
	for i := range l.dice {
		l.dice[i] = dice{stream(n.w.plan.seed, streamLink+uint64(n.number)<<10+uint64(generation)<<4+uint64(i))}
	}
	for i := range l.heard {
		l.heard[i] = never
	}
	return l
}

// fate is what happens to one call.
type fate struct {
	there, between, back time.Duration
	what                 outcome
	most, again          int // of a reading of the log
}

type outcome int

const (
	served    outcome = iota
	refused           // it does not arrive, and the caller is told so
	replyLost         // it is done, and the caller gets an unknown outcome
	notSent           // it is not done, and the caller gets an unknown outcome
	arrivesLate
	skips // a reading of the log that skips to its end
)

const (
	loads = iota
	updates
	readings
	pushes
)

// draw decides the fate of the next call of a kind. It makes the same number of draws
// each time, whatever they are.
func (l *link) draw(kind int) (f fate) {
	p := &l.w.plan
	l.mu.Lock()
	defer l.mu.Unlock()
	if f.most = math.MaxInt32; l.w.quiet.Load() {
		return f
	}
	d := l.dice[kind]
	f.there, f.between, f.back = p.pace.draw(d), p.pace.draw(d), p.pace.draw(d)
	chance, which := d.IntN(100), d.IntN(3)
	switch kind {
	case loads:
		if chance < p.unread {
			f.what = oneOf(d, refused, replyLost)
		}
	case updates:
		switch {
		case chance < p.lost:
			f.what = [...]outcome{replyLost, notSent, arrivesLate}[which]
		case chance < p.lost+p.unread:
			f.what = refused
		}
	case readings:
		switch {
		case chance < p.unheard:
			f.what = [...]outcome{refused, replyLost, replyLost}[which]
		case chance < p.unheard+p.gaps:
			f.what = skips
		}
		if d.percent(p.pieces) {
			f.most = 1 + which
		}
		if d.percent(p.repeats) {
			f.again = 1 + which
		}
	}
	return f
}

// draw returns how long a call is on its way.
func (p pace) draw(d dice) time.Duration {
	if d.percent(p.slow) {
		return d.upTo(p.rare)
	}
	return d.upTo(p.usual)
}

// travel waits until a call has arrived, or has come back.
func (l *link) travel(ctx context.Context, d time.Duration, c calls) error {
	l.pass()
	if o := l.out(c); o != nil {
		_ = l.w.met("store out of reach", nil)
		if !o.hangs {
			wait(ctx, time.Millisecond)
			return errDown
		}
		wait(ctx, o.to-l.w.now())
	}
	wait(ctx, d)
	l.pass()
	l.mu.Lock()
	dead := l.dead
	l.mu.Unlock()
	if dead {
		return errDead
	}
	return ctx.Err()
}

// wait waits as long as ctx lasts, or a moment longer.
func wait(ctx context.Context, d time.Duration) {
	if d <= 50*time.Millisecond {
		time.Sleep(d) // this costs less
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// begin notes that a call is under way.
func (l *link) begin() time.Duration {
	now := l.w.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flying = append(l.flying, now)
	return now
}

// longest returns how long calls have taken, including those under way.
func (l *link) longest(now time.Duration) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.flying) > 0 {
		return max(l.slowest, now-slices.Min(l.flying))
	}
	return l.slowest
}

// lastFailure returns when a call last failed, or never if none has.
func (l *link) lastFailure() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

// note keeps what the judge reads of a call that began then.
func (l *link) note(began time.Duration, err error, keys ...oneseat.Key) {
	now := l.w.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.flying, began)
	l.flying = slices.Delete(l.flying, i, i+1)
	l.slowest = max(l.slowest, now-began)
	if err != nil {
		l.failed = now
		return
	}
	for _, k := range keys {
		if was, ok := l.answered[k]; !ok || was < began {
			l.answered[k] = began
		}
	}
}

// Load implements [oneseat.Store].
func (l *link) Load(ctx context.Context, keys ...oneseat.Key) ([]oneseat.View, error) {
	began := l.begin()
	views, err := l.load(ctx, keys)
	l.note(began, err, keys...)
	return views, err
}

func (l *link) load(ctx context.Context, keys []oneseat.Key) ([]oneseat.View, error) {
	f := l.draw(loads)
	if err := l.travel(ctx, f.there, reads); err != nil {
		return nil, err
	}
	if f.what == refused {
		return nil, l.w.met("read refused", errDown)
	}
	views := make([]oneseat.View, len(keys))
	for i, k := range keys {
		if i > 0 && l.w.plan.split {
			wait(ctx, f.between)
		}
		views[i] = l.w.view(k)
	}
	if err := l.travel(ctx, f.back, reads); err != nil {
		return nil, err
	}
	if f.what == replyLost {
		return nil, l.w.met("reply of a read lost", errDown)
	}
	return views, nil
}

// Update implements [oneseat.Store].
func (l *link) Update(ctx context.Context, key oneseat.Key, change func(oneseat.View) (oneseat.Change, error)) (oneseat.View, error) {
	began := l.begin()
	v, err := l.update(ctx, key, change)
	l.note(began, err, key)
	return v, err
}

func (l *link) update(ctx context.Context, key oneseat.Key, change func(oneseat.View) (oneseat.Change, error)) (oneseat.View, error) {
	f := l.draw(updates)
	if err := l.travel(ctx, f.there, writes); err != nil {
		return oneseat.View{}, err
	}
	switch f.what {
	case refused:
		return oneseat.View{}, l.w.met("update refused", errDown)
	case notSent:
		return oneseat.View{}, l.w.met("request of an update lost", unknown("the request was lost"))
	}
	by := callOf(ctx)
	for try := 0; ; try++ {
		v := l.w.view(key)
		c, err := oneseat.RunChange(change, v)
		if err != nil {
			return oneseat.View{}, err
		}
		if f.what == arrivesLate {
			l.w.later.Go(func() {
				time.Sleep(f.between + f.back)
				if _, ok := l.w.commit(v, c, by); ok && c.Roster != nil {
					_ = l.w.met("update arrived late", nil)
				}
			})
			return oneseat.View{}, unknown("it is still on its way")
		}
		if l.w.plan.apart && try < 10 && f.between > 0 {
			if wait(ctx, f.between); ctx.Err() != nil {
				return oneseat.View{}, ctx.Err() // the commit has not begun
			}
			l.pass()
		}
		after, ok := l.w.commit(v, c, by)
		if !ok {
			_ = l.w.met("update in conflict", nil)
			continue
		}
		if err := l.travel(ctx, f.back, writes); err != nil {
			return oneseat.View{}, unknown(err.Error())
		}
		if f.what == replyLost {
			return oneseat.View{}, l.w.met("reply of an update lost", unknown("the reply was lost"))
		}
		return after, nil
	}
}

func unknown(why string) error {
	return fmt.Errorf("simulate: %s: %w", why, oneseat.ErrUnknownOutcome)
}

// Partitions implements [oneseat.Store].
func (l *link) Partitions() int { return l.w.plan.partitions }

// Changes implements [oneseat.Store].
func (l *link) Changes(ctx context.Context, partition int, after oneseat.Cursor) (oneseat.Tail, error) {
	began := l.begin()
	t, err := l.changes(ctx, partition, after)
	l.note(began, err)
	if err == nil && t.End {
		l.mu.Lock()
		l.heard[partition] = max(l.heard[partition], began)
		l.mu.Unlock()
	}
	return t, err
}

func (l *link) changes(ctx context.Context, partition int, after oneseat.Cursor) (oneseat.Tail, error) {
	f := l.draw(readings)
	if err := l.travel(ctx, f.there, theLog); err != nil {
		return oneseat.Tail{}, err
	}
	if f.what == refused {
		return oneseat.Tail{}, l.w.met("log not readable", errDown)
	}
	if f.what == skips && after != "" {
		after = "skipped.0"
	}
	t := l.w.changes(partition, after, f.most, f.again)
	if t.Gap {
		_ = l.w.met("gap in the log", nil)
	}
	if err := l.travel(ctx, f.back, theLog); err != nil {
		return oneseat.Tail{}, err
	}
	if f.what == replyLost {
		return oneseat.Tail{}, l.w.met("log not readable", errDown)
	}
	return t, nil
}

// Wake implements [oneseat.Store].
func (l *link) Wake(ctx context.Context, wake func(int)) error {
	if !l.deaf {
		l.mu.Lock()
		l.wakes[&wake] = struct{}{}
		l.mu.Unlock()
		defer func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			delete(l.wakes, &wake)
		}()
	}
	<-ctx.Done()
	return ctx.Err()
}

// push tells the registry that a partition has something new: at once, late, twice, or
// never.
func (l *link) push(partition int) {
	f := l.draw(pushes)
	l.mu.Lock()
	odd, which := l.dice[pushes].percent(l.w.plan.drops) && !l.w.quiet.Load(), l.dice[pushes].IntN(3)
	wakes := make([]func(int), 0, 1)
	for w := range l.wakes {
		wakes = append(wakes, *w)
	}
	l.mu.Unlock()
	delays := []time.Duration{f.there}
	switch {
	case odd && which == 0:
		delays = nil
	case odd && which == 1:
		delays = []time.Duration{f.there + 700*time.Millisecond}
	case odd:
		delays = []time.Duration{f.there, f.there + f.back}
	}
	if odd {
		_ = l.w.met("wake dropped, late or doubled", nil)
	}
	for _, w := range wakes {
		for _, d := range delays {
			time.AfterFunc(d, func() { w(partition) })
		}
	}
}

// Due implements [oneseat.Store].
func (l *link) Due(ctx context.Context, realm string, limit int) ([]oneseat.Key, error) {
	if err := l.travel(ctx, 0, reads); err != nil {
		return nil, err
	}
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	return slices.Clone(l.w.store.due(realm, limit)), nil
}
