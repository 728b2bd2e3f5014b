package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
	"github.com/oneseat/oneseat/client"
	"github.com/oneseat/oneseat/internal/canaries"
	"github.com/oneseat/oneseat/internal/testservers"
)

// site is one that people sign in to: what a test does beside the commands.
type site interface {
	SignIn(context.Context, string, oneseat.SignInRequest) (oneseat.Grant, error)
	CheckFresh(context.Context, string) (oneseat.Session, error)
}

// place is where commands connect to, and the site there. Its realm is "shop".
type place struct {
	site
	t     *testing.T
	where []string // flags
}

// everywhere runs a test on a server, and on each store beside a node.
func everywhere(t *testing.T, f func(p *place)) {
	t.Run("server", func(t *testing.T) { f(onServer(t)) })
	for name, store := range map[string]func(*testing.T) string{
		"sqlite":   func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "oneseat.db") },
		"postgres": func(t *testing.T) string { return testservers.StartPostgres(t).URL },
		"redis":    func(t *testing.T) string { return testservers.StartRedis(t).URL },
	} {
		t.Run(name, func(t *testing.T) { f(onStore(t, store(t))) })
	}
}

// onServer is a server on a SQLite file, with a limit of 2.
func onServer(t *testing.T) *place {
	t.Helper()
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv(storeVariable, "")
	t.Chdir(t.TempDir())
	key := createKey(t, "--file", "keys.toml", "--realm", "shop", "--scopes", "check,sessions,admin")
	printed, _, _ := served(t, 1, "--keys", "keys.toml", "--limit", "2", "--sign-ins-per-minute", "0")
	t.Setenv(keyVariable, key)
	k, err := client.New(t.Context(), client.Config{URL: printed[0], Key: key, Logger: canaries.Logger(nil)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() })
	return &place{k, t, []string{"--url", printed[0]}}
}

