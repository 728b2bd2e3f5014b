package faults

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/canaries"
	"github.com/oneseat/oneseat/internal/model"
)

// roleVariable makes the test binary a node. Its value is a nodeConfig as JSON.
const roleVariable = "ONESEAT_FAULTS_NODE"

// nodeConfig is the configuration of a node's process.
type nodeConfig struct {
	Store  string // URL
	Proxy  string // through which it reaches the store
	Realm  string
	Limit  int
	Policy oneseat.Policy
	Stale  time.Duration
}

// request is a line that a node reads, answer a line that it writes. Answers may come
// in any order.
type request struct {
	ID      int
	What    string // sign in, check, sign out, rotate, end, end others, end realm, step, hold
	Account string
	Token   string
	Device  string // the id of the device that signs in
	Session oneseat.SessionID
	Step    time.Duration
}

type answer struct {
	ID      int
	Reply   model.Reply
	Failed  string // in the place of a reply: the store did not answer, and nothing was done
	Wrong   string // in the place of both: an answer that no node may give
	Token   string
	Session oneseat.SessionID
	Lost    int  // updates whose reply did not come
	Over    bool // a hold that was answered before has been cut
}

// noting is a store that counts lost replies, for a call whose context has a counter.
type noting struct{ store }

type lostKey struct{}

func (n noting) Update(ctx context.Context, k oneseat.Key, change func(oneseat.View) (oneseat.Change, error)) (oneseat.View, error) {
	v, err := n.store.Update(ctx, k, func(v oneseat.View) (oneseat.Change, error) {
		did, err := change(v)
		canaries.Seen("event", did.Events)
		canaries.Stored(did.Roster, err)
		return did, err
	})
	if lost, ok := ctx.Value(lostKey{}).(*atomic.Int32); ok && errors.Is(err, oneseat.ErrUnknownOutcome) {
		lost.Add(1)
	}
	return v, err
}

// nodeIfAsked runs a node for the whole life of the process, if the process is to be
// one.
func nodeIfAsked() {
	text, ok := os.LookupEnv(roleVariable)
	if !ok {
		return
	}
	var c nodeConfig
	err := json.Unmarshal([]byte(text), &c)
	if err == nil {
		err = serve(c, os.Stdin, os.Stdout)
	}
	if err != nil {
		_, _ = io.WriteString(os.Stderr, "node: "+err.Error()+"\n")
		os.Exit(1)
	}
	os.Exit(0)
}

// serve opens the store and answers until there are no more requests. The first line
// that it writes is an answer with number 0, which says that it is ready.
func serve(c nodeConfig, in io.Reader, out io.Writer) error {
	store, shut, err := open(context.Background(), c.Store, func(ctx context.Context, server string) (net.Conn, error) {
		return dialThrough(ctx, c.Proxy, server)
	}, time.Second)
	if err != nil {
		return err
	}
	defer shut()
	start := time.Now()
	var step atomic.Int64 // how far the wall clock was set
	seats, err := oneseat.New(noting{store}, oneseat.Config{
		Realm: c.Realm, Limit: c.Limit, WhenFull: c.Policy, DisplaceOrder: oneseat.DisplaceOldest, MaxStale: c.Stale, Idle: time.Hour,
		Logger: canaries.Logger(nil),
		Clock: func() (time.Time, time.Duration) {
			now := time.Now()
			return now.Add(time.Duration(step.Load())).Round(0), now.Sub(start)
		},
	})
	if err != nil {
		return err
	}
	defer seats.Close() //nolint:errcheck // the process ends

	var mu sync.Mutex // for one line after the other
	say := func(a answer) {
		if leaks := canaries.Leaks(); len(leaks) > 0 {
			a.Wrong = fmt.Sprintf("a %s is in the %s: %s", leaks[0].Kind, leaks[0].Where, leaks[0].Text)
		}
		line, _ := json.Marshal(a)
		mu.Lock()
		defer mu.Unlock()
		_, _ = out.Write(append(line, '\n'))
	}
	say(answer{})
	var calls sync.WaitGroup
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var q request
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			return err
		}
		if q.What == "step" {
			step.Add(int64(q.Step))
			continue
		}
		calls.Go(func() { say(do(seats, q, say)) })
	}
	calls.Wait()
	return lines.Err()
}

// program is the device that signs in. Its sessions are of class api, so none gives way
// because it is unused. That would depend on the time, which the model does not know.
var program = oneseat.Device{Class: oneseat.ClassAPI}

// do makes one call.
func do(seats *oneseat.Registry, q request, say func(answer)) answer {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	canaries.Mark("device id", q.Device)
	var lost atomic.Int32
	ctx = context.WithValue(ctx, lostKey{}, &lost)
	a := answer{ID: q.ID}
	var g oneseat.Grant
	var n int
	var err error
	switch q.What {
	case "sign in":
		g, err = seats.SignIn(ctx, q.Account, oneseat.SignInRequest{Device: program, DeviceID: q.Device})
	case "check":
		var s oneseat.Session
		if s, err = seats.Check(ctx, q.Token); err == nil && s.Account != q.Account {
			return answer{ID: q.ID, Wrong: "the token is taken for one of " + s.Account}
		}
	case "hold":
		var s oneseat.Session
		if s, err = seats.Check(ctx, q.Token); err == nil {
			held, _ := seats.Hold(context.Background(), s) // until it is cut, or the process ends
			context.AfterFunc(held, func() { say(answer{ID: q.ID, Over: true}) })
		}
	case "sign out":
		err = seats.SignOut(ctx, q.Token)
	case "rotate":
		g, err = seats.Rotate(ctx, q.Token)
	case "end":
		n, err = seats.End(ctx, q.Account, oneseat.EndOptions{}, q.Session)
	case "end others":
		n, err = seats.EndOthers(ctx, q.Account, q.Session, oneseat.EndOptions{})
	case "end realm":
		err = seats.EndRealm(ctx, "")
	default:
		return answer{ID: q.ID, Wrong: "there is no call " + q.What}
	}
	canaries.Seen("error", err)
	a.Token, a.Session, a.Lost = string(g.Token), g.Session.ID, int(lost.Load())
	said, ok := model.ReplyOf(err)
	switch {
	case ok:
		a.Reply = said
		if said.Said == "yes" {
			a.Reply.Count = n
		}
	case errors.Is(err, oneseat.ErrStoreUnavailable):
		a.Failed = err.Error()
	default:
		a.Wrong = err.Error()
	}
	return a
}
