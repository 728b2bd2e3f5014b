package oneseat_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

// Fuzz functions of what the package reads; those of tokens, accounts and rosters stand
// beside their tests. "make fuzz" finds them all.

// boundedBy fails the test if reading n bytes allocates more than each times as much, and a
// megabyte for what other goroutines do. Measuring stops the world, so it looks at one
// length of eight.
func boundedBy(t *testing.T, n, each int, read func()) {
	if n%8 != 7 {
		read()
		return
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	read()
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > uint64(n*each+1<<20) {
		t.Errorf("%d bytes of memory for %d that are read", took, n)
	}
}

// For a text that is no ticket Redeem returns a *TicketError that shows nothing of the
// text. The text admits nobody, is not written, and costs one read at most.
func FuzzTicket(f *testing.F) {
	r := newNode(f, memstore.New(), asking)
	there := signIn(f, r, "ada", oneseat.SignInRequest{})
	good := string(refused(f, r, "ada", oneseat.SignInRequest{}).Ticket)
	for _, s := range []string{
		"", "oneseat_ticket_", good[:len(good)-1], good + "=", good + "\n", " " + good, string(there.Token), string(forgedTicket(realm, "ada")), string(forgedTicket(realm, "nobody")), strings.ToUpper(good),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if s == good {
			return
		}
		loads, updates := r.loads.Load(), r.updates.Load()
		_, err := r.Redeem(t.Context(), oneseat.Ticket(s), oneseat.SignInRequest{}, there.Session.ID)
		wantTicketError(t, s, err)
		if secret, is := strings.CutPrefix(s, oneseat.TicketPrefix); is && len(secret) > 8 && strings.Contains(err.Error(), secret) {
			t.Errorf("%q is in %v", s, err)
		}
		read := r.loads.Load() - loads + r.updates.Load() - updates // an update begins with a read, and writes nothing here
		if mayBe := wellFormed(oneseat.TokenPrefix + strings.TrimPrefix(s, oneseat.TicketPrefix)); read > 1 || read == 1 && !(mayBe && strings.HasPrefix(s, oneseat.TicketPrefix)) {
			t.Errorf("%d reads of %q", read, s)
		}
		wantLive(t, r, there)
	})
}

// EventsSince takes a place that it has returned. Any other text is an error, or a gap.
// Nothing else is read from the text, and the next place is one that EventsSince takes.
func FuzzPlace(f *testing.F) {
	r := newNode(f, memstore.New(), oneseat.Config{})
	signIn(f, r, "ada", oneseat.SignInRequest{})
	begin, err := r.EventsSince(f.Context(), "")
	if err != nil {
		f.Fatal(err)
	}
	signIn(f, r, "ada", oneseat.SignInRequest{})
	for _, s := range []string{"", "x", string(begin.Next), string(begin.Next) + "A", base64.RawURLEncoding.EncodeToString([]byte(`["1"]`)), base64.RawURLEncoding.EncodeToString([]byte(`[null]`)), base64.RawURLEncoding.EncodeToString([]byte(`["x","y"]`)), "W10", "bnVsbA"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var page oneseat.EventPage
		var err error
		boundedBy(t, len(s), 256, func() { page, err = r.EventsSince(t.Context(), oneseat.Place(s)) })
		if err != nil {
			if page.Next != "" || len(page.Events) > 0 {
				t.Errorf("%q: %v, and yet %+v", s, err, page)
			}
			return
		}
		b, _ := base64.RawURLEncoding.DecodeString(s)
		var cursors []oneseat.Cursor
		if json.Unmarshal(b, &cursors) != nil && s != "" {
			t.Errorf("%q is no place, and was taken for one", s)
		}
		again, err := r.EventsSince(t.Context(), page.Next)
		if err != nil || again.Gap || len(again.Events) > 0 && page.End {
			t.Errorf("%q leads to %q, and that to %+v, %v", s, page.Next, again, err)
		}
	})
}

