package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/model"
)

// linearizable holds what several nodes did at once against the model. There has to be
// an order of the calls, true to time, in which all answers are right. Checks read the
// store each time.
var linearizable = []promise{
	{"what several nodes do at once has an order in which all answers are right", func(t *testing.T, fresh Factory) {
		histories(t, fresh, 5, nil)
	}},
	{"so it has when replies are lost and the store fails", func(t *testing.T, fresh Factory) {
		histories(t, fresh, 4, [][]fate{
			{replyLost}, {replyLost}, {requestLost}, {rehearsed}, {noService}, {replyLost, requestLost, replyLost}, {replyLost, noService}, {rehearsed},
		})
	}},
}

const (
	clients     = 5
	callsEach   = 10 // calls of one client in one history
	checkWithin = 20 * time.Second
)

// program is the device that signs in. Its sessions are of class api, so none gives way
// because it is unused. That would depend on the time, which no order of calls shows.
var program = oneseat.Device{Class: oneseat.ClassAPI}

// setting is the configuration of the registries of some histories, and the calls in
// them.
type setting struct {
	limit  int
	policy oneseat.Policy
	calls  []string
}

var settings = []setting{
	{1, oneseat.PolicyDisplace, []string{"sign in", "sign in", "check", "check", "check", "sign out", "rotate", "end"}},
	{2, oneseat.PolicyDisplace, []string{"sign in", "sign in", "sign in", "check", "check", "check", "sign out", "rotate", "end", "end others"}},
	{2, oneseat.PolicyRefuse, []string{"sign in", "sign in", "sign in", "check", "check", "sign out", "rotate", "end", "end others"}},
	{1, oneseat.PolicyAsk, []string{"sign in", "sign in", "redeem", "redeem", "redeem", "check", "check", "sign out", "block", "unblock", "end others"}},
	{2, oneseat.PolicyDisplace, []string{"sign in", "sign in", "sign in", "set a limit", "set a limit", "check", "check", "block", "unblock", "unblock"}},
	{2, oneseat.PolicyRefuse, []string{"sign in", "sign in", "play", "play", "play", "beat", "beat", "beat", "sign out", "end"}},
}

// again are calls that a lost reply repeats. The repetition changes nothing unless
// another call has changed the same thing meanwhile, so these calls meet no trouble.
var again = []string{"set a limit", "block", "unblock", "end others"}

// devices are the devices that people sign in from. Half of all sign-ins come from no
// device that is known.
const devices = 2

func deviceID(device int) string {
	if device == 0 {
		return ""
	}
	return fmt.Sprint("a device's own id, ", device)
}

// histories runs and checks this many histories of every setting. The trouble of one
// call in four is chosen from troubles.
func histories(t *testing.T, fresh Factory, rounds uint64, troubles [][]fate) {
	ns := nodes(t, fresh, 3)
	seed := rand.Uint64() // a test may choose at random
	if s, ok := os.LookupEnv("ONESEAT_STORETEST_SEED"); ok {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("ONESEAT_STORETEST_SEED: %v", err)
		}
	}
	met := 0
	for i, set := range settings {
		rs := make([]*oneseat.Registry, len(ns))
		for j, n := range ns {
			rs[j] = registry(t, unreliable{n}, oneseat.Config{Realm: fmt.Sprint("linear ", i), Limit: set.limit, WhenFull: set.policy, DisplaceOrder: oneseat.DisplaceOldest, StreamIdle: time.Hour})
		}
		signIn(t, rs[0], "first", oneseat.SignInRequest{}) // makes the realm's control record
		for round := range rounds {
			h := &recorder{test: t, nodes: rs, realm: fmt.Sprint("linear ", i), setting: set, troubles: troubles, began: time.Now()}
			h.seed, h.first = seed+uint64(i)*rounds+round, seed
			h.run()
			met += h.met
			result, info := porcupine.CheckOperationsVerbose(model.New(set.limit, set.policy), h.operations, checkWithin)
			if result != porcupine.Ok {
				h.report(info, result)
				return // one failure is enough, because it takes long to find that there is no order
			}
		}
	}
	if troubles != nil && met < 10 {
		t.Errorf("only %d updates met with trouble: the registry hides its context from the store", met)
	}
}

