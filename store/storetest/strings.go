package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/record"
)

// hostile is about text that has a meaning for some database, and text that differs
// from other text by very little.
var hostile = []promise{
	{"any account is kept as it is, and apart from every other", hostileAccounts},
	{"any label, actor and session id is kept as it is", hostileTexts},
	{"any realm is kept as it is, and apart from every other", hostileRealms},
	{"what cannot name an account is refused before the store", badAccounts},
	{"any account can sign in, and no text signs another one in", hostileSignIns},
}

// corpus is text that a store must treat as text. Its account ids hold no control
// characters; texts has those.
var corpus = sorted(slices.Concat(names, []string{
	"'", "''", `"`, "`", `\`, `\\`, `\'`, "%", "%%", "%s%n%d", "__", "?", "$1", ":name", "@p1", "*", "~", "#", ";", "--", "/*", "*/",
	"' OR '1'='1", "'; DROP TABLE rosters; --", `"; DROP TABLE rosters; --`, "1; ATTACH DATABASE 'x' AS y", "' UNION SELECT sqlite_version() --",
	"x' AND 1=CAST((SELECT version()) AS int) --", "$$;SELECT pg_sleep(9);$$", "E'\\x27'", "{1,2}", "(1,2)", "{{template}}", "${jndi:ldap://x}",
	"*3 $3 SET", "+OK", "-ERR", ":1", "$-1", "EVAL return 1 0", "{tag}key", "a{tag}", "a:b", "a:b:c", "a/b", "../../etc/passwd", "http://x/?a=b&c=d#e",
	"NULL", "null", "nil", "true", "false", "NaN", "Infinity", "undefined", "0x10", "1e3", "1000", "-0", "007", "7", "9007199254740993", "[]", "{}", `{"a":1}`,
	"<script>alert(1)</script>", "&lt;", "\u2028", "\u202Egpj.exe", "\u200B", "a\u200Bb", "\uFEFFada", "ada\u00A0", " ada", "ada ", "e\u0301", "\u00E9", "ﬁ", "ß", "SS", "ss", "İ", "i", "I", "ı",
	"\U0001F468\u200D\U0001F469\u200D\U0001F467", "\U0010FFFF", "\uFFFD", "\uE000", "Ω", "\u2126",
	strings.Repeat("a", 255), strings.Repeat("a", 256), strings.Repeat("\U0001F600", 64), strings.Repeat("%", 256), strings.Repeat("'", 256),
})...)

// texts also has control characters, as an actor or a label may have where an
// application does not clean them. NUL is not among them: what goes through a registry
// never has one.
var texts = slices.Concat(corpus, []string{"line\nbreak", "\r\n", "*1\r\n$8\r\nFLUSHALL\r\n", "tab\t", "\x01\x1f", "\x7f", "\u0085", "\x1b[31mred"})

func hostileAccounts(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	accounts := corpus
	for i, a := range accounts {
		ns[i%2].update(t, key(a), seating(a, sessionID("S", i)))
	}
	for i, a := range accounts {
		n := ns[(i+1)%2]
		v := n.load(t, key(a))
		if v.Roster == nil || v.Roster.Account != a || !slices.Equal(ids(v), []oneseat.SessionID{sessionID("S", i)}) {
			t.Errorf("account %q came back as %+v", a, v.Roster)
		}
		rs := listEvents(t, n, oneseat.EventQuery{Realm: realm, Account: a})
		if len(rs) != 1 || rs[0].Account != a || rs[0].Session != sessionID("S", i) {
			t.Errorf("the history of account %q: %+v", a, rs)
		}
	}
	if got := listRosters(t, ns[0], oneseat.RosterQuery{Realm: realm, Limit: 1000}); !slices.Equal(got, accounts) {
		t.Errorf("Rosters lists %d accounts, not the %d that there are, in their order", len(got), len(accounts))
	}
	for _, a := range accounts { // each account begins with itself
		if got := listRosters(t, ns[1], oneseat.RosterQuery{Realm: realm, Prefix: a}); len(got) == 0 || got[0] != a {
			t.Errorf("what begins with %q: %q", a, got)
		}
	}
}

func hostileTexts(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	f := follow(t, ns[1])
	ro := &record.Record{Realm: realm, Account: "ada"}
	var events []oneseat.Event
	for i, s := range texts {
		d := oneseat.Device{Label: s, Class: oneseat.Class(s), IP: s}
		seat := seat(oneseat.SessionID(s), ns[0].load(t, key("ada")).Now)
		seat.Device, seat.Secret = d, digest(i)
		ro.Seats = append(ro.Seats, seat)
		if i < oneseat.MaxEndings {
			ro.Endings = append(ro.Endings, record.Ended{
				Session: oneseat.SessionID(s), Reason: oneseat.Reason(s), By: oneseat.SessionID(s), Actor: s, Device: d, ByDevice: d, At: seat.Created,
			})
		}
		events = append(events, oneseat.Event{
			Type: oneseat.EventType(s), Realm: realm, Account: "ada", Session: oneseat.SessionID(s), At: seat.Created.Time, Version: uint64(i + 1),
			Reason: oneseat.Reason(s), By: oneseat.SessionID(s), Actor: s, Device: d, ByDevice: d,
		})
	}
	if len(ro.Seats) > oneseat.MaxSeats {
		t.Fatalf("%d texts do not fit in a roster", len(ro.Seats))
	}
	v := ns[0].put(t, ro.Roster(), events...)
	if d := differs(ns[1].load(t, key("ada")).Roster, ro); d != "" {
		t.Errorf("the roster came back as another: %s", d)
	}
	if d := sameLog(f.read(t), []oneseat.Entry{{Key: key("ada"), Version: v.Version, Events: events}}); d != "" {
		t.Errorf("the log: %s", d)
	}
	for i, s := range texts {
		rs := listEvents(t, ns[1], oneseat.EventQuery{Realm: realm, Session: oneseat.SessionID(s)})
		if !slices.ContainsFunc(rs, func(r oneseat.Record) bool { return sameEvents([]oneseat.Event{r.Event}, events[i:i+1]) }) {
			t.Errorf("the history of session %q: %+v", s, rs)
		}
		if slices.ContainsFunc(rs, func(r oneseat.Record) bool { return string(r.Session) != s }) {
			t.Errorf("the history of session %q has another's: %+v", s, rs)
		}
	}
}