// An event that was read as JSON, as the logs of SQLite and PostgreSQL have it, is written
// as the same, and in the form of the log of Redis too.
func FuzzEventJSON(f *testing.F) {
	whole, err := os.ReadFile("testdata/e18747a/event.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte(`{"type":"limit_changed","at":"0001-01-01T00:00:00Z","limits":{"classes":{"tv":-1}}}`))
	f.Add([]byte(`{"at":"2026-03-01T00:00:00.123456789+14:00","version":18446744073709551615,"later":[{}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var e, again, compact oneseat.Event
		var err error
		boundedBy(t, len(b), 64, func() { err = json.Unmarshal(b, &e) })
		if err != nil {
			return
		}
		text, err := json.Marshal(&e)
		if err != nil {
			return // a year beyond 9999
		}
		if err := json.Unmarshal(text, &again); err != nil || !sameEvent(e, again) {
			t.Errorf("%s became\n%+v, %v, want\n%+v", text, again, err, e)
		}
		if err := compact.ParseCompact(string(e.AppendCompact(nil))); err != nil || !sameEvent(e, compact) {
			t.Errorf("%s became\n%+v, %v, want\n%+v", text, compact, err, e)
		}
	})
}

// sameEvent says whether two events are alike. The same moment in two time zones is
// alike, and so are no limits and empty limits.
func sameEvent(a, b oneseat.Event) bool {
	same := a.At.Equal(b.At) && a.Until.Equal(b.Until)
	for _, e := range []*oneseat.Event{&a, &b} {
		e.At, e.Until = time.Time{}, time.Time{}
		if e.Limits != nil && len(e.Limits.Classes) == 0 {
			l := *e.Limits
			l.Classes = nil
			e.Limits = &l
		}
	}
	return same && reflect.DeepEqual(a, b)
}

// An application may say anything of a device: only inert text, a known class and a
// network are kept.
func FuzzWhatIsKeptOfADevice(f *testing.F) {
	for _, d := range [][3]string{{"Firefox on Linux", "desktop", "192.0.2.77"}, {"\u202e<script>", "\x00", "::ffff:192.0.2.77"}, {strings.Repeat("😀", 40), "tv", "fe80::1%eth0"}, {"\xff&amp;", "", "192.0.2.77:80"}} {
		f.Add(d[0], d[1], d[2])
	}
	r := newNode(f, memstore.New(), oneseat.Config{})
	f.Fuzz(func(t *testing.T, label, class, ip string) {
		g, err := r.SignIn(t.Context(), "ada", oneseat.SignInRequest{Device: oneseat.Device{Label: label, Class: oneseat.Class(class), IP: ip}})
		if err != nil {
			t.Fatal(err)
		}
		d := g.Session.Device
		inert := !strings.ContainsFunc(d.Label, func(c rune) bool {
			return unicode.IsControl(c) || !unicode.IsGraphic(c) || strings.ContainsRune("<>&\"\\", c)
		})
		if len(d.Label) > 40 || !utf8.ValidString(d.Label) || !inert {
			t.Errorf("%q is kept as %q", label, d.Label)
		}
		if !slices.Contains(oneseat.Classes(), d.Class) {
			t.Errorf("%q is kept as %q", class, d.Class)
		}
		whole, err := netip.ParseAddr(ip)
		kept, not := netip.ParseAddr(d.IP)
		if (err == nil) != (not == nil) || d.IP != "" && not != nil {
			t.Fatalf("%q is kept as %q", ip, d.IP)
		}
		if not == nil {
			whole = whole.Unmap().WithZone("")
			bits := map[bool]int{true: 24, false: 48}[whole.Is4()]
			if p, err := whole.Prefix(bits); err != nil || p.Addr() != kept {
				t.Errorf("%q is kept as %q", ip, d.IP)
			}
		}
	})
}

// Limits from a caller or an application are possible, or give a *ConfigError and change
// nothing.
func FuzzLimits(f *testing.F) {
	f.Add([]byte(`{"total":3,"classes":{"tv":1},"streams":2}`))
	f.Add([]byte(`{"total":-1}`))
	f.Add([]byte(`{"total":257,"classes":{"":0}}`))
	r := newNode(f, memstore.New(), oneseat.Config{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var l oneseat.Limits
		if json.Unmarshal(b, &l) != nil {
			return
		}
		before := stored(t, r.Store, "ada").Roster
		err := r.SetLimit(t.Context(), "ada", l, "")
		if _, bad := errors.AsType[*oneseat.ConfigError](err); (l.Check() != nil) != bad || err != nil && !bad {
			t.Fatalf("%s: %v, and Check says %v", b, err, l.Check())
		}
		after := stored(t, r.Store, "ada").Roster
		if err != nil && !reflect.DeepEqual(before, after) {
			t.Errorf("%s: %v, and it is written", b, err)
		}
		if after != nil {
			if again := decode(t, encode(t, after)); string(encode(t, again)) != string(encode(t, after)) {
				t.Errorf("%s is stored as %s", b, encode(t, again))
			}
		}
	})
}
