package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/server"
)

// hashesVariable is the environment variable that may have the text of a file of keys.
const hashesVariable = "ONESEAT_KEY_HASHES"

// keyFile is a file of keys. It has a hash of each key, and never a key. It also says what
// is different about single realms.
type keyFile struct {
	Key   []keyEntry            `toml:"key"`
	Realm map[string]realmEntry `toml:"realm,omitempty"`
}

type keyEntry struct {
	ID     string   `toml:"id"`
	SHA256 string   `toml:"sha256"` // of the whole key, in hexadecimal
	Realm  string   `toml:"realm"`
	Scopes []string `toml:"scopes"`
}

// realmEntry is what a site wants of its realm. What is left out is as the flags say,
// and else as it is by default: see [oneseat.Config].
type realmEntry struct {
	Limit       count            `toml:"limit"`
	Classes     map[string]count `toml:"classes"`
	Policy      string           `toml:"policy"`
	SeatIdle    span             `toml:"seat_idle"`
	Idle        span             `toml:"idle"`
	Absolute    span             `toml:"absolute"`
	KeepEndings span             `toml:"keep_endings"`
	MaxStale    span             `toml:"max_stale"`
	AdoptUntil  moment           `toml:"adopt_until"`
	ObserveOnly bool             `toml:"observe_only"`
	OneSeat     bool             `toml:"one_seat_per_device"`
	Programs    programsEntry    `toml:"programs"`
}

// programsEntry is what programs of an account may do: see [oneseat.Programs].
type programsEntry struct {
	Limit    count  `toml:"limit"`
	Policy   string `toml:"policy"`
	Idle     span   `toml:"idle"`
	Absolute span   `toml:"absolute"`
}

// realmMembers are those of a realmEntry, for people.
const realmMembers = "limit, classes, policy, seat_idle, idle, absolute, keep_endings, max_stale, adopt_until, observe_only, one_seat_per_device and programs (limit, policy, idle and absolute)"

// count is a limit: a number, or "unlimited". 0: it is left out.
type count int

func (c *count) UnmarshalText(b []byte) error {
	if string(b) == "unlimited" {
		*c = oneseat.Unlimited
		return nil
	}
	n, err := strconv.Atoi(string(b))
	if err != nil || n < 1 || n > oneseat.MaxSeats {
		return fmt.Errorf("%q is neither a number from 1 to %d nor unlimited", b, oneseat.MaxSeats)
	}
	*c = count(n)
	return nil
}

// span is a time such as "30m", or "none". 0: it is left out.
type span time.Duration

func (s *span) UnmarshalText(b []byte) error {
	if string(b) == "none" {
		*s = span(oneseat.NoTimeout)
		return nil
	}
	d, err := time.ParseDuration(string(b))
	if err != nil || d <= 0 {
		return fmt.Errorf(`%q is not a time such as "30m" or "720h"`, b)
	}
	*s = span(d)
	return nil
}

// moment is a time with an offset. Without an offset it would be another time on each
// machine.
type moment time.Time

// UnmarshalTOML is told, by the name of the zone, whether there was an offset.
func (m *moment) UnmarshalTOML(v any) error {
	t, ok := v.(time.Time)
	if !ok || strings.HasSuffix(t.Location().String(), "-local") {
		return errors.New("a time needs an offset, such as the Z of 2026-03-01T00:00:00Z")
	}
	*m = moment(t)
	return nil
}

// readKeyFile reads the text of a file of keys. name is where it stands, for people. The
// error says all that is wrong.
func readKeyFile(text, name string) (in keyFile, keys []server.Key, _ error) {
	meta, err := toml.Decode(text, &in)
	if err != nil {
		return keyFile{}, nil, fmt.Errorf("%s: %w", name, err)
	}
	var errs []error
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf("%s: %w", name, fmt.Errorf(format, args...)))
		}
	}
	for _, unknown := range meta.Undecoded() {
		bad(true, "%q is not known: a [[key]] has id, sha256, realm and scopes, a [realm.NAME] has %s", unknown.String(), realmMembers)
	}
	seen := map[string]bool{}
	for i, e := range in.Key {
		k := server.Key{ID: e.ID, Realm: e.Realm}
		sum, err := hex.DecodeString(e.SHA256)
		bad(err != nil || len(sum) != len(k.Hash), "key %d (%q): sha256 is not 64 hexadecimal digits", i+1, e.ID)
		copy(k.Hash[:], sum)
		for _, s := range e.Scopes {
			k.Scopes = append(k.Scopes, server.Scope(s))
		}
		bad(e.ID == "" || len(k.Scopes) == 0 || k.Realm == "", "key %d (%q): it needs an id, a realm, and scopes", i+1, e.ID)
		bad(seen[e.ID], "key %d (%q): there is another one of that id", i+1, e.ID)
		seen[e.ID] = true
		keys = append(keys, k)
	}
	for _, realm := range slices.Sorted(maps.Keys(in.Realm)) {
		e := in.Realm[realm]
		if e.Policy != "" {
			_, err := policyOf(e.Policy)
			bad(err != nil, "realm.%s: policy: %w", realm, err)
		}
	}
	bad(len(in.Key) == 0 && len(errs) == 0, `it has no [[key]]: "oneseat keys create" makes one`)
	return in, keys, errors.Join(errs...)
}

