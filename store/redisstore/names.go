package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/oneseat/oneseat"
	"github.com/redis/rueidis"
)

// partitions is how many a new store has. A cluster shares the work between as
// many masters at most. It is written down in the store, for ever, because the
// names of all keys depend on it.
const partitions = 16

// stored is what the store's own key holds. Another release that names keys or
// spells values in another way changes the number.
var stored = fmt.Sprintf("oneseat 1 partitions %d", partitions)

// names are the names of our keys. What belongs to a roster has the number of
// its partition as hash tag, and so shares its slot.
type names struct {
	prefix string
	tagged [partitions]string // prefix{0}: and so on
}

func newNames(prefix string) (names, error) {
	if strings.ContainsAny(prefix, "{}") {
		return names{}, failed(oneseat.FailureAddress, "", errors.New("the prefix of the keys holds a brace, which would decide where keys are"))
	}
	n := names{prefix: prefix}
	for p := range n.tagged {
		n.tagged[p] = prefix + "{" + strconv.Itoa(p) + "}:"
	}
	return n, nil
}

// store is the key that says which store this is.
func (n *names) store() string { return n.prefix + "store" }

// wake is the channel of the push.
func (n *names) wake() string { return n.prefix + "wake" }

// roster is a string: the version in 20 digits, then the roster's JSON.
func (n *names) roster(k oneseat.Key) string {
	return n.tagged[k.Partition(partitions)] + "roster:" + k.String()
}

// floor is a string: the highest version of a roster that was erased.
func (n *names) floor(p int) string { return n.tagged[p] + "floor" }

// log is a stream: an entry has one field, see appendEntry, and the position of
// its last event as the first part of its id. A log that begins has an entry
// without events, so that there always is one for a cursor to stand on.
func (n *names) log(p int) string { return n.tagged[p] + "log" }

// due is a sorted set of a realm's keys, 16 bytes each, by when they are due, in
// microseconds since 1970.
func (n *names) due(p int, realm string) string { return n.tagged[p] + "due:" + realm }

// accounts is a sorted set of a realm's accounts, in the order of their bytes.
func (n *names) accounts(p int, realm string) string { return n.tagged[p] + "accounts:" + realm }

// counts is a hash: "EPOCH accounts", "EPOCH sessions" and "EPOCH streams" are a
// realm's sums of what the rosters of a partition count under an epoch; one that is
// zero is left out. "counted" says of which rosters: "+" of all, "=" and an account
// of those up to it; without it, of none yet.
func (n *names) counts(p int, realm string) string { return n.tagged[p] + "counts:" + realm }

// claim finds the store under the prefix, or makes it.
func (s *Store) claim(ctx context.Context) error {
	short, cancel := s.trip(ctx)
	defer cancel()
	b := s.client.B()
	made := s.client.Do(short, b.Set().Key(s.names.store()).Value(stored).Nx().Build()).Error()
	if made != nil && !rueidis.IsRedisNil(made) {
		return s.explain(ctx, made)
	}
	found, err := s.client.Do(short, b.Get().Key(s.names.store()).Build()).ToString()
	switch {
	case err != nil:
		return s.explain(ctx, err)
	case found == stored:
		return nil
	case strings.HasPrefix(found, "oneseat "):
		return s.failed(oneseat.FailureNewer, fmt.Errorf("%s holds %.64q, this release knows %q", s.names.store(), found, stored))
	}
	return s.failed(oneseat.FailureForeign, fmt.Errorf("%s holds %.64q", s.names.store(), found))
}
