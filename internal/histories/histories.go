// Package histories has clients of several nodes call at once, and holds what they were
// told against the model: there has to be an order of the calls in which all answers are
// right, and in which no call comes before one that had returned when it began. The nodes
// are registries over one store, or clients of servers over one. Checks have to read the
// store each time.
//
// It owns the calls and the record of them. The packages that use it decide what goes wrong
// meanwhile.
package histories

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/model"
)

// Seats is a node: a [oneseat.Registry], or a client of a server. One that plays streams
// is a [Player] too.
type Seats interface {
	SignIn(ctx context.Context, account string, from oneseat.SignInRequest) (oneseat.Grant, error)
	Check(ctx context.Context, token string) (oneseat.Session, error)
	SignOut(ctx context.Context, token string) error
	Rotate(ctx context.Context, token string) (oneseat.Grant, error)
	Redeem(ctx context.Context, ticket oneseat.Ticket, from oneseat.SignInRequest, ids ...oneseat.SessionID) (oneseat.Grant, error)
	End(ctx context.Context, account string, how oneseat.EndOptions, ids ...oneseat.SessionID) (int, error)
	EndOthers(ctx context.Context, account string, keep oneseat.SessionID, how oneseat.EndOptions) (int, error)
	SetLimit(ctx context.Context, account string, limits oneseat.Limits, actor string) error
	Block(ctx context.Context, account string, until time.Time, actor string) error
	Unblock(ctx context.Context, account, actor string) error
}

// Player is a node that knows streams. Only a setting with "play" needs one.
type Player interface {
	StartStream(ctx context.Context, s oneseat.Session, p oneseat.Player) (oneseat.Stream, error)
	Heartbeat(ctx context.Context, s oneseat.Session, stream oneseat.SessionID) error
}

const checkWithin = time.Minute // on a machine that is busy; nearly always it takes milliseconds

// program is the device that signs in. Its sessions are of class api, so none gives way
// because it is unused. That would depend on the time, which no order of calls shows.
var program = oneseat.Device{Class: oneseat.ClassAPI}

// Setting is the configuration of the registries of some histories, and the calls in
// them.
type Setting struct {
	Limit  int
	Policy oneseat.Policy
	Calls  []string
}

// Settings are those of the histories that are made of registries.
var Settings = []Setting{
	{1, oneseat.PolicyDisplace, []string{"sign in", "sign in", "check", "check", "check", "sign out", "rotate", "end"}},
	{2, oneseat.PolicyDisplace, []string{"sign in", "sign in", "sign in", "check", "check", "check", "sign out", "rotate", "end", "end others"}},
	{2, oneseat.PolicyRefuse, []string{"sign in", "sign in", "sign in", "check", "check", "sign out", "rotate", "end", "end others"}},
	{1, oneseat.PolicyAsk, []string{"sign in", "sign in", "redeem", "redeem", "redeem", "check", "check", "sign out", "block", "unblock", "end others"}},
	{2, oneseat.PolicyDisplace, []string{"sign in", "sign in", "sign in", "set a limit", "set a limit", "check", "check", "block", "unblock", "unblock"}},
	{2, oneseat.PolicyRefuse, []string{"sign in", "sign in", "play", "play", "play", "beat", "beat", "beat", "sign out", "end"}},
}

// devices are the devices that people sign in from. Half of all sign-ins come from no
// device that is known.
const devices = 2

func deviceID(device int) string {
	if device == 0 {
		return ""
	}
	return fmt.Sprint("a device's own id, ", device)
}

// History is one history, which is run once.
type History struct {
	Test    *testing.T
	Nodes   []Seats
	Setting Setting
	Clients int
	Each    int    // calls of one client
	Seed    uint64 // of this history
	Again   string // how the choices are repeated

	// Meets says what a call meets: the context to make it in, and after it whether a reply
	// was lost on the way, and whether its error says that nothing was done. Default:
	// nothing goes wrong.
	Meets func(ctx context.Context, choices *rand.Rand, c model.Call) (_ context.Context, after func(err error) (unsure, nothing bool))

	began      time.Time
	mu         sync.Mutex // guards everything below
	number     int
	operations []porcupine.Operation
	sessions   map[int]oneseat.SessionID // by number
	accounts   [2]known
}