// config returns the configuration of a realm: what the file says of the realm, and else
// c, which is for all.
func (e realmEntry) config(c oneseat.Config) oneseat.Config {
	if e.Limit != 0 {
		c.Limit = int(e.Limit)
	}
	if len(e.Classes) > 0 {
		c.ClassLimits = make(map[oneseat.Class]int)
		for class, n := range e.Classes {
			c.ClassLimits[oneseat.Class(class)] = int(n)
		}
	}
	if e.Policy != "" {
		c.WhenFull = oneseat.Policy(e.Policy)
	}
	c.SeatIdle, c.Idle, c.Absolute = time.Duration(e.SeatIdle), time.Duration(e.Idle), time.Duration(e.Absolute)
	c.KeepEndings, c.MaxStale = time.Duration(e.KeepEndings), time.Duration(e.MaxStale)
	c.AdoptUntil, c.ObserveOnly = time.Time(e.AdoptUntil), e.ObserveOnly
	c.OneSeatPerDevice = e.OneSeat
	c.Programs = oneseat.Programs{Limit: int(e.Programs.Limit), WhenFull: oneseat.Policy(e.Programs.Policy), Idle: time.Duration(e.Programs.Idle), Absolute: time.Duration(e.Programs.Absolute)}
	return c
}

// realms are the names of those that are served: each that has a key, or is mentioned.
func (f keyFile) realms() []string {
	names := slices.Collect(maps.Keys(f.Realm))
	for _, k := range f.Key {
		names = append(names, k.Realm)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// addKey adds a key to a file.
func addKey(file string, k server.Key) error {
	e := keyEntry{ID: k.ID, SHA256: hex.EncodeToString(k.Hash[:]), Realm: k.Realm}
	for _, s := range k.Scopes {
		e.Scopes = append(e.Scopes, string(s))
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(toml.NewEncoder(f).Encode(keyFile{Key: []keyEntry{e}}), f.Close())
}

// removeKey removes the part of a key from a file, and returns what it was. All else in
// the file, comments too, stays as it is. The last key of a file stays: a server keeps
// its keys when it reads a file that has none.
func removeKey(file, id string) (keyEntry, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return keyEntry{}, err
	}
	was, _, err := readKeyFile(string(b), file)
	if err != nil {
		return keyEntry{}, err
	}
	i := slices.IndexFunc(was.Key, func(e keyEntry) bool { return e.ID == id })
	switch {
	case i < 0:
		return keyEntry{}, fmt.Errorf("%s has no key with the id %q: the lines id = … show which it has", file, id)
	case len(was.Key) == 1:
		return keyEntry{}, fmt.Errorf("%s has no other key, and a server that reads a file without keys keeps its old keys: make another key first, or end the server", file)
	}
	text := cutKey(string(b), id)
	now, _, err := readKeyFile(text, file)
	if want := slices.Concat(was.Key[:i], was.Key[i+1:]); err != nil || !slices.EqualFunc(now.Key, want, keyEntry.equal) || len(now.Realm) != len(was.Realm) {
		return keyEntry{}, fmt.Errorf("%s is written in another way than by \"oneseat keys create\": remove the part of the key by hand", file)
	}
	return was.Key[i], os.WriteFile(file, []byte(text), 0o600) // the file keeps its owner and its mode
}

func (e keyEntry) equal(to keyEntry) bool {
	return e.ID == to.ID && e.SHA256 == to.SHA256 && e.Realm == to.Realm && slices.Equal(e.Scopes, to.Scopes)
}

// cutKey returns a text without the part of a key: from its line [[key]] to the line
// before the next part, but for comments and empty lines there.
func cutKey(text, id string) string {
	lines := slices.Collect(strings.Lines(text))
	begins := func(i int) bool { return strings.HasPrefix(strings.TrimSpace(lines[i]), "[") }
	for from := range lines {
		if !strings.HasPrefix(strings.TrimSpace(lines[from]), "[[key]]") {
			continue
		}
		to := from + 1
		for to < len(lines) && !begins(to) {
			to++
		}
		for to > from+1 && strings.TrimSpace(strings.SplitN(lines[to-1], "#", 2)[0]) == "" {
			to--
		}
		var part keyFile
		if _, err := toml.Decode(strings.Join(lines[from:to], ""), &part); err == nil && len(part.Key) == 1 && part.Key[0].ID == id {
			return strings.Join(slices.Concat(lines[:from], lines[to:]), "")
		}
	}
	return text
}