// onStore is a node on a store, with a limit of 2.
func onStore(t *testing.T, store string) *place {
	t.Helper()
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv(keyVariable, "")
	t.Setenv(storeVariable, "")
	spec, err := parseStore(store)
	if err != nil {
		t.Fatal(err)
	}
	quiet := canaries.Logger(nil)
	data, err := spec.open(t.Context(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	seats, err := oneseat.New(data.store, oneseat.Config{Realm: "shop", Limit: 2, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(seats.Close(), data.close()); err != nil {
			t.Error(err)
		}
	})
	return &place{seats, t, []string{"--store", store, "--realm", "shop"}}
}

// signIn signs an account in.
func (p *place) signIn(account, label string, class oneseat.Class) oneseat.Grant {
	p.t.Helper()
	for range 20 { // a call has two seconds, which is little on a machine that is busy
		g, err := p.SignIn(p.t.Context(), account, oneseat.SignInRequest{Device: oneseat.Device{Label: label, Class: class, IP: "192.0.2.7"}})
		if err == nil {
			return g
		}
		if !errors.Is(err, oneseat.ErrStoreUnavailable) && !errors.Is(err, oneseat.ErrUnknownOutcome) {
			p.t.Fatal(err)
		}
	}
	p.t.Fatal("nobody could sign in")
	return oneseat.Grant{}
}

// live reports whether a session is live.
func (p *place) live(g oneseat.Grant) bool {
	p.t.Helper()
	for range 20 {
		_, err := p.CheckFresh(p.t.Context(), string(g.Token))
		if !errors.Is(err, oneseat.ErrStoreUnavailable) {
			return err == nil
		}
	}
	p.t.Fatal("no answer")
	return false
}

// does runs a command there, and again if there was no answer.
func (p *place) does(line string) (code int, stdout, stderr string) {
	p.t.Helper()
	for range 20 {
		if code, stdout, stderr = ran(p.t, append(strings.Fields(line), p.where...)...); code != exitNoAnswer {
			break
		}
	}
	return code, stdout, stderr
}

// prints runs a command that has to succeed, and returns what it prints.
func (p *place) prints(line string) string {
	p.t.Helper()
	code, stdout, stderr := p.does(line)
	if code != exitOK {
		p.t.Errorf("%s: %d %s", line, code, stderr)
	}
	return stdout
}

var (
	anID     = regexp.MustCompile(`\b[A-Z2-7]{26}\b`)
	aTime    = regexp.MustCompile(`\b\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?\b`)
	aJSONDay = regexp.MustCompile(`"\d{4}-\d\d-\d\dT[0-9:.]+Z"`)
)

// masked is a text without what differs from run to run: each of these has the length
// that it had.
func masked(s string) string {
	mask := func(with string) func(string) string {
		return func(s string) string { return strings.Repeat(with, len(s)) }
	}
	return aJSONDay.ReplaceAllString(aTime.ReplaceAllStringFunc(anID.ReplaceAllStringFunc(s, mask("I")), mask("T")), `"T"`)
}

func (p *place) wants(line, want string) {
	p.t.Helper()
	if got := masked(p.prints(line)); got != strings.TrimPrefix(want, "\n") {
		p.t.Errorf("%s prints\n%s", line, got)
	}
}

func TestAccountsAndSessionsAreListedShownEndedAndBlocked(t *testing.T) {
	everywhere(t, func(p *place) {
		p.wants("accounts list", "There are no accounts in the realm shop.\n")
		p.wants("accounts list --json", "")
		one, two := p.signIn("ada", "Firefox on Linux", oneseat.ClassDesktop), p.signIn("ada", "Living room", oneseat.ClassTV)
		p.signIn("山田", "電話", oneseat.ClassMobile)
		odd := p.signIn("x\u202ey z", "Laptop", oneseat.ClassDesktop)
		p.wants("accounts list", `
ACCOUNT       SESSIONS  OWN LIMIT  LAST SEEN         BLOCKED
ada           2                    TTTTTTTTTTTTTTTT
"x\u202ey z"  1                    TTTTTTTTTTTTTTTT
山田          1                    TTTTTTTTTTTTTTTT
`)
		p.wants("accounts list --prefix a", `
ACCOUNT  SESSIONS  OWN LIMIT  LAST SEEN         BLOCKED
ada      2                    TTTTTTTTTTTTTTTT
`)
		p.wants("accounts list --prefix z", "There is no account in the realm shop whose name begins with z.\n")
		if got := p.prints("accounts list --limit 1 --json"); strings.Count(got, "\n") != 1 || !strings.HasPrefix(got, `{"account":"ada","sessions":[{"id":"`+string(two.Session.ID)+`","account":"ada","device":{"label":"Living room","class":"tv","ip":"192.0.2.0"},"created":"`) {
			p.t.Errorf("%s", got)
		}
		if got := p.prints("accounts list --json --prefix x"); !strings.HasPrefix(got, `{"account":"x\u202ey z",`) {
			p.t.Errorf("%s", got)
		}
		p.wants("sessions list ada", `
SESSION                     DEVICE            NETWORK    SIGNED IN         LAST SEEN
IIIIIIIIIIIIIIIIIIIIIIIIII  Living room       192.0.2.0  TTTTTTTTTTTTTTTT  TTTTTTTTTTTTTTTT
IIIIIIIIIIIIIIIIIIIIIIIIII  Firefox on Linux  192.0.2.0  TTTTTTTTTTTTTTTT  TTTTTTTTTTTTTTTT
`)
		if got := p.prints("sessions list"); strings.Count(got, "\n") != 5 || !strings.Contains(got, "\n山田          ") {
			p.t.Errorf("%s", got)
		}

		p.wants("sessions end ada "+string(one.Session.ID)+" --yes --actor grace", "1 session of ada ended.\n")
		if p.live(one) || !p.live(two) {
			p.t.Error("the wrong session ended")
		}
		if got := p.prints("accounts show ada"); !strings.Contains(got, "\n1 live session\n") || !strings.Contains(masked(got), `
1 session ended lately
  DEVICE            ENDED             REASON   BY     SESSION
  Firefox on Linux  TTTTTTTTTTTTTTTT  revoked  grace  IIIIIIIIIIIIIIIIIIIIIIIIII
`) {
			p.t.Errorf("%s", got)
		}
		p.wants("sessions end ada --class desktop --yes", "ada has no such live session, so none ended.\n")
		three := p.signIn("ada", "Safari on iPhone", oneseat.ClassMobile)
		p.wants("sessions end ada --except "+string(three.Session.ID)+" --yes --json", "{\"ended\":1}\n")
		if p.live(two) || !p.live(three) {
			p.t.Error("the wrong session ended")
		}
		p.wants("sessions end ada --all --yes --reason credentials_changed", "1 session of ada ended.\n")
		p.wants("sessions list ada", "ada has no live session.\n")
		p.wants("sessions end ada --all --yes", "ada has no live session, so none ended.\n")

		p.signIn("ada", "One", oneseat.ClassTV)
		p.signIn("ada", "Two", oneseat.ClassTV)
		p.wants("accounts limit ada 1 --streams 2 --yes", "The limits of ada are set. 1 session ended.\n")
		if got := p.prints("accounts show ada"); !strings.Contains(got, "at most 1 session, set for this account\n") || !strings.Contains(got, "at most 2 streams, set for this account\n") {
			p.t.Errorf("%s", got)
		}
		p.wants("accounts limit ada --streams 2 --stream-class tv=1 --programs 4", "The limits of ada are set.\n")
		if got := p.prints("accounts show ada"); !strings.Contains(got, "at most 1 stream on tv, set for this account\n") || !strings.Contains(got, "at most 4 programs, set for this account\n") {
			p.t.Errorf("%s", got)
		}
		if got := p.prints("events ada --limit 1"); !strings.Contains(got, "are now 2 streams, 1 stream on tv, 4 programs") {
			p.t.Errorf("%s", got)
		}
		p.wants("accounts limit ada 3 --class tv=1", "The limits of ada are set.\n")
		if got := p.prints("accounts limit ada --remove --json --yes"); !strings.HasPrefix(got, `{"account":"ada","sessions":[{`) || strings.Contains(got, `"limits":`) {
			p.t.Errorf("%s", got)
		}
		p.wants("accounts block ada --for 24h --yes", "ada is blocked until TTTTTTTTTTTTTTTTTTT. 1 session ended.\n")
		if got := p.prints("accounts list --prefix ada"); !strings.Contains(masked(got), "  until TTTTTTTTTTTTTTTT\n") {
			p.t.Errorf("%s", got)
		}
		p.wants("explain ada", "ada would be refused, because the account is blocked.\n")
		p.wants("accounts unblock ada", "ada may sign in again.\n")
		p.wants("accounts unblock ada", "ada was not blocked.\n")
		p.wants("accounts block newcomer --new --yes", "newcomer is blocked. 0 sessions ended.\n")

		events := p.prints("events ada --limit 4")
		for i, want := range []string{`ada was unblocked, by ` + loginName(), `ada was blocked until \d`, `ada was signed out on Two: account_blocked`, `ada: the account's limits are now those of everybody, by `} {
			lines := strings.Split(events, "\n")
			if i >= len(lines) || !regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d `+want).MatchString(lines[i]) {
				p.t.Errorf("%s, and not %s", events, want)
			}
		}
		if got := p.prints("events --session " + string(odd.Session.ID)); got[20:] != `"x\u202ey z" signed in on Laptop (`+string(odd.Session.ID)+")\n" {
			p.t.Errorf("%s", got)
		}
		if got := p.prints("events --limit 0 --json"); strings.Count(got, "\n") < 15 || !strings.HasPrefix(got, `{"type":"account_blocked","account":"newcomer","at":"`) {
			p.t.Errorf("%s", got)
		}
		p.signIn("leaver", "Laptop", oneseat.ClassDesktop)
		p.wants("accounts forget leaver --yes", "What was known of leaver is erased. 1 session ended.\n")
		if got := p.prints("accounts forget newcomer --yes --json"); !strings.HasPrefix(got, `{"account":"newcomer","sessions":[],"endings":[]`) || strings.Contains(got, `"block"`) {
			p.t.Errorf("%s", got)
		}
		for _, line := range []string{"accounts show leaver", "events leaver", "accounts forget leaver --yes"} {
			if code, _, stderr := p.does(line); code != exitNotFound || !strings.Contains(stderr, "nothing is known of an account leaver") {
				p.t.Errorf("%s: %d %s", line, code, stderr)
			}
		}
	})
}

func TestASignInIsExplained(t *testing.T) {
	everywhere(t, func(p *place) {
		one, two := p.signIn("ada", "One", oneseat.ClassDesktop), p.signIn("ada", "Two", oneseat.ClassTV)
		line, source := "explain ada", "as for everybody"
		if p.where[0] == "--store" { // which does not know the limit of the site
			line, source = line+" --limit 2", "as --limit says"
		}
		p.wants(line, `
ada would be let in.
The limit that decides: 2 sessions, `+source+`.

1 session would end
  SESSION                     DEVICE  NETWORK    SIGNED IN         LAST SEEN
  IIIIIIIIIIIIIIIIIIIIIIIIII  One     192.0.2.0  TTTTTTTTTTTTTTTT  TTTTTTTTTTTTTTTT
`)
		if got := p.prints(line + " --json"); got != `{"outcome":"admitted","displaces":["`+string(one.Session.ID)+`"],"full":"total","limit":2,"from":"Config"}`+"\n" {
			p.t.Errorf("%s", got)
		}
		p.wants("explain nobody --class tv", "nobody would be let in.\nNothing is known of this account yet.\n")
		if p.where[0] == "--store" {
			p.wants("explain ada --limit 2 --policy refuse", "ada would be refused, because the account is full.\nThe limit that decides: 2 sessions, as --limit says.\n")
		} else if code, _, stderr := p.does("explain ada --policy ask"); code != exitUsage || !strings.Contains(stderr, "a server knows its own") {
			p.t.Errorf("%d %s", code, stderr)
		}
		if !p.live(one) || !p.live(two) {
			p.t.Error("it changed something")
		}
	})
}

func TestARealmEndsIfItsNameIsTyped(t *testing.T) {
	everywhere(t, func(p *place) {
		a, b := p.signIn("ada", "One", oneseat.ClassDesktop), p.signIn("grace", "Two", oneseat.ClassTV)
		for line, want := range map[string]string{
			"end-realm":                 "Write the name of the realm, and --yes",
			"end-realm shop":            "Write the name of the realm, and --yes",
			"end-realm --yes":           "write the name of the realm too",
			"end-realm shopp --yes":     "shopp",
			"end-realm shop shop --yes": "name one realm",
			"end-realm Shop --yes":      "Shop",
		} {
			if code, stdout, stderr := p.does(line); code != exitUsage || stdout != "" || !strings.Contains(stderr, want) {
				p.t.Errorf("%s: %d %s %s", line, code, stdout, stderr)
			}
		}
		if !p.live(a) || !p.live(b) {
			p.t.Fatal("sessions ended")
		}
		p.wants("end-realm shop --yes --actor grace", "Every session of the realm shop has ended.\n")
		if p.live(a) || p.live(b) {
			p.t.Error("sessions are live")
		}
		p.wants("sessions list", "No session is live in the realm shop.\n")
		p.wants("sessions list --json", "")
		if got := p.prints("events --limit 1"); got[20:] != "every session of the realm ended, by grace\n" {
			p.t.Errorf("%s", got)
		}
		if !p.live(p.signIn("ada", "Three", oneseat.ClassDesktop)) {
			p.t.Error("nobody can sign in any more")
		}
		if p.where[0] == "--store" {
			if code, _, stderr := ran(p.t, "end-realm", "shopp", "--yes", "--store", p.where[1]); code != exitNotFound || !strings.Contains(stderr, "the store has no realm shopp") {
				p.t.Errorf("%d %s", code, stderr)
			}
			if code, stdout, stderr := ran(p.t, "end-realm", "shop", "--yes", "--json", "--actor", "ada", "--store", p.where[1]); code != exitOK || stdout != "{\"realm\":\"shop\",\"actor\":\"ada\"}\n" {
				p.t.Errorf("%d %s %s", code, stdout, stderr)
			}
		}
	})
}

func TestMillionsOfAccountsComePageByPage(t *testing.T) {
	p := onStore(t, "sqlite:"+filepath.Join(t.TempDir(), "oneseat.db"))
	for i := range 2*firstPage + 7 {
		p.signIn("member "+string(rune('a'+i/26))+string(rune('a'+i%26)), "Laptop", oneseat.ClassDesktop)
	}
	if got := p.prints("accounts list"); strings.Count(got, "\n") != 2*firstPage+8 || strings.Count(got, "ACCOUNT") != 1 {
		t.Errorf("%d lines", strings.Count(got, "\n"))
	}
	if got := p.prints("accounts list --limit 150 --json"); strings.Count(got, "\n") != 150 {
		t.Errorf("%d lines", strings.Count(got, "\n"))
	}
	if got := p.prints("sessions list"); strings.Count(got, "\n") != 2*firstPage+8 {
		t.Errorf("%d lines", strings.Count(got, "\n"))
	}
	if got := p.prints("events --limit 150"); strings.Count(got, "\n") != 150 {
		t.Errorf("%d lines", strings.Count(got, "\n"))
	}
	if got := p.prints("events --limit 0"); strings.Count(got, "\n") != 2*firstPage+7 {
		t.Errorf("%d lines", strings.Count(got, "\n"))
	}
}

func TestWhatDoesNotExistIsSaidWithACodeOfItsOwn(t *testing.T) {
	p := onServer(t)
	p.signIn("ada", "Laptop", oneseat.ClassDesktop)
	for line, want := range map[string]string{
		"accounts show adda":                                "nothing is known of an account adda in the realm shop",
		"sessions list adda":                                "nothing is known of an account adda",
		"sessions end adda --all --yes":                     "nothing is known of an account adda",
		"sessions end ada AAAABBBBCCCCDDDDEEEEFFFFGG --yes": "ada has no live session AAAABBBBCCCCDDDDEEEEFFFFGG",
		"sessions end ada --except x --yes":                 "ada has no live session x",
		"accounts limit adda 1 --yes":                       "write --new",
		"accounts block adda --yes":                         "write --new",
		"accounts unblock adda":                             "nothing is known of an account adda",
		"accounts forget adda --yes":                        "nothing is known of an account adda",
		"events adda":                                       "nothing is known of an account adda",
		"events --session AAAABBBBCCCCDDDDEEEEFFFFGG":       "there is no event about a session",
	} {
		if code, stdout, stderr := p.does(line); code != exitNotFound || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("%s: %d %s %s", line, code, stdout, stderr)
		}
	}
	if got := p.prints("accounts list"); strings.Contains(got, "adda") {
		t.Errorf("an account was made: %s", got)
	}
}

func TestWhatChangesSomethingIsRefusedWithoutAYes(t *testing.T) {
	p := onServer(t)
	one, two := p.signIn("ada", "Laptop", oneseat.ClassDesktop), p.signIn("ada", "Phone", oneseat.ClassMobile)
	for _, line := range []string{"sessions end ada --all", "sessions end ada " + string(one.Session.ID), "sessions end ada --class mobile --json", "accounts block ada", "accounts forget ada", "accounts limit ada 1", "accounts limit ada 5 --class mobile=1 --class desktop=1 --streams 1"} {
		code, stdout, stderr := p.does(line)
		if strings.Contains(line, "streams") { // it ends nothing
			if code != exitOK {
				t.Errorf("%s: %d %s", line, code, stderr)
			}
			continue
		}
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, "--yes: there is no terminal to ask on, so nothing was done") || !strings.Contains(stderr, "ada") {
			t.Errorf("%s: %d %s %s", line, code, stdout, stderr)
		}
	}
	if !p.live(one) || !p.live(two) {
		t.Error("a session ended")
	}
}

func TestWhatCannotBeMeantIsSaid(t *testing.T) {
	p := onServer(t)
	p.signIn("ada", "Laptop", oneseat.ClassDesktop)
	for line, want := range map[string]string{
		"accounts show":                                  "name one account",
		"accounts show a b":                              "name one account",
		"accounts list ada":                              `"ada" is not a flag`,
		"accounts list --limit -1":                       "--limit: -1 is less than 0",
		"accounts limit ada":                             "say how many sessions",
		"accounts limit ada 0":                           "To keep an account out, block it",
		"accounts limit ada 257":                         `"257" is neither a number from 1 to 256 nor unlimited`,
		"accounts limit ada two":                         `"two" is neither`,
		"accounts limit ada 2 --class phone=1":           "no class of device",
		"accounts limit ada 2 --class tvv=1":             "did you mean tv?",
		"accounts limit ada 2 --class tv":                `--class: "" is neither`,
		"accounts limit ada 2 --streams 65":              "--streams: ",
		"accounts limit ada 2 --programs 65":             "--programs: ",
		"accounts limit ada 2 --stream-class tv=1":       "set it too",
		"accounts limit ada 2 --stream-class tv":         `--stream-class: "" is neither`,
		"accounts limit ada --streams 2 --class tv=1":    "set it too",
		"accounts limit ada 2 --remove":                  "leave the others out",
		"accounts block ada --for 0s":                    "--for: 0s",
		"accounts block ada --for -1h":                   "--for: -1h0m0s",
		"accounts block ada --for soon":                  `--for: "soon"`,
		"accounts block ada --until tomorrow":            `--until: "tomorrow"`,
		"accounts block ada --until 2001-01-01 --yes":    "would be over",
		"accounts block ada --for 1h --until 2031-01-01": "name one of them",
		"sessions end ada":                               "say which sessions end",
		"sessions end ada x --all":                       "say which sessions end",
		"sessions end ada --class fridge":                `--class: "fridge"`,
		"sessions end ada --all --reason displaced":      `--reason: "displaced"`,
		"sessions end":                                   "name one account",
		"sessions ends ada":                              "did you mean end?",
		"explain ada --class fridge":                     `"fridge" is no class`,
		"explain ada --policy kick":                      `"kick" is neither`,
		"events --limit -1":                              "--limit: -1",
		"events ada grace":                               "name one account",
		"accounts list --store sqlite:x":                 "--url, --store: name one of them",
		"accounts list --profile p":                      "leave --url and --store out",
		"accounts list --key a --key-file b":             "--key, --key-file: name one of them",
		"accounts list --key-file nothing":               "--key-file: open nothing",
		"accounts list --key-file keys.toml":             "has not one line with a key",
		"accounts list --ca nothing":                     "--ca: open nothing",
		"accounts list --ca keys.toml":                   "keys.toml has no certificate",
		"accounts list --realm shopping":                 "the key is of the realm shop, and not of shopping",
	} {
		if code, stdout, stderr := p.does(line); code != exitUsage || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("%s: %d %s %s", line, code, stdout, stderr)
		}
	}
	// What only the server knows to be impossible.
	for line, want := range map[string]string{
		"accounts show " + strings.Repeat("x", 257): "longer than 256 bytes",
		"accounts list --key oneseat_key_x":         "does not know the key",
	} {
		if code, stdout, stderr := p.does(line); code != exitFailed || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("%s: %d %s %s", line, code, stdout, stderr)
		}
	}
	weak := createKey(t, "--file", "other.toml")
	if err := os.WriteFile("key", []byte(weak+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := p.does("accounts list --key-file key"); code != exitFailed || !strings.Contains(stderr, "SIGHUP") || strings.Contains(stderr, weak) {
		t.Errorf("%d %s", code, stderr)
	}
}

func TestAProgramIsMarkedInTables(t *testing.T) {
	s := api.Session{Device: api.SeenDevice{Label: "Nightly backup"}}
	for _, s.Program = range []bool{false, true} {
		if got := sessionRow(s, false)[1].text; strings.HasSuffix(got, " (program)") != s.Program {
			t.Errorf("%v: %q", s.Program, got)
		}
	}
}

// What is above limits is counted by what each limit is of.
func TestProgramsAndStreamsAreCountedApart(t *testing.T) {
	tv := api.SeenDevice{Class: "tv"}
	a := api.AccountState{Sessions: []api.Session{{Device: tv}, {Device: tv, Program: true}, {Program: true}}, Streams: []api.Stream{{Device: tv}, {Device: tv}}}
	for _, tt := range []struct {
		limits oneseat.Limits
		want   string
	}{
		{oneseat.Limits{Total: 1}, ""}, {oneseat.Limits{Total: 2, Classes: map[oneseat.Class]int{"tv": 1}}, ""}, {oneseat.Limits{Programs: 2}, ""},
		{oneseat.Limits{Programs: 1}, "1 session or more"}, {oneseat.Limits{Streams: 2}, ""}, {oneseat.Limits{Streams: 1}, "1 stream"},
		{oneseat.Limits{Streams: 3, StreamClasses: map[oneseat.Class]int{"tv": 1}}, "1 stream"},
	} {
		if got := over(a, tt.limits); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.limits, got, tt.want)
		}
	}
}
