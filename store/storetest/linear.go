package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/histories"
	"github.com/oneseat/oneseat/internal/model"
)

// linearizable holds what several nodes did at once against the model. There has to be
// an order of the calls, true to time, in which all answers are right. Checks read the
// store each time.
var linearizable = []promise{
	{"what several nodes do at once has an order in which all answers are right", func(t *testing.T, fresh Factory) {
		inOrder(t, fresh, 5, nil)
	}},
	{"so it has when replies are lost and the store fails", func(t *testing.T, fresh Factory) {
		inOrder(t, fresh, 4, [][]fate{
			{replyLost}, {replyLost}, {requestLost}, {rehearsed}, {noService}, {replyLost, requestLost, replyLost}, {replyLost, noService}, {rehearsed},
		})
	}},
}

const (
	clients   = 5
	callsEach = 10 // calls of one client in one history
)

// again are calls that a lost reply repeats. The repetition changes nothing unless
// another call has changed the same thing meanwhile, so these calls meet no trouble.
var again = []string{"set a limit", "block", "unblock", "end others"}

// inOrder runs and checks this many histories of every setting. The trouble of one
// call in four is chosen from troubles.
func inOrder(t *testing.T, fresh Factory, rounds uint64, troubles [][]fate) {
	ns := nodes(t, fresh, 3)
	seed := rand.Uint64() // a test may choose at random
	if s, ok := os.LookupEnv("ONESEAT_STORETEST_SEED"); ok {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("ONESEAT_STORETEST_SEED: %v", err)
		}
	}
	var met atomic.Int64
	for i, set := range histories.Settings {
		rs := make([]histories.Seats, len(ns))
		for j, n := range ns {
			rs[j] = registry(t, unreliable{n}, oneseat.Config{Realm: fmt.Sprint("linear ", i), Limit: set.Limit, WhenFull: set.Policy, DisplaceOrder: oneseat.DisplaceOldest, StreamIdle: time.Hour})
		}
		if _, err := rs[0].SignIn(t.Context(), "first", oneseat.SignInRequest{}); err != nil { // makes the realm's control record
			t.Fatal(err)
		}
		for round := range rounds {
			h := &histories.History{
				Test: t, Nodes: rs, Setting: set, Clients: clients, Each: callsEach,
				Seed: seed + uint64(i)*rounds + round, Again: fmt.Sprint("ONESEAT_STORETEST_SEED=", seed),
			}
			if troubles != nil {
				h.Meets = meets(troubles, fmt.Sprint("linear ", i), &met)
			}
			if !h.Run() {
				return // one failure is enough, because it takes long to find that there is no order
			}
		}
	}
	if troubles != nil && met.Load() < 10 {
		t.Errorf("only %d updates met with trouble: the registry hides its context from the store", met.Load())
	}
}

// meets has one call in four meet trouble. met counts the updates that did.
func meets(troubles [][]fate, realm string, met *atomic.Int64) func(context.Context, *rand.Rand, model.Call) (context.Context, func(error) (bool, bool)) {
	return func(ctx context.Context, choices *rand.Rand, c model.Call) (context.Context, func(error) (unsure, nothing bool)) {
		tr := &trouble{key: oneseat.KeyOf(realm, c.Account)}
		if choices.IntN(4) == 0 && !slices.Contains(again, c.What) {
			tr.fates = troubles[choices.IntN(len(troubles))]
		}
		return tr.with(ctx), func(err error) (bool, bool) {
			met.Add(int64(len(tr.met)))
			return tr.lost(), errors.Is(err, errNoService) && errors.Is(err, oneseat.ErrStoreUnavailable)
		}
	}
}
