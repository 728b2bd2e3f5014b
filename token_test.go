package oneseat_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

// tokenOf spells a token as the documentation says: the prefix, then in
// base64url the account's key, the secret and a CRC-32.
func tokenOf(key oneseat.Key, secret [32]byte) string {
	b := append(key[:], secret[:]...)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return oneseat.TokenPrefix + base64.RawURLEncoding.EncodeToString(b)
}

// forged is a well-formed token of an account that nobody was given. Every
// call makes another.
func forged(account string) string {
	forgeries++
	secret := [32]byte{}
	binary.BigEndian.PutUint64(secret[:], forgeries)
	return tokenOf(oneseat.KeyOf(realm, account), secret)
}

var forgeries uint64 // by the tests' own goroutine

// wellFormed says whether a text is spelt as a token is, by another reading of
// the documentation than the package's own.
func wellFormed(s string) bool {
	rest, ok := strings.CutPrefix(s, oneseat.TokenPrefix)
	if !ok || strings.ContainsAny(rest, "\r\n") {
		return false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(rest)
	return err == nil && len(b) == 16+32+4 && binary.BigEndian.Uint32(b[48:]) == crc32.ChecksumIEEE(b[:48])
}

func TestATokenIsSpeltAsDocumented(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{})
	g := signIn(t, r, "ada", oneseat.SignInRequest{})
	if !wellFormed(string(g.Token)) {
		t.Fatal("it is not")
	}
	b, _ := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(string(g.Token), oneseat.TokenPrefix))
	key := oneseat.KeyOf(realm, "ada")
	if !bytes.Equal(b[:16], key[:]) {
		t.Error("it does not name its account's key")
	}
	if again := tokenOf(key, [32]byte(b[16:48])); again != string(g.Token) {
		t.Error("it is spelt otherwise")
	}
}

func TestTokensAndIdsAreNeverUsedTwice(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{})
	seen := map[string]bool{}
	add := func(s string) {
		if seen[s] {
			t.Fatal("used twice")
		}
		seen[s] = true
	}
	for range 500 {
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		add(string(g.Token))
		add(string(g.Session.ID))
		g, err := r.Rotate(t.Context(), string(g.Token))
		if err != nil {
			t.Fatal(err)
		}
		add(string(g.Token))
	}
}

// TOK-01: a secret with fewer random bits than it has room for looks like any other. A
// random bit stays the same in one of 2^299 runs.
func TestEveryBitOfASecretIsRandom(t *testing.T) {
	r, full := newNode(t, memstore.New(), oneseat.Config{}), newNode(t, memstore.New(), asking)
	signIn(t, full, "ada", oneseat.SignInRequest{})
	key := oneseat.KeyOf(realm, "ada")
	secret := func(prefix, s string) []byte {
		t.Helper()
		b, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(s, prefix))
		if err != nil || len(b) != 16+32+4 || !bytes.Equal(b[:16], key[:]) {
			t.Fatal("it is spelt otherwise: ", err)
		}
		return b[16:48]
	}
	var tokens, rotated, tickets, ids [][]byte
	for range 300 {
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		tokens = append(tokens, secret(oneseat.TokenPrefix, string(g.Token)))
		var id []byte // a number below 32 for each character
		for _, c := range string(g.Session.ID) {
			id = append(id, byte(strings.IndexRune("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", c)))
		}
		ids = append(ids, id)
		g, err := r.Rotate(t.Context(), string(g.Token))
		if err != nil {
			t.Fatal(err)
		}
		rotated = append(rotated, secret(oneseat.TokenPrefix, string(g.Token)))
		tickets = append(tickets, secret(oneseat.TicketPrefix, string(refused(t, full, "ada", oneseat.SignInRequest{}).Ticket)))
	}
	random := func(what string, all [][]byte, bytes, bits int) {
		t.Helper()
		for i := range bytes {
			var ones, zeros byte
			for _, b := range all {
				ones, zeros = ones|b[i], zeros|^b[i]
			}
			if mask := byte(1<<bits - 1); ones&mask != mask || zeros&mask != mask {
				t.Errorf("%s: of byte %d the bits %08b are the same in all", what, i, mask&^(ones&zeros))
			}
		}
	}
	random("token", tokens, 32, 8)
	random("token of a rotation", rotated, 32, 8)
	random("ticket", tickets, 32, 8)
	random("id", ids, 26, 5)
}