// known is what the clients have learned of one account.
type known struct {
	name    string
	tokens  []token
	tickets []ticket
	streams []stream
	signIns int
}

type ticket struct {
	text           oneseat.Ticket
	number, device int
}

// stream is a stream of a session, by the session's number, and of one of its players.
type stream struct {
	id              oneseat.SessionID
	session, player int
}

// token is what clients hold: a text, and the numbers that the model has for it and its
// session.
type token struct {
	text    string
	number  int
	id      oneseat.SessionID
	session int
}

// Run has every client make its calls, all at once, and judges them. It reports whether
// there is an order in which they are right; if not, the test has failed.
func (h *History) Run() bool {
	h.began = time.Now()
	h.sessions = make(map[int]oneseat.SessionID)
	for i := range h.accounts {
		h.accounts[i].name = fmt.Sprintf("account %d of %s", i, strconv.FormatUint(h.Seed, 36))
	}
	var all sync.WaitGroup
	for client := range h.Clients {
		all.Go(func() {
			choices := rand.New(rand.NewPCG(h.Seed, uint64(client))) // a test may choose at random
			for range h.Each {
				h.call(client, choices)
			}
		})
	}
	all.Wait()
	result, info := porcupine.CheckOperationsVerbose(model.New(h.Setting.Limit, h.Setting.Policy), h.operations, checkWithin)
	if result != porcupine.Ok {
		h.report(info, result)
	}
	return result == porcupine.Ok
}

