package redisstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/redis/rueidis"
)

// problems say what is wrong, and what to do.
var problems = map[oneseat.StoreFailure]string{
	oneseat.FailureOther:       "Redis failed",
	oneseat.FailureAddress:     "this is not the URL of a server: write redis://user:password@host:6379/0, rediss:// for TLS, or redis-cluster://host:6379,host:6379 for a cluster",
	oneseat.FailureUnreachable: "the server does not answer: check that it runs, that its address and port are right, and that it can be reached from here; until it answers, nothing is allowed",
	oneseat.FailureDenied:      "the server refuses this: check the user, the password, and the rights of the user (docs/operations.md lists them); nothing was written",
	oneseat.FailureReadOnly:    "the server is a replica and refuses writes: give the address of the primary; nothing was written",
	oneseat.FailureSettings:    "the server is part of a cluster: give a redis-cluster:// URL; nothing was written",
	oneseat.FailureBusy:        "the server, or a part of the cluster, is not ready: the store works again as soon as it is; nothing was written",
	oneseat.FailureFull:        "the server is out of memory: give it more (maxmemory), or delete what is not needed; nothing was written",
	oneseat.FailureDisk:        "the server cannot write to its disk and refuses writes: read its log; nothing was written",
	oneseat.FailureForeign:     "a key with one of our names belongs to another program: choose another prefix, or delete the key; it was left as it is",
	oneseat.FailureNewer:       "the data was written by a newer release of oneseat: upgrade this node; the data was left as it is",
	oneseat.FailureNotDurable:  "the server may lose what it acknowledged",
}

// failed returns an error of a store. where must not be a URL, which may hold a
// password.
func failed(f oneseat.StoreFailure, where string, err error) error {
	return &oneseat.StoreError{Store: "redisstore", Where: where, Failure: f, Problem: problems[f], Err: err}
}

// failed returns an error of this store.
func (s *Store) failed(f oneseat.StoreFailure, err error) error {
	return failed(f, s.addr(), err)
}

// addr returns the addresses of the servers, as far as they are known, at most
// eight.
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

// explain returns what the caller of the store gets for an error. An error that is
// not about the server stays as it is: that of the caller's context, or of one
// unreadable roster.
func (s *Store) explain(ctx context.Context, err error) error {
	_, done := errors.AsType[*oneseat.StoreError](err)
	_, format := errors.AsType[*oneseat.FormatError](err)
	switch {
	case err == nil || done || format || errors.Is(err, oneseat.ErrStoreClosed):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case overdue(ctx):
		return context.DeadlineExceeded
	case s.closed.Load() || errors.Is(err, rueidis.ErrClosing) && s.own:
		return oneseat.ErrStoreClosed
	case errors.Is(err, context.DeadlineExceeded):
		return s.failed(oneseat.FailureUnreachable, fmt.Errorf("no answer within %v", s.timeout))
	}
	return s.failed(failureOf(err), err)
}

// overdue reports whether a context's deadline has passed. A connection may notice
// that a moment before the context does.
func overdue(ctx context.Context) bool {
	end, ok := ctx.Deadline()
	return ok && !time.Now().Before(end)
}

// answers are the words with which Redis begins an answer that refuses a command.
var answers = map[oneseat.StoreFailure][]string{
	oneseat.FailureDenied:   {"NOAUTH", "NOPERM", "WRONGPASS"},
	oneseat.FailureReadOnly: {"READONLY"},
	oneseat.FailureSettings: {"MOVED", "ASK", "CROSSSLOT"},
	oneseat.FailureBusy:     {"LOADING", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "BUSY", "NOREPLICAS"},
	oneseat.FailureFull:     {"OOM"},
	oneseat.FailureDisk:     {"MISCONF"},
	oneseat.FailureForeign:  {"WRONGTYPE"},
}

// deniedInScript are the beginnings of the answer when a user may not do what a
// script does: of Redis 7.0, and of later releases and Valkey.
var deniedInScript = []string{"The user executing the script can't", "ACL failure in script"}

func failureOf(err error) oneseat.StoreFailure {
	e, ok := rueidis.IsRedisErr(err)
	if !ok {
		return oneseat.FailureUnreachable
	}
	word, _, _ := strings.Cut(e.Error(), " ")
	for failure, words := range answers {
		if slices.Contains(words, word) {
			return failure
		}
	}
	for _, words := range deniedInScript {
		if strings.HasPrefix(e.Error(), words) {
			return oneseat.FailureDenied
		}
	}
	return oneseat.FailureOther
}

// neverSent reports whether a command cannot have reached a server.
func neverSent(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}