// What is not spelt as a token costs nothing: no read, no write, no entry.
func TestMalformedTokensNeverReachTheStore(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{})
	g := signIn(t, r, "ada", oneseat.SignInRequest{})
	token := string(g.Token)
	before := [3]int64{r.loads.Load(), r.updates.Load(), int64(r.Stats().Accounts)}
	refuse := func(what, s string) {
		t.Helper()
		for _, err := range []error{
			second(r.Check(t.Context(), s)), second(r.Peek(t.Context(), s)), second(r.CheckFresh(t.Context(), s)), second(r.Rotate(t.Context(), s)), r.SignOut(t.Context(), s),
		} {
			wantError(t, err, oneseat.ErrNoSession)
			if len(s) > 12 && strings.Contains(err.Error(), s) {
				t.Fatalf("%s: the error repeats it", what)
			}
		}
		if now := [3]int64{r.loads.Load(), r.updates.Load(), int64(r.Stats().Accounts)}; now != before {
			t.Fatalf("%s: the store was asked", what)
		}
	}
	for i := range token {
		refuse("truncated", token[:i])
		refuse("one character missing", token[:i]+token[i+1:])
		for bit := range 8 {
			b := []byte(token)
			b[i] ^= 1 << bit
			refuse("a bit altered", string(b))
		}
	}
	raw, _ := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(token, oneseat.TokenPrefix))
	for i := range raw {
		for bit := range 8 {
			b := bytes.Clone(raw)
			b[i] ^= 1 << bit
			refuse("a bit of what is encoded altered", oneseat.TokenPrefix+base64.RawURLEncoding.EncodeToString(b))
		}
	}
	std := strings.NewReplacer("-", "+", "_", "/")
	dashed := token
	for n := uint64(0); !strings.ContainsAny(dashed[len(oneseat.TokenPrefix):], "-_"); n++ {
		dashed = tokenOf(oneseat.KeyOf(realm, "ada"), [32]byte{byte(n)})
	}
	rest := dashed[len(oneseat.TokenPrefix):]
	refuse("the other alphabet", oneseat.TokenPrefix+std.Replace(rest))
	refuse("padded", token+"==")
	refuse("over-long", token+strings.Repeat("A", 1<<20))
	refuse("twice", token+token)
	refuse("another prefix", "twoseats"+token[8:])
	refuse("upper case", strings.ToUpper(token))
	refuse("blank around", " "+token)
	refuse("a line's end inside", token[:40]+"\n"+token[40:])
	refuse("line ends in place of characters", token[:40]+"\r\n"+token[42:])
	refuse("a NUL behind", token+"\x00")
	refuse("nothing", "")
	refuse("the session's id", string(g.Session.ID))
	refuse("what printing shows", g.Token.String())

	// 52 bytes leave four bits over in the last character: one spelling counts.
	alphabet := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, token[len(token)-1])
	for i := 1; i < 16; i++ {
		refuse("another spelling", token[:len(token)-1]+string(alphabet[last+i]))
	}
	wantLive(t, r, g)
}

func second[T any](_ T, err error) error { return err }

func FuzzParseToken(f *testing.F) {
	store := memstore.New()
	r := newNode(f, store, oneseat.Config{})
	g := signIn(f, r, "ada", oneseat.SignInRequest{})
	for _, s := range []string{"", "oneseat_", "oneseat_x", forged("ada"), forged("nobody"), strings.Repeat("A", 78), tokenOf(oneseat.KeyOf(realm, ""), [32]byte{})} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		loads, updates, accounts := r.loads.Load(), r.updates.Load(), r.Stats().Accounts
		if _, err := r.Check(t.Context(), s); err != oneseat.ErrNoSession { //nolint:errorlint // this very error: it tells nothing of the token
			t.Fatalf("got %v", err)
		}
		read := r.loads.Load() - loads
		if read > 1 || read == 1 && !wellFormed(s) {
			t.Errorf("%d reads of %q", read, s)
		}
		if r.updates.Load() != updates || r.Stats().Accounts > accounts {
			t.Errorf("%q was written, or cached", s)
		}
		wantLive(t, r, g)
	})
}

