package redisstore

import (
	"context"
	_ "embed"
	"errors"
	"maps"
	"slices"
	"strconv"

	"github.com/oneseat/oneseat"
	"github.com/redis/rueidis"
)

//go:embed count.lua
var countLua string

var countScript = rueidis.NewLuaScript(countLua)

const (
	// allCounted says that the sums of a partition include every roster.
	allCounted = "+"
	// countPage is how many rosters are added to the sums in one step.
	countPage = 200
)

// Count implements [oneseat.History]. It takes one round trip to each partition,
// all at the same time. The first call for a realm of e18747a, which kept no sums,
// counts all its rosters, and takes as long as reading them.
func (s *Store) Count(ctx context.Context, realm string, epoch uint64) (oneseat.Count, error) {
	if err := s.begin(ctx); err != nil {
		return oneseat.Count{}, err
	}
	var sums [partitions]oneseat.Count
	err := each(everywhere(), func(p int) (err error) {
		sums[p], err = s.countOf(ctx, p, realm, epoch)
		return err
	})
	var c oneseat.Count
	for _, sum := range sums {
		c = c.Plus(sum)
	}
	return c, s.explain(ctx, err)
}

// countOf returns the sum of one partition. It first counts rosters that are not
// counted yet.
func (s *Store) countOf(ctx context.Context, p int, realm string, epoch uint64) (c oneseat.Count, err error) {
	e := strconv.FormatUint(epoch, 10)
	for more := true; more && err == nil; {
		short, cancel := s.trip(ctx)
		found, err := s.client.Do(short, s.client.B().Hmget().Key(s.names.counts(p, realm)).
			Field("counted", e+accountsField, e+sessionsField, e+streamsField).Build()).ToArray()
		cancel()
		if err != nil {
			return c, err
		}
		upTo, sums, err := readCounts(found)
		if err != nil || upTo == allCounted {
			return sums, err
		}
		if more, err = s.countNext(ctx, p, realm, upTo); err != nil {
			return c, err
		}
	}
	return c, err
}

// The fields of counts are named by the epoch and one of these.
const (
	accountsField = " accounts"
	sessionsField = " sessions"
	streamsField  = " streams"
)

// countFields returns the fields that changes alter, each followed by what is added
// to it.
func countFields(changes []oneseat.CountChange) (fields []string) {
	for _, c := range changes {
		e := strconv.FormatUint(c.Epoch, 10)
		for _, f := range []struct {
			name string
			by   int
		}{{accountsField, c.By.Accounts}, {sessionsField, c.By.Sessions}, {streamsField, c.By.Streams}} {
			if f.by != 0 {
				fields = append(fields, e+f.name, strconv.Itoa(f.by))
			}
		}
	}
	return fields
}

// readCounts returns which rosters the sums of a partition include, and the sums of
// one epoch.
func readCounts(found []rueidis.RedisMessage) (upTo string, c oneseat.Count, err error) {
	if len(found) != 4 {
		return "", c, errors.New("the answer to HMGET has another form")
	}
	if !found[0].IsNil() {
		if upTo, err = found[0].ToString(); err != nil {
			return "", c, err
		}
	}
	for i, to := range []*int{&c.Accounts, &c.Sessions, &c.Streams} {
		if m := found[1+i]; !m.IsNil() {
			n, err := m.AsInt64()
			if err != nil {
				return "", c, err
			}
			*to = int(n)
		}
	}
	return upTo, c, nil
}

// countNext adds the next rosters to the sums. upTo says which are included
// already. It returns false if the partition has no rosters of the realm.
func (s *Store) countNext(ctx context.Context, p int, realm, upTo string) (more bool, err error) {
	short, cancel := s.trip(ctx)
	defer cancel()
	b := s.client.B()
	from := "-"
	if upTo != "" {
		from = "(" + upTo[1:]
	}
	accounts, err := s.client.Do(short, b.Zrange().Key(s.names.accounts(p, realm)).Min(from).Max("+").Bylex().Limit(0, countPage).Build()).AsStrSlice()
	if err != nil || len(accounts) == 0 && upTo == "" {
		return false, err
	}
	next := allCounted
	if len(accounts) == countPage {
		next = "=" + accounts[countPage-1]
	}
	keys, args := []string{s.names.accounts(p, realm), s.names.counts(p, realm)}, []string{upTo, next}
	sums := make(map[uint64]oneseat.Count)
	if len(accounts) > 0 {
		for _, a := range accounts {
			keys = append(keys, s.names.roster(oneseat.KeyOf(realm, a)))
		}
		values, err := s.client.Do(short, b.Mget().Key(keys[2:]...).Build()).ToArray()
		if err != nil {
			return false, err
		}
		if len(values) != len(accounts) {
			return false, errors.New("the answer to MGET has another form")
		}
		for i, v := range values {
			version, epoch, c := countValue(v)
			args, sums[epoch] = append(args, accounts[i], version), sums[epoch].Plus(c)
		}
	}
	for _, epoch := range slices.Sorted(maps.Keys(sums)) {
		args = append(args, countFields([]oneseat.CountChange{{Epoch: epoch, By: sums[epoch]}})...)
	}
	return true, countScript.Exec(short, s.client, keys, args).Error()
}

// countValue returns the version of a stored roster and what the roster counts. One
// that is absent or cannot be read counts nothing.
func countValue(m rueidis.RedisMessage) (version string, epoch uint64, c oneseat.Count) {
	text, err := m.ToString()
	if err != nil {
		return "", 0, c
	}
	const digits = 20
	version = text[:min(digits, len(text))]
	ro := new(oneseat.Roster)
	if ro.UnmarshalJSON([]byte(text[len(version):])) == nil {
		epoch, c = ro.Count()
	}
	return version, epoch, c
}
