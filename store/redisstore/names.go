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

// partitions is the number of partitions of a store. A cluster shares the work
// between at most this many masters. The store records the number, and it never
// changes, because the names of all keys depend on it.
const partitions = 16

// stored is the value of the key that marks a store. A release that names keys or
// writes values in another way changes the number after "oneseat".
var stored = fmt.Sprintf("oneseat 1 partitions %d", partitions)

// names builds the names of our keys. The keys of a roster have the number of its
// partition as hash tag, so that they share a slot.
type names struct {
	prefix string
	tagged [partitions]string // prefix{0}: and so on
}

func newNames(prefix string) (names, error) {
	if strings.ContainsAny(prefix, "{}") {
		return names{}, failed(oneseat.FailureAddress, "", errors.New("the prefix has a brace, and the text in braces would decide in which slot a key is"))
	}
	n := names{prefix: prefix}
	for p := range n.tagged {
		n.tagged[p] = prefix + "{" + strconv.Itoa(p) + "}:"
	}
	return n, nil
}

// store is the key that marks a store. Its value says which form the store has.
func (n *names) store() string { return n.prefix + "store" }

// wake is the channel on which nodes announce commits.
func (n *names) wake() string { return n.prefix + "wake" }

// roster is a string: the version in 20 digits, then the roster's JSON.
func (n *names) roster(k oneseat.Key) string {
	return n.tagged[k.Partition(partitions)] + "roster:" + k.String()
}

// floor is a string: the highest version of a roster that was erased.
func (n *names) floor(p int) string { return n.tagged[p] + "floor" }

// log is a stream. An entry has one field, see appendEntry. The first part of its
// id is the position of its last event. A new log begins with an entry without
// events, so that a cursor always has an entry to stand at.
func (n *names) log(p int) string { return n.tagged[p] + "log" }

// due is a sorted set of the keys of a realm's rosters, 16 bytes each. The score is
// when the roster is due, in microseconds since 1970.
func (n *names) due(p int, realm string) string { return n.tagged[p] + "due:" + realm }

// accounts is a sorted set of a realm's accounts in byte order.
func (n *names) accounts(p int, realm string) string { return n.tagged[p] + "accounts:" + realm }

// counts is a hash of a realm's sums over the rosters of a partition. The fields
// are "EPOCH accounts", "EPOCH sessions" and "EPOCH streams"; a sum of zero has no
// field. The field "counted" says which rosters are included: "+" all, "=" and an
// account those up to that account. Without it none is included yet.
func (n *names) counts(p int, realm string) string { return n.tagged[p] + "counts:" + realm }

// copy is a stream: a log while it is being written again, see [Store.Forget].
func (n *names) copy(p int, name string) string { return n.tagged[p] + "copy:" + name }

// copies is a string: how many copies were put in the place of a log.
func (n *names) copies(p int) string { return n.tagged[p] + "copies" }

// claim checks that the prefix holds a store that this release can use. It makes
// one if there is none.
func (s *Store) claim(ctx context.Context) error {
	short, cancel := s.trip(ctx)
	defer cancel()
	b := s.client.B()
	made := s.client.Do(short, b.Set().Key(s.names.store()).Value(stored).Nx().Build()).Error()
	if made != nil && !rueidis.IsRedisNil(made) {
		return s.explain(ctx, made)
	}
	there, err := s.recognise(ctx)
	if err == nil && !there {
		err = s.failed(oneseat.FailureOther, fmt.Errorf("%s was deleted as soon as it was made", s.names.store()))
	}
	return err
}

// recognise returns whether there is a store, and an error if this release cannot use
// what is there.
func (s *Store) recognise(ctx context.Context) (there bool, err error) {
	short, cancel := s.trip(ctx)
	defer cancel()
	found, err := s.client.Do(short, s.client.B().Get().Key(s.names.store()).Build()).ToString()
	switch {
	case rueidis.IsRedisNil(err):
		return false, nil
	case err != nil:
		return false, s.explain(ctx, err)
	case found == stored:
		return true, nil
	case strings.HasPrefix(found, "oneseat "):
		return false, s.failed(oneseat.FailureNewer, fmt.Errorf("%s holds %.64q, this release knows %q", s.names.store(), found, stored))
	}
	return false, s.failed(oneseat.FailureForeign, fmt.Errorf("%s holds %.64q", s.names.store(), found))
}