// P7: a copy of the database, an event, a log line or an error signs nobody in.
func TestASecretIsShownByNothing(t *testing.T) {
	var heard bytes.Buffer
	store := memstore.New()
	f := &faulty{Store: store}
	r := newRegistry(t, f, oneseat.Config{Limit: 2, WhenFull: oneseat.PolicyRefuse, Logger: slog.New(slog.NewJSONHandler(&heard, nil))})
	const deviceID = "canary-device-id"
	first := signIn(t, r, "ada", oneseat.SignInRequest{DeviceID: deviceID})
	next, err := r.Rotate(t.Context(), string(first.Token))
	if err != nil {
		t.Fatal(err)
	}
	other := signIn(t, r, "ada", oneseat.SignInRequest{})
	_, refusal := r.SignIn(t.Context(), "ada", oneseat.SignInRequest{Token: forged("ada")})
	if err := r.SignOut(t.Context(), string(other.Token)); err != nil {
		t.Fatal(err)
	}
	_, over := r.Check(t.Context(), string(other.Token))

	var shown bytes.Buffer
	for _, v := range []any{first, &first, next, other.Token, []oneseat.Token{other.Token}, map[string]oneseat.Token{"t": other.Token}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			fmt.Fprintf(&shown, verb+"\n", v)
		}
		if err := json.NewEncoder(&shown).Encode(v); err != nil {
			t.Fatal(err)
		}
		slog.New(slog.NewTextHandler(&shown, nil)).Info("a grant", "is", v)
		slog.New(slog.NewJSONHandler(&shown, nil)).Info("a grant", "is", v)
	}
	if !strings.Contains(shown.String(), "oneseat_[secret]") {
		t.Error("nothing says that there is a token")
	}
	places := map[string]string{"printed": shown.String(), "errors": fmt.Sprintf("%+v %#v %+v %#v", refusal, refusal, over, over)}
	roster, err := json.Marshal(stored(t, store, "ada").Roster)
	if err != nil {
		t.Fatal(err)
	}
	events, err := json.Marshal(logged(t, store, ""))
	if err != nil {
		t.Fatal(err)
	}
	places["the stored roster"], places["the events"], places["the log"] = string(roster), string(events), heard.String()
	for _, g := range []oneseat.Grant{first, next, other} {
		text := string(g.Token)
		raw, _ := base64.RawURLEncoding.DecodeString(text[len(oneseat.TokenPrefix):])
		secret := raw[16:48]
		for where, what := range places {
			for _, canary := range []string{
				text, text[len(oneseat.TokenPrefix)+24:], fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), string(secret),
				base64.StdEncoding.EncodeToString(secret), base64.RawURLEncoding.EncodeToString(secret), fmt.Sprintf("%x", text), deviceID,
			} {
				if strings.Contains(what, canary) {
					t.Errorf("%s: a secret is shown", where)
				}
			}
		}
	}
	// A digest is no token either, and events do not even hold that.
	for _, s := range stored(t, store, "ada").Roster.Seats {
		hash, _ := s.Secret.MarshalText()
		wantError(t, second(r.Check(t.Context(), string(hash))), oneseat.ErrNoSession)
		if strings.Contains(places["the events"], string(hash)) {
			t.Error("the events show a digest")
		}
	}
}

// LIM-15: no two pairs of realm and account have one key, however the parts
// could be run together.
func TestKeysAreSpeltUnlike(t *testing.T) {
	part := rapid.OneOf(rapid.StringMatching(`[a:/\x00]{0,4}`), rapid.String())
	rapid.Check(t, func(t *rapid.T) {
		r1, a1, r2, a2 := part.Draw(t, "r1"), part.Draw(t, "a1"), part.Draw(t, "r2"), part.Draw(t, "a2")
		if (oneseat.KeyOf(r1, a1) == oneseat.KeyOf(r2, a2)) != (r1 == r2 && a1 == a2) {
			t.Fatalf("%q %q and %q %q", r1, a1, r2, a2)
		}
	})
	if oneseat.KeyOf("ab", "c") == oneseat.KeyOf("a", "bc") || oneseat.KeyOf("a", "") == oneseat.KeyOf("", "a") {
		t.Error("two pairs have one key")
	}
	k := oneseat.KeyOf("default", "ada")
	for _, n := range []int{1, 2, 16, 1000} {
		if p := k.Partition(n); p < 0 || p >= n || p != int(binary.BigEndian.Uint64(k[:8])%uint64(n)) {
			t.Errorf("partition %d of %d", p, n)
		}
	}
}

// A key is in stored rows for ever: a release that computed it otherwise would sign
// everybody out.
func TestTheKeyOfAnAccountStaysTheSame(t *testing.T) {
	for pair, want := range map[[2]string]string{
		{"default", "ada"}: "6177288716836ee29f089b6a29a9abc5",
		{"default", ""}:    "ba43a458e4efcefdd8694bbc18a3be77",
		{"", ""}:           "44dc5fb072a9cc5ac81ba476156aa889",
	} {
		if got := oneseat.KeyOf(pair[0], pair[1]).String(); got != want {
			t.Errorf("KeyOf(%q, %q) = %s, want %s", pair[0], pair[1], got, want)
		}
	}
}

// What is shown instead of a secret says what it was.
func TestWhatIsShownInsteadOfASecret(t *testing.T) {
	for want, secret := range map[string]any{"oneseat_[secret]": oneseat.Token("secret"), "oneseat_ticket_[secret]": oneseat.Ticket("secret")} {
		var logged strings.Builder
		slog.New(slog.NewTextHandler(&logged, nil)).Info("a", "secret", secret)
		b, err := json.Marshal(secret)
		got := []string{fmt.Sprintf("%v", secret), fmt.Sprintf("%#v", secret), string(b)}
		if !slices.Equal(got, []string{want, want, `"` + want + `"`}) || err != nil || !strings.Contains(logged.String(), "secret="+want) {
			t.Errorf("%q, %v, %s", got, err, logged.String())
		}
	}
}
