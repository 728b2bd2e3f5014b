package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
)

const (
	longestWait = 30 * time.Second
	keptEvents  = 4096 // of a realm, that a caller may fall behind
	eventsAPage = 512
)

// news are the events that a key with the scope "check" is told of. After each of them a
// token may not be good any more, or a session may have changed. Other events, and more
// about these, are for "admin".
var news = []oneseat.EventType{
	oneseat.EventSessionEnded, oneseat.EventSessionRotated, oneseat.EventSessionConfirmed, oneseat.EventSessionDataChanged, oneseat.EventSessionMoved, oneseat.EventStreamEnded, oneseat.EventRealmEnded,
}

// hub has the latest events of a realm for the callers of /v1/changes.
//
// Its goroutine takes events and answers questions. The first question begins it, and
// the end of the registry ends it. A question is answered when the lag of the log was
// asked for and the subscription was then read empty: so the answer has every event
// that was committed before that lag began.
type hub struct {
	seats *oneseat.Registry
	begin func() // begins the goroutine, once
	ask   chan func()
	over  chan struct{} // closed when the goroutine has ended

	// Only the goroutine uses what follows, and the questions that it calls.

	incarnation string // of the numbers; another one: events may have been missed
	end         uint64 // the number of the next event
	kept        []oneseat.Event
	lag         time.Duration // of the log, for the question at hand
	told        chan struct{} // closed when there is news
	heard       chan struct{} // closed when there is any event
}

func newHub(seats *oneseat.Registry) *hub {
	h := &hub{seats: seats, ask: make(chan func()), over: make(chan struct{}), told: make(chan struct{}), heard: make(chan struct{})}
	h.begin = sync.OnceFunc(func() { go h.run() })
	return h
}

func (h *hub) run() {
	defer close(h.over)
	sub := h.follow()
	for {
		var question func()
		select {
		case e, more := <-sub.Events():
			if more {
				h.add(e)
			}
		case question = <-h.ask:
			h.lag = h.seats.LogLag()
			for len(sub.Events()) > 0 {
				h.add(<-sub.Events())
			}
		}
		switch err := sub.Err(); {
		case errors.Is(err, oneseat.ErrClosed):
			return
		case err != nil:
			sub = h.follow()
		}
		if question != nil {
			question()
		}
	}
}

// follow subscribes anew. For every cursor from before there is a gap.
func (h *hub) follow() *oneseat.Subscription {
	sub := h.seats.Subscribe("")
	h.incarnation, h.end, h.kept = rand.Text(), 0, nil
	h.wake(&h.told)
	h.wake(&h.heard)
	return sub
}

func (h *hub) add(e oneseat.Event) {
	if len(h.kept) >= 2*keptEvents {
		h.kept = slices.Clone(h.kept[keptEvents:])
	}
	h.kept = append(h.kept, e)
	h.end++
	h.wake(&h.heard)
	if slices.Contains(news, e.Type) {
		h.wake(&h.told)
	}
}

func (h *hub) wake(c *chan struct{}) {
	close(*c)
	*c = make(chan struct{})
}

// since answers a question: what came after a cursor, and a channel that is closed when
// there is more to tell. all: every event is asked for.
func (h *hub) since(ctx context.Context, cursor string, all bool, arrived time.Time) (a api.Changes, more <-chan struct{}, err error) {
	h.begin()
	done := make(chan struct{})
	question := func() {
		defer close(done)
		a, more = h.answer(cursor, all, time.Since(arrived))
	}
	select {
	case h.ask <- question:
	case <-h.over:
	case <-ctx.Done():
		return a, nil, ctx.Err()
	}
	select {
	case <-done:
		return a, more, nil
	case <-h.over: // the goroutine ended at this question
		return api.Changes{}, nil, oneseat.ErrClosed
	}
}

// answer is the question's part on the goroutine. held is how long ago the call came.
func (h *hub) answer(cursor string, all bool, held time.Duration) (a api.Changes, more <-chan struct{}) {
	a.Events = []api.Event{}
	first := h.end - uint64(len(h.kept))
	from, ok := h.at(cursor)
	if cursor == "" || !ok || from < first || from > h.end {
		a.Gap, from = cursor != "", h.end
	}
	for ; from < h.end && len(a.Events) < eventsAPage; from++ {
		e := h.kept[from-first]
		if all {
			a.Events = append(a.Events, eventOf(e))
		} else if slices.Contains(news, e.Type) {
			a.Events = append(a.Events, api.Event{Type: string(e.Type), Account: e.Account, Session: string(e.Session), At: millis(e.At), Reason: string(e.Reason)})
		}
	}
	a.Cursor = fmt.Sprintf("%s.%d", h.incarnation, from)
	if from == h.end && h.lag >= 0 {
		age := (h.lag - held + time.Millisecond - 1).Milliseconds() // upwards
		a.Age = &age
	}
	if all {
		return a, h.heard
	}
	return a, h.told
}

// at returns the number of a cursor of this incarnation.
func (h *hub) at(cursor string) (uint64, bool) {
	incarnation, number, _ := strings.Cut(cursor, ".")
	n, err := strconv.ParseUint(number, 10, 64)
	return n, err == nil && incarnation == h.incarnation
}

// changes answers when there is something to tell after a cursor, or the time to wait is
// over, or the server is drained. Without a cursor it answers at once.
func changes(ctx context.Context, q *request) (int, any, error) {
	var in api.ChangesQuery
	if err := q.into(&in); err != nil {
		return 0, nil, err
	}
	if most := longestWait.Milliseconds(); in.Wait < 0 || in.Wait > most {
		return 0, nil, &refusal{status: http.StatusUnprocessableEntity, name: "bad-time", detail: fmt.Sprintf("wait_ms is 0 to %d.", most)}
	}
	h := q.realm.hub
	q.realm.counters.polls.Inc()
	defer q.realm.counters.polls.Dec()
	arrived, all := time.Now(), q.key.allows(ScopeAdmin)
	over := time.NewTimer(time.Duration(in.Wait) * time.Millisecond)
	defer over.Stop()
	for waits := in.After != ""; ; {
		a, more, err := h.since(ctx, in.After, all, arrived)
		if err != nil || !waits || a.Gap || len(a.Events) > 0 {
			return http.StatusOK, a, err
		}
		select {
		case <-more:
			in.After = a.Cursor
		case <-over.C:
			waits = false
		case <-q.server.draining:
			waits = false
		case <-h.over:
			return 0, nil, oneseat.ErrClosed
		case <-ctx.Done():
			return 0, nil, ctx.Err()
		}
	}
}