// recorder is one history.
type recorder struct {
	test     *testing.T
	nodes    []*oneseat.Registry
	realm    string
	setting  setting
	troubles [][]fate
	seed     uint64 // of this history
	first    uint64 // of the first history
	began    time.Time

	mu         sync.Mutex // guards everything below
	number     int
	met        int // how many updates met trouble
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

// run has every client make its calls, all at once.
func (h *recorder) run() {
	h.sessions = make(map[int]oneseat.SessionID)
	for i := range h.accounts {
		h.accounts[i].name = fmt.Sprintf("account %d of %s", i, strconv.FormatUint(h.seed, 36))
	}
	together(clients, func(client int) {
		choices := rand.New(rand.NewPCG(h.seed, uint64(client))) // a test may choose at random
		for range callsEach {
			h.call(client, choices)
		}
	})
}

// call makes one call and notes what came back.
func (h *recorder) call(client int, choices *rand.Rand) {
	r := h.nodes[client%len(h.nodes)]
	h.mu.Lock()
	h.number++
	a := &h.accounts[choices.IntN(len(h.accounts))]
	c := model.Call{Number: h.number, Account: a.name, What: h.setting.calls[choices.IntN(len(h.setting.calls))]}
	most := oneseat.MaxEndings // because the model forgets no ending
	if h.setting.policy == oneseat.PolicyAsk {
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

	tr := &trouble{key: oneseat.KeyOf(h.realm, a.name)}
	if len(h.troubles) > 0 && choices.IntN(4) == 0 && !slices.Contains(again, c.What) {
		tr.fates = h.troubles[choices.IntN(len(h.troubles))]
	}
	ctx := tr.with(h.test.Context())
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
			h.test.Errorf("the token of session %s is taken for one of %s", on.id, s.ID)
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
		started, err = r.StartStream(ctx, as, oneseat.Player{ID: fmt.Sprint(c.With), Instead: []oneseat.SessionID{plays.id}})
	case "beat":
		err = r.Heartbeat(ctx, as, plays.id)
	case "set a limit":
		err = r.SetLimit(ctx, a.name, oneseat.Limits{Total: c.With}, "")
	case "block":
		err = r.Block(ctx, a.name, time.Time{}, "")
	case "unblock":
		err = r.Unblock(ctx, a.name, "")
	}
	back := time.Since(h.began)
	c.Unsure = tr.lost()

	h.mu.Lock()
	defer h.mu.Unlock()
	h.met += len(tr.met)
	if errors.Is(err, errNoService) && errors.Is(err, oneseat.ErrStoreUnavailable) {
		return // nothing was done
	}
	said, ok := model.ReplyOf(err)
	if !ok {
		h.test.Errorf("%v returned %v", c, err)
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
func (h *recorder) report(info porcupine.LinearizationInfo, result porcupine.CheckResult) {
	t, set := h.test, h.setting
	path := filepath.Join(t.ArtifactDir(), fmt.Sprintf("history-%d.html", h.seed))
	if err := porcupine.VisualizePath(model.New(set.limit, set.policy), info, path); err != nil {
		t.Errorf("no picture: %v", err)
	}
	what := "there is no order in which all answers are right"
	if result == porcupine.Unknown {
		what = fmt.Sprintf("undecided within %v, which proves nothing", checkWithin)
	}
	t.Errorf("limit %d, %s, %d operations: %s; see %s (go test -artifacts keeps it); ONESEAT_STORETEST_SEED=%d repeats the choices", set.limit, set.policy, len(h.operations), what, path, h.first)
}