// call makes one call and notes what came back.
func (h *History) call(client int, choices *rand.Rand) {
	r := h.Nodes[client%len(h.Nodes)]
	h.mu.Lock()
	h.number++
	a := &h.accounts[choices.IntN(len(h.accounts))]
	c := model.Call{Number: h.number, Account: a.name, What: h.Setting.Calls[choices.IntN(len(h.Setting.Calls))]}
	most := oneseat.MaxEndings // because the model forgets no ending
	if h.Setting.Policy == oneseat.PolicyAsk {
		most = 8 // and no ticket
	}
	if c.What == "sign in" {
		if a.signIns++; a.signIns >= most {
			c.What = "check"
		}
	}
	rather := func(n int) int { return n - 1 - min(choices.IntN(n), choices.IntN(n)) } // a number that is near the end more often
	var on, chosen token
	var redeems ticket
	var plays stream
	if n := len(a.tokens); n > 0 && (c.What != "sign in" || choices.IntN(2) == 0) {
		on, chosen = a.tokens[rather(n)], a.tokens[rather(n)]
	}
	if n := len(a.tickets); n > 0 {
		redeems = a.tickets[rather(n)]
	}
	if n := len(a.streams); n > 0 {
		plays = a.streams[rather(n)]
	}
	switch c.On = on.number; c.What {
	case "sign in":
		c.Device = max(0, choices.IntN(2*devices)-devices+1)
	case "end others":
		c.On = on.session
	case "end":
		if c.On = on.session; plays.id != "" && choices.IntN(2) == 0 {
			c.On, c.Stream, on.id = 0, plays.id, plays.id
		}
	case "redeem":
		c.On, c.With, c.Instead, c.Device = 0, redeems.number, chosen.session, redeems.device
		if choices.IntN(8) == 0 {
			c.Device = choices.IntN(1 + devices) // of another, perhaps
		}
	case "play":
		c.On, c.With, c.Stream = on.session, 1+choices.IntN(2), plays.id
	case "beat":
		if c.On, c.With, c.Stream = plays.session, plays.player, plays.id; choices.IntN(4) == 0 {
			c.On = on.session // the session may be another account's
		}
	case "set a limit":
		c.With = 1 + choices.IntN(3)
	}
	as := oneseat.Session{Account: a.name, ID: h.sessions[c.On]}
	h.mu.Unlock()

	ctx, after := h.Test.Context(), func(error) (bool, bool) { return false, false }
	if h.Meets != nil {
		ctx, after = h.Meets(ctx, choices, c)
	}
	var g oneseat.Grant
	var s oneseat.Session
	var started oneseat.Stream
	var n int
	var err error
	call := time.Since(h.began)
	switch c.What {
	case "sign in":
		g, err = r.SignIn(ctx, a.name, oneseat.SignInRequest{Token: on.text, Device: program, DeviceID: deviceID(c.Device)})
	case "check":
		if s, err = r.Check(ctx, on.text); err == nil && s.ID != on.id {
			h.Test.Errorf("the token of session %s is taken for one of %s", on.id, s.ID)
		}
	case "sign out":
		err = r.SignOut(ctx, on.text)
	case "rotate":
		g, err = r.Rotate(ctx, on.text)
	case "end":
		n, err = r.End(ctx, a.name, oneseat.EndOptions{}, on.id)
	case "end others":
		n, err = r.EndOthers(ctx, a.name, cmp.Or(as.ID, "nobody"), oneseat.EndOptions{}) // without an id it would rest on no session
	case "redeem":
		g, err = r.Redeem(ctx, redeems.text, oneseat.SignInRequest{Device: program, DeviceID: deviceID(c.Device)}, chosen.id)
	case "play":
		started, err = r.(Player).StartStream(ctx, as, oneseat.Player{ID: fmt.Sprint(c.With), Instead: []oneseat.SessionID{plays.id}})
	case "beat":
		err = r.(Player).Heartbeat(ctx, as, plays.id)
	case "set a limit":
		err = r.SetLimit(ctx, a.name, oneseat.Limits{Total: c.With}, "")
	case "block":
		err = r.Block(ctx, a.name, time.Time{}, "")
	case "unblock":
		err = r.Unblock(ctx, a.name, "")
	}
	back := time.Since(h.began)
	unsure, nothing := after(err)
	c.Unsure = unsure

	h.mu.Lock()
	defer h.mu.Unlock()
	if nothing {
		return
	}
	said, ok := model.ReplyOf(err)
	if !ok {
		h.Test.Errorf("%v returned %v", c, err)
		return
	}
	o := porcupine.Operation{ClientId: client, Input: c, Call: int64(call), Return: int64(back)}
	switch {
	case said.Said == "yes" && c.What == "play":
		said.Stream = started.ID
		a.streams = append(a.streams, stream{started.ID, c.On, c.With})
	case said.Said == "yes":
		said.Count = n
	case said.Said == "full" && c.What == "sign in":
		if full, _ := errors.AsType[*oneseat.LimitError](err); full.Ticket != "" {
			a.tickets = append(a.tickets, ticket{full.Ticket, c.Number, c.Device})
		}
	case said.Said == "unknown":
		o.Return = math.MaxInt64 // it may have happened at any time since, or never, so the call stays open
	}
	o.Output = said
	h.operations = append(h.operations, o)
	if g.Token != "" {
		t := token{string(g.Token), c.Number, g.Session.ID, c.Number}
		if c.What == "rotate" {
			t.session = on.session
		}
		a.tokens = append(a.tokens, t)
		h.sessions[t.session] = t.id
	}
}

// report fails the test and leaves a picture of the history.
func (h *History) report(info porcupine.LinearizationInfo, result porcupine.CheckResult) {
	t, set := h.Test, h.Setting
	path := filepath.Join(t.ArtifactDir(), fmt.Sprintf("history-%d.html", h.Seed))
	if err := porcupine.VisualizePath(model.New(set.Limit, set.Policy), info, path); err != nil {
		t.Errorf("no picture: %v", err)
	}
	what := "there is no order in which all answers are right"
	if result == porcupine.Unknown {
		what = fmt.Sprintf("undecided within %v, which proves nothing", checkWithin)
	}
	t.Errorf("limit %d, %s, %d operations: %s; see %s (go test -artifacts keeps it); %s repeats the choices", set.Limit, set.Policy, len(h.operations), what, path, h.Again)
}
