// Package decoded remembers what stores that keep rosters as JSON have decoded, or
// encoded, lately: reading the JSON costs more than reading the row.
//
// It owns memory only. The row is still read every time, and a version is never
// given to two rosters, so nothing here can be stale.
package decoded

import (
	"sync"

	"github.com/oneseat/oneseat"
)

// Rosters has two generations; what is asked for moves to the younger, and when
// that is full the older is dropped. Safe for concurrent use.
type Rosters struct {
	mu         sync.Mutex // guards all below
	young, old map[oneseat.Key]roster
	size       int // bytes of JSON that made young
}

type roster struct {
	*oneseat.Roster
	version uint64
	size    int
}

// generation bounds either generation, in bytes of JSON. Decoded it is about
// three times as much.
const generation = 4 << 20

// New remembers nothing yet.
func New() *Rosters { return &Rosters{young: make(map[oneseat.Key]roster)} }

// Add remembers a roster that so many bytes of JSON made, or were made of.
func (d *Rosters) Add(k oneseat.Key, ro *oneseat.Roster, version uint64, size int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.put(k, roster{ro, version, size})
}

func (d *Rosters) put(k oneseat.Key, r roster) {
	if d.size+r.size > generation {
		d.young, d.old, d.size = make(map[oneseat.Key]roster), d.young, 0
	}
	d.size += r.size - d.young[k].size
	d.young[k] = r
}

// Get returns the roster that a row holds, decoding it if it is not known. What
// cannot be decoded is a *[oneseat.FormatError].
func (d *Rosters) Get(k oneseat.Key, version uint64, text []byte) (*oneseat.Roster, error) {
	if ro := d.find(k, version); ro != nil {
		return ro, nil
	}
	ro := new(oneseat.Roster)
	if err := ro.UnmarshalJSON(text); err != nil {
		return nil, err
	}
	d.Add(k, ro, version, len(text))
	return ro, nil
}

func (d *Rosters) find(k oneseat.Key, version uint64) *oneseat.Roster {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r := d.young[k]; r.version == version {
		return r.Roster
	}
	r := d.old[k]
	if r.version != version {
		return nil
	}
	d.put(k, r)
	return r.Roster
}
