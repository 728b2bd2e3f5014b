// Package decoded remembers rosters that a store has decoded or encoded recently.
// It is for stores that keep rosters as JSON, because decoding costs more than
// reading the row.
//
// It owns memory only. A store still reads the row every time and asks for the
// row's version. No two rosters of one key have the same version, so a remembered
// roster is never stale.
package decoded

import (
	"sync"

	"github.com/oneseat/oneseat"
)

// Rosters keeps two generations of rosters. A roster that is asked for moves to the
// younger one. When the younger one is full, the older one is dropped. It is safe
// for concurrent use.
type Rosters struct {
	mu         sync.Mutex // guards all fields below
	young, old map[oneseat.Key]roster
	size       int // of the JSON of all rosters in young, in bytes
}

type roster struct {
	*oneseat.Roster
	version uint64
	size    int
}

// generation is the most that a generation holds, in bytes of JSON. Decoded rosters
// take about three times as much memory.
const generation = 4 << 20

// New returns Rosters that remember nothing yet.
func New() *Rosters { return &Rosters{young: make(map[oneseat.Key]roster)} }

// Add remembers a roster whose JSON has this size in bytes.
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

// Get returns the roster that a row holds. It decodes the text unless it remembers
// the roster. For a text that cannot be decoded it returns a
// *[oneseat.FormatError].
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
