package faults

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/model"
)

const (
	clients  = 6
	accounts = 3
	most     = 28 // calls that change an account, in one history: the model forgets no ending, and a roster forgets endings beyond 32
)

// history is what clients called and what they were answered, in one realm.
type history struct {
	seed   uint64
	realm  string
	limit  int
	policy oneseat.Policy
	stale  time.Duration
	began  time.Time

	mu         sync.Mutex // guards everything below
	number     int
	operations []porcupine.Operation
	tokens     [accounts][]token
	changes    [accounts]int
	held       []*held
	wrong      []string // answers that no node may give
}

// token is what clients hold: a text, and the numbers that the model has for it
// and its session.
type token struct {
	text    string
	number  int
	id      oneseat.SessionID
	session int
}

// held is work in flight on one life of a node.
type held struct {
	on      token
	process *process
	cut     bool
}

func (h *history) account(i int) string { return fmt.Sprintf("account %d", i) }

func (h *history) since() int64 { return int64(time.Since(h.began)) }

// whats are the calls of clients. One that stands here twice is made twice as often.
var whats = []string{"sign in", "sign in", "sign in", "sign in", "check", "check", "check", "check", "check", "check", "hold", "hold", "sign out", "sign out", "rotate", "rotate", "end", "end others"}

// devices are the devices that people sign in from. Half of all sign-ins come from no
// device that is known.
const devices = 2

// tries is how often a call is repeated because its reply was lost.
const tries = 5

// act has every client call nodes at random until the time is over.
func (h *history) act(nodes []*node, lasts time.Duration) {
	var all sync.WaitGroup
	end := time.Now().Add(lasts)
	for client := range clients {
		choices := rand.New(rand.NewPCG(h.seed, uint64(client))) // a test may choose at random
		all.Go(func() {
			for time.Now().Before(end) {
				h.choose(client, nodes[choices.IntN(len(nodes))], choices)
				time.Sleep(time.Duration(choices.IntN(60)) * time.Millisecond) // people take their time
			}
		})
	}
	all.Wait()
}

// choose makes one call that a client chooses.
func (h *history) choose(client int, n *node, choices *rand.Rand) {
	i := choices.IntN(accounts)
	what := whats[choices.IntN(len(whats))]
	h.mu.Lock()
	var on token
	if known := len(h.tokens[i]); known > 0 {
		on = h.tokens[i][known-1-min(choices.IntN(known), choices.IntN(known))] // a new one more often
	}
	if on.text == "" {
		what = "sign in"
	}
	if h.changes[i] >= most {
		what = "check"
	}
	h.mu.Unlock()
	device := 0
	if what == "sign in" {
		device = max(0, choices.IntN(2*devices)-devices+1)
	}
	h.call(client, n, i, what, on, device)
}

// call makes one call and notes what came of it. device is the one that signs in.
func (h *history) call(client int, n *node, i int, what string, on token, device int) {
	p := n.now()
	if p == nil {
		return // the node is down, so nothing is called
	}
	h.mu.Lock()
	h.number++
	// Only the node knows whether a reply was lost on its way to the node.
	c := model.Call{Number: h.number, Account: h.account(i), What: what, On: on.number, Unsure: true}
	var work *held
	var cut func()
	switch what {
	case "sign in":
		c.On, c.Device = 0, device
		h.changes[i]++
	case "end", "end others":
		c.On = on.session
		h.changes[i]++
	case "sign out", "rotate":
		h.changes[i]++
	case "hold":
		c.What = "check"
		work = &held{on: on, process: p}
		cut = func() {
			h.mu.Lock()
			defer h.mu.Unlock()
			work.cut = true
		}
	}
	h.mu.Unlock()

	o := porcupine.Operation{ClientId: client, Input: c, Call: h.since()}
	q := request{What: what, Account: c.Account, Token: on.text, Session: on.id}
	if device != 0 {
		q.Device = fmt.Sprint("a device's own id, ", device)
	}
	a, err := p.ask(q, cut)
	o.Return = h.since()
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case err != nil: // the node was killed
		a.Reply, a.Lost = model.Reply{Said: "unknown"}, tries
	case a.Wrong != "":
		h.wrong = append(h.wrong, fmt.Sprintf("%v on node %d: %s", c, n.number, a.Wrong))
		return
	case a.Failed != "":
		return // nothing was done
	}
	if a.Reply.Said == "unknown" {
		if c.What == "check" {
			return
		}
		o.Return = math.MaxInt64 // it may have happened at any time since, or never
	}
	o.Output = a.Reply
	h.operations = append(h.operations, o)
	if what == "end others" {
		if a.Reply.Said == "unknown" {
			a.Lost-- // one of the tries is this one
		}
		for range a.Lost { // each try may have ended others, see the model
			h.number++
			c.Number = h.number
			o.Input, o.Output, o.Return = c, model.Reply{Said: "unknown"}, math.MaxInt64
			h.operations = append(h.operations, o)
		}
	}
	if work != nil && a.Reply.Said == "yes" {
		h.held = append(h.held, work)
	}
	if a.Token != "" {
		t := token{text: a.Token, number: c.Number, id: a.Session, session: c.Number}
		if what == "rotate" {
			t.session = on.session
		}
		h.tokens[i] = append(h.tokens[i], t)
	}
}

// look has every node check the newest tokens of every account, one after the other.
func (h *history) look(nodes []*node) {
	for i := range accounts {
		h.mu.Lock()
		newest := h.tokens[i][max(0, len(h.tokens[i])-6):]
		h.mu.Unlock()
		for _, t := range newest {
			for _, n := range nodes {
				h.call(clients, n, i, "check", t, 0)
			}
		}
	}
}
