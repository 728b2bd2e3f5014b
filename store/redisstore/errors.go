package redisstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/redis/rueidis"
)

// ErrClosed: the store was closed. An update that got it was not made.
var ErrClosed = errors.New("redisstore: the store is closed: open it again")

// Kind says what is wrong.
type Kind int

// What can be wrong. Whatever it is, the store goes on by itself once it has been
// mended; only NotAURL, Foreign, Newer, and NotDurable where that was required,
// need another call of Open.
const (
	Other       Kind = iota // Redis says what
	NotAURL                 // Open got something else than the URL of a server
	Unreachable             // no connection, or no answer in time
	Denied                  // the server does not let us in, or not do that
	Replica                 // the server only follows another one
	Cluster                 // the server is part of a cluster, and the URL does not say so
	Down                    // the server is loading, or the cluster has lost a part of itself
	Full                    // the server's memory is used up
	Disk                    // the server cannot write to its disk, and refuses to go on without
	Foreign                 // what is under a name of ours is something else
	Newer                   // what is there was written by a newer release
	NotDurable              // the server may lose what it acknowledged
)

var meaning = map[Kind]string{
	Other:       "Redis failed",
	NotAURL:     "not the URL of a server: it is spelt redis://user:password@host:6379/0, rediss:// with TLS, redis-cluster://host:6379,host:6379 for a cluster",
	Unreachable: "the server does not answer: see that it runs, and that its address and port are right and can be reached from here; until then nothing is allowed",
	Denied:      "the server denies that: see user, password and the rights of the user (docs/operations.md lists them); nothing was written",
	Replica:     "the server is a replica and takes no writes: give the address of the primary; nothing was written",
	Cluster:     "the server is part of a cluster: give a redis-cluster:// URL; nothing was written",
	Down:        "the server, or a part of the cluster, is not ready: it goes on by itself when that is back; nothing was written",
	Full:        "the server's memory is used up: give it more (maxmemory), or remove what is not needed; nothing was written",
	Disk:        "the server cannot write to its disk and takes no writes: see its log; nothing was written",
	Foreign:     "the key belongs to another program: choose another prefix, or remove it; it was left as it is",
	Newer:       "what is there was written by a newer release of oneseat: upgrade this one; it was left as it is",
	NotDurable:  "the server may lose what it acknowledged",
}

// Error is what came instead of a result: nothing is to be allowed on account
// of it. The update that it answers was not made, unless it also wraps
// [oneseat.ErrUnknownOutcome].
type Error struct {
	Kind Kind
	Addr string // of the server that was asked, where that is known; never a password
	Err  error  // what Redis or the system said; may be nil
}

// Error says what happened, and what to do.
func (e *Error) Error() string {
	s := "redisstore: "
	if e.Addr != "" {
		s += e.Addr + ": "
	}
	s += meaning[e.Kind]
	if e.Err != nil {
		s += fmt.Sprintf(" (%v)", e.Err)
	}
	return s
}

// Unwrap is what Redis or the system said.
func (e *Error) Unwrap() error { return e.Err }

// failed is an error of this store.
func (s *Store) failed(k Kind, err error) error {
	return &Error{Kind: k, Addr: s.addr(), Err: err}
}

// addr names the servers, as far as they are known.
func (s *Store) addr() string {
	var all []string
	for a := range s.client.Nodes() {
		all = append(all, a)
		if len(all) == 8 {
			break
		}
	}
	return strings.Join(all, ", ")
}

// explain makes of what a call returned what our caller is told. What is not
// about the server stays as it is: the caller's own context, one unreadable
// roster.
func (s *Store) explain(ctx context.Context, err error) error {
	_, done := errors.AsType[*Error](err)
	_, format := errors.AsType[*oneseat.FormatError](err)
	switch {
	case err == nil || done || format || errors.Is(err, ErrClosed):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case overdue(ctx):
		return context.DeadlineExceeded
	case s.closed.Load() || errors.Is(err, rueidis.ErrClosing) && s.own:
		return ErrClosed
	case errors.Is(err, context.DeadlineExceeded):
		return s.failed(Unreachable, fmt.Errorf("no answer within %v", s.timeout))
	}
	return s.failed(kindOf(err), err)
}

// overdue says that a context's deadline has come, which a connection may know a
// moment before the context does.
func overdue(ctx context.Context) bool {
	end, ok := ctx.Deadline()
	return ok && !time.Now().Before(end)
}

// kinds are the first words of what Redis answers when it has refused.
var kinds = map[string]Kind{
	"NOAUTH": Denied, "NOPERM": Denied, "WRONGPASS": Denied,
	"READONLY": Replica, "MOVED": Cluster, "ASK": Cluster, "CROSSSLOT": Cluster,
	"LOADING": Down, "CLUSTERDOWN": Down, "MASTERDOWN": Down, "TRYAGAIN": Down, "BUSY": Down, "NOREPLICAS": Down,
	"OOM": Full, "MISCONF": Disk, "WRONGTYPE": Foreign,
}

// deniedInScript is how it begins when a script may not do what it is to do: in
// Redis 7.0, and in later ones and Valkey.
var deniedInScript = []string{"The user executing the script can't", "ACL failure in script"}

func kindOf(err error) Kind {
	e, ok := rueidis.IsRedisErr(err)
	if !ok {
		return Unreachable
	}
	word, _, _ := strings.Cut(e.Error(), " ")
	if k, ok := kinds[word]; ok {
		return k
	}
	for _, words := range deniedInScript {
		if strings.HasPrefix(e.Error(), words) {
			return Denied
		}
	}
	return Other
}

// neverSent says that a command cannot have reached a server.
func neverSent(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}
