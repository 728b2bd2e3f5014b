package storetest

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/oneseat/oneseat"
)

// linearizable holds what several nodes did at once against the model: there has
// to be an order, one after the other and true to time, in which all answers
// are right (checks read the store each time).
var linearizable = []promise{
	{"what several nodes do at once has an order in which all answers are right", func(t *testing.T, fresh Factory) {
		histories(t, fresh, 8, nil)
	}},
	{"so it has when replies are lost and the store fails", func(t *testing.T, fresh Factory) {
		histories(t, fresh, 6, [][]fate{
			{replyLost}, {replyLost}, {requestLost}, {rehearsed}, {noService}, {replyLost, requestLost, replyLost}, {replyLost, noService}, {rehearsed},
		})
	}},
}

const (
	clients     = 5
	callsEach   = 10 // by one client in one history
	checkWithin = 20 * time.Second
)

// histories runs and checks so many histories of every setting. What goes wrong
// with the updates of one call in four is chosen from troubles.
func histories(t *testing.T, fresh Factory, rounds uint64, troubles [][]fate) {
	ns := nodes(t, fresh, 3)
	seed := rand.Uint64() //nolint:gosec // choices of a test
	if s, ok := os.LookupEnv("ONESEAT_STORETEST_SEED"); ok {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("ONESEAT_STORETEST_SEED: %v", err)
		}
	}
	met := 0
	for i, set := range []struct {
		limit  int
		policy oneseat.Policy
		calls  []string
	}{
		{1, oneseat.Displace, []string{"sign in", "sign in", "check", "check", "check", "sign out", "rotate", "end"}},
		// Without rotations: of two sessions that were active in the same
		// microsecond, the model does not know which one is the idler.
		{2, oneseat.Displace, []string{"sign in", "sign in", "sign in", "check", "check", "check", "sign out", "end"}},
		{2, oneseat.Refuse, []string{"sign in", "sign in", "sign in", "check", "check", "sign out", "rotate", "end"}},
	} {
		rs := make([]*oneseat.Registry, len(ns))
		for j, n := range ns {
			rs[j] = registry(t, unreliable{n}, oneseat.Config{Realm: fmt.Sprint("linear ", i), Limit: set.limit, WhenFull: set.policy})
		}
		signIn(t, rs[0], "first", oneseat.Client{}) // makes the realm's control record
		for round := range rounds {
			h := &recorder{test: t, nodes: rs, realm: fmt.Sprint("linear ", i), calls: set.calls, troubles: troubles, began: time.Now()}
			h.seed, h.first = seed+uint64(i)*rounds+round, seed
			h.run()
			met += h.met
			result, info := porcupine.CheckOperationsVerbose(model(set.limit, set.policy), h.operations, checkWithin)
			if result != porcupine.Ok {
				h.report(info, set.limit, set.policy, result)
				return // one is enough; finding that there is no order takes long
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
	calls    []string
	troubles [][]fate
	seed     uint64 // of this history
	first    uint64 // of the first one
	began    time.Time

	mu         sync.Mutex // guards all below
	number     int
	met        int // updates that met with trouble
	operations []porcupine.Operation
	accounts   [2]known
}

// known is what the clients have been told of one account.
type known struct {
	name    string
	tokens  []token
	signIns int
}

// token is what clients hold: a text, and the numbers that the model has for it
// and its session.
type token struct {
	text    string
	number  int
	id      oneseat.SessionID
	session int
}

// run has every client do its calls, all at once.
func (h *recorder) run() {
	for i := range h.accounts {
		h.accounts[i].name = fmt.Sprintf("account %d of %s", i, strconv.FormatUint(h.seed, 36))
	}
	together(clients, func(client int) {
		choices := rand.New(rand.NewPCG(h.seed, uint64(client))) //nolint:gosec // choices of a test
		for range callsEach {
			h.call(client, choices)
		}
	})
}

// call does one operation and notes what came back.
func (h *recorder) call(client int, choices *rand.Rand) {
	r := h.nodes[client%len(h.nodes)]
	h.mu.Lock()
	h.number++
	a := &h.accounts[choices.IntN(len(h.accounts))]
	c := call{number: h.number, account: a.name, what: h.calls[choices.IntN(len(h.calls))]}
	if c.what == "sign in" {
		if a.signIns++; a.signIns >= oneseat.MaxEndings { // the model forgets no ending
			c.what = "check"
		}
	}
	var on token
	if n := len(a.tokens); n > 0 && (c.what != "sign in" || choices.IntN(2) == 0) {
		on = a.tokens[n-1-min(choices.IntN(n), choices.IntN(n))] // rather a new one
	}
	if c.on = on.number; c.what == "end" {
		c.on = on.session
	}
	h.mu.Unlock()

	tr := &trouble{key: oneseat.KeyOf(h.realm, a.name)}
	if len(h.troubles) > 0 && choices.IntN(4) == 0 {
		tr.fates = h.troubles[choices.IntN(len(h.troubles))]
	}
	ctx := tr.with(h.test.Context())
	var g oneseat.Grant
	var n int
	var err error
	call := time.Since(h.began)
	switch c.what {
	case "sign in":
		g, err = r.SignIn(ctx, a.name, oneseat.Client{Token: on.text})
	case "check":
		var s oneseat.Session
		if s, err = r.Check(ctx, on.text); err == nil && s.ID != on.id {
			h.test.Errorf("the token of session %s is taken for one of %s", on.id, s.ID)
		}
	case "sign out":
		err = r.SignOut(ctx, on.text)
	case "rotate":
		g, err = r.Rotate(ctx, on.text)
	case "end":
		n, err = r.End(ctx, a.name, oneseat.Cause{}, on.id)
	}
	back := time.Since(h.began)
	c.unsure = tr.lost()

	h.mu.Lock()
	defer h.mu.Unlock()
	h.met += len(tr.met)
	o := porcupine.Operation{ClientId: client, Input: c, Call: int64(call), Return: int64(back)}
	ended, hasEnded := errors.AsType[*oneseat.EndedError](err)
	_, full := errors.AsType[*oneseat.LimitError](err)
	switch {
	case err == nil:
		o.Output = reply{said: "yes", count: n}
	case hasEnded:
		o.Output = reply{said: "ended", reason: ended.Ending.Reason}
	case full:
		o.Output = reply{said: "full"}
	case errors.Is(err, oneseat.ErrNoSession):
		o.Output = reply{said: "none"}
	case errors.Is(err, oneseat.ErrUnknownOutcome):
		// It may have happened at any time since, or never: it stays open.
		o.Output, o.Return = reply{said: "unknown"}, math.MaxInt64
	case errors.Is(err, errNoService) && errors.Is(err, oneseat.ErrStoreUnavailable):
		return // it was not done
	default:
		h.test.Errorf("%v returned %v", c, err)
		return
	}
	h.operations = append(h.operations, o)
	if g.Token != "" {
		t := token{string(g.Token), c.number, g.Session.ID, c.number}
		if c.what == "rotate" {
			t.session = on.session
		}
		a.tokens = append(a.tokens, t)
	}
}

// report fails the test and leaves a picture of the history.
func (h *recorder) report(info porcupine.LinearizationInfo, limit int, policy oneseat.Policy, result porcupine.CheckResult) {
	t := h.test
	path := filepath.Join(t.ArtifactDir(), fmt.Sprintf("history-%d.html", h.seed))
	if err := porcupine.VisualizePath(model(limit, policy), info, path); err != nil {
		t.Errorf("no picture: %v", err)
	}
	what := "there is no order in which all answers are right"
	if result == porcupine.Unknown {
		what = fmt.Sprintf("undecided within %v, which proves nothing", checkWithin)
	}
	t.Errorf("limit %d, %s, %d operations: %s; see %s (go test -artifacts keeps it); ONESEAT_STORETEST_SEED=%d repeats the choices", limit, policy, len(h.operations), what, path, h.first)
}
