package redisstore

import (
	"context"
	"crypto/rand"
	_ "embed"
	"strconv"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/redis/rueidis"
)

//go:embed forget.lua
var forgetLua string

var forgetScript = rueidis.NewLuaScript(forgetLua)

// keepCopy is how long a copy of a log is kept whose maker did not finish.
const keepCopy = 10 * time.Minute

// Forget implements [oneseat.History]. An entry of a stream cannot be altered, so if
// there are events of the account, Forget copies the log without them and puts the copy
// in its place, in one step. Commits go on meanwhile. It reads the partition's whole
// log, and writes it again.
func (s *Store) Forget(ctx context.Context, realm, account string, version uint64) error {
	k := oneseat.KeyOf(realm, account)
	for made := false; !made; {
		if err := s.begin(ctx); err != nil {
			return err
		}
		var err error
		if made, err = s.forget(ctx, k, version); err != nil {
			return s.explain(ctx, err)
		}
	}
	return nil
}

// forget does it once. It returns false if the log was changed meanwhile in another way
// than by commits.
func (s *Store) forget(ctx context.Context, k oneseat.Key, version uint64) (made bool, err error) {
	p := k.Partition(partitions)
	copies, err := s.countCopies(ctx, p)
	if err != nil {
		return false, err
	}
	entries, err := s.wholeLog(ctx, p)
	if err != nil {
		return false, err
	}
	found := false
	for i, l := range entries {
		if of, v, ok := readHead(l.entry); ok && of == k && v <= version && len(l.entry) > entryHead {
			entries[i].entry, found = l.entry[:entryHead], true
		}
	}
	if !found {
		return true, nil
	}
	name := s.names.copy(p, rand.Text())
	if err := s.writeCopy(ctx, name, entries); err != nil {
		return false, err
	}
	short, cancel := s.trip(ctx)
	defer cancel()
	put, err := forgetScript.Exec(short, s.client, []string{s.names.log(p), name, s.names.copies(p)},
		[]string{copies, entries[len(entries)-1].id(), strconv.Itoa(len(entries))}).AsInt64()
	return put == 1, err
}

// countCopies returns how many copies were put in the place of a log; "" for none.
func (s *Store) countCopies(ctx context.Context, p int) (string, error) {
	short, cancel := s.trip(ctx)
	defer cancel()
	n, err := s.client.Do(short, s.client.B().Get().Key(s.names.copies(p)).Build()).ToString()
	if rueidis.IsRedisNil(err) {
		err = nil
	}
	return n, err
}

// wholeLog reads a log, the oldest entry first.
func (s *Store) wholeLog(ctx context.Context, p int) (all []logged, err error) {
	for from := "-"; ; from = "(" + all[len(all)-1].id() {
		short, cancel := s.trip(ctx)
		entries, err := s.readList(p, s.client.Do(short, s.client.B().Xrange().Key(s.names.log(p)).Start(from).End("+").Count(page).Build()))
		cancel()
		all = append(all, entries...)
		if err != nil || len(entries) < page {
			return all, err
		}
	}
}

// writeCopy writes entries to a stream, which goes by itself after a while.
func (s *Store) writeCopy(ctx context.Context, name string, entries []logged) error {
	b := s.client.B()
	for len(entries) > 0 {
		part := entries[:min(page, len(entries))]
		entries = entries[len(part):]
		commands := make(rueidis.Commands, 0, len(part)+1)
		for _, l := range part {
			commands = append(commands, b.Xadd().Key(name).Id(l.id()).FieldValue().FieldValue("e", l.entry).Build())
		}
		commands = append(commands, b.Expire().Key(name).Seconds(int64(keepCopy.Seconds())).Build())
		short, cancel := s.trip(ctx)
		answers := s.client.DoMulti(short, commands...)
		cancel()
		for _, a := range answers {
			if err := a.Error(); err != nil {
				return err
			}
		}
	}
	return nil
}