func hostileRealms(t *testing.T, fresh Factory) {
	n := nodes(t, fresh, 1)[0]
	realms := slices.DeleteFunc(slices.Clone(corpus), func(s string) bool { return len(s) > 64 })
	for i, in := range realms {
		account := realms[len(realms)-1-i] // so that realm and account trade places
		n.update(t, oneseat.KeyOf(in, account), func(v oneseat.View) (oneseat.Change, error) {
			e := event(v, account, oneseat.EventSessionCreated, sessionID("S", i))
			e.Realm = in
			return oneseat.Change{Roster: &oneseat.Roster{Realm: in, Account: account, Due: v.Now}, Events: []oneseat.Event{e}}, nil
		})
	}
	for i, in := range realms {
		account := realms[len(realms)-1-i]
		if got := listRosters(t, n, oneseat.RosterQuery{Realm: in}); !slices.Equal(got, []string{account}) {
			t.Errorf("realm %q has rosters %q, want %q", in, got, account)
		}
		if rs := listEvents(t, n, oneseat.EventQuery{Realm: in}); len(rs) != 1 || rs[0].Realm != in || rs[0].Session != sessionID("S", i) {
			t.Errorf("realm %q has events %+v", in, rs)
		}
		if ks := listDue(t, n, in, 10); !slices.Equal(ks, []oneseat.Key{oneseat.KeyOf(in, account)}) {
			t.Errorf("realm %q has %v due", in, ks)
		}
	}
}

func badAccounts(t *testing.T, fresh Factory) {
	n := nodes(t, fresh, 1)[0]
	f := follow(t, n)
	r := registry(t, n, oneseat.Config{})
	for _, a := range []string{
		"", "\x00", "ada\x00", "\x00' OR 1=1 --", "line\nbreak", "\r\n*1\r\n$8\r\nFLUSHALL\r\n", "\x7f", "\u0085", "\xff", "ada\xc3", "\xed\xa0\x80", strings.Repeat("a", 257), strings.Repeat("é", 129),
	} {
		for name, call := range map[string]func(context.Context) error{
			"SignIn":   func(ctx context.Context) error { _, err := r.SignIn(ctx, a, oneseat.SignInRequest{}); return err },
			"CheckID":  func(ctx context.Context) error { _, err := r.CheckID(ctx, a, "x"); return err },
			"Sessions": func(ctx context.Context) error { _, err := r.Sessions(ctx, a); return err },
			"EndAll":   func(ctx context.Context) error { _, err := r.EndAll(ctx, a, oneseat.EndOptions{}); return err },
		} {
			if err := call(t.Context()); err == nil {
				t.Errorf("%s of account %q succeeded", name, a)
			} else if _, ok := errors.AsType[*oneseat.AccountError](err); !ok {
				t.Errorf("%s of account %q: %v, want an *oneseat.AccountError", name, a, err)
			}
		}
	}
	if es := f.read(t); len(es) > 0 {
		t.Errorf("the log has %+v", es)
	}
	if got := listRosters(t, n, oneseat.RosterQuery{Realm: realm}); len(got) > 0 {
		t.Errorf("there are rosters of %q", got)
	}
}

func hostileSignIns(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	a, b := registry(t, ns[0], oneseat.Config{}), registry(t, ns[1], oneseat.Config{})
	accounts := corpus
	grants := make([]oneseat.Grant, len(accounts))
	for i, name := range accounts {
		grants[i] = signIn(t, a, name, oneseat.SignInRequest{Token: name, DeviceID: (name + strings.Repeat("x", 16))[:16], Device: oneseat.Device{Label: name, Class: oneseat.Class(name), IP: name}})
	}
	for i, name := range accounts {
		s, err := b.Check(t.Context(), string(grants[i].Token))
		if err != nil || s.Account != name || s.ID != grants[i].Session.ID {
			t.Errorf("account %q: Check = %+v, %v", name, s, err)
		}
		if _, err := b.Check(t.Context(), name); !errors.Is(err, oneseat.ErrNoSession) {
			t.Errorf("%q was taken for a token: %v", name, err)
		}
		if n, err := b.End(t.Context(), name, oneseat.EndOptions{Actor: name}, oneseat.SessionID(name), "%", grants[(i+1)%len(grants)].Session.ID); n != 0 || err != nil {
			t.Errorf("account %q: other ids ended %d sessions, %v", name, n, err)
		}
	}
	for i, name := range accounts {
		if n, err := a.EndAll(t.Context(), name, oneseat.EndOptions{Actor: fmt.Sprint(name, "\x00\n")}); n != 1 || err != nil {
			t.Errorf("account %q: EndAll = %d, %v", name, n, err)
		}
		_, err := b.Check(t.Context(), string(grants[i].Token))
		if e, ok := errors.AsType[*oneseat.EndedError](err); !ok || e.Ending.Reason != oneseat.ReasonRevoked {
			t.Errorf("account %q: after its end Check returned %v", name, err)
		}
	}
}
