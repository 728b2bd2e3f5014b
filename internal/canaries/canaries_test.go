package canaries

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/server"
	"github.com/oneseat/oneseat/store/memstore"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

// secrets are one of each kind, as oneseat makes them.
func secrets(t *testing.T) map[string]string {
	t.Helper()
	r, err := oneseat.New(memstore.New(), oneseat.Config{WhenFull: oneseat.PolicyAsk, Logger: Logger(nil)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	g, err := r.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
	if err == nil {
		_, err = r.Check(t.Context(), string(g.Token))
	}
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
	full, ok := errors.AsType[*oneseat.LimitError](err)
	if !ok {
		t.Fatal(err)
	}
	key, _ := server.NewKey("default", server.ScopeCheck)
	return map[string]string{
		"token": string(g.Token), "ticket": string(full.Ticket), "key": key,
		"device id": Mark("device id", "QX2M7Z4KD5TR6W3YBVN8CJHF"), "password": Mark("password", "correct horse battery"),
		"idempotency key": Mark("idempotency key", "1790000000000-AbCdEfGhIjKlMnOpQrStUv"),
	}
}

// One of each kind is found in each place, whatever stands around it.
func TestASecretOfEachKindIsFoundInEachPlace(t *testing.T) {
	for kind, secret := range secrets(t) {
		for place, put := range map[string]func(string){
			"log, a message":    func(s string) { Logger(nil).Warn("it is " + s + ".") },
			"log, an attribute": func(s string) { Logger(nil).Debug("x", "error", errors.New("no: "+s)) },
			"log, a group":      func(s string) { Logger(nil).With("of", s).WithGroup("g").Info("x") },
			"log, passed on": func(s string) {
				Logger(slog.New(slog.NewTextHandler(t.Output(), nil))).Info("x", "y", slog.GroupValue(slog.String("z", s)))
			},
			"event":    func(s string) { Seen("event", []oneseat.Event{{Type: oneseat.EventSessionEnded, Actor: s}}) },
			"store":    func(s string) { Stored(map[string]any{"device": s}) },
			"metrics":  func(s string) { Seen("metrics", "oneseat_checks_total{account=\""+s+"\"} 1\n") },
			"error":    func(s string) { Seen("error", errors.New("oneseat: ("+s+")")) },
			"location": func(s string) { Answer(http.Header{"Location": {"/login?next=/&of=" + s}}, "") },
			"page":     func(s string) { Answer(nil, "<a href=\"/x?y="+s+"\">") },
			"problem":  func(s string) { Answer(nil, `{"detail":"`+s+`"}`) },
		} {
			found := During(func() { put(secret) })
			if len(found) != 1 || found[0].Kind != kind {
				t.Errorf("a %s in a %s: %+v", kind, place, found)
			}
		}
	}
}

// What is given to its owner is no leak, and is one anywhere else from then on.
func TestWhatIsGivenToItsOwnerIsNoLeak(t *testing.T) {
	all := secrets(t)
	token, ticket := all["token"], all["ticket"]
	for name, f := range map[string]func(){
		"a cookie":        func() { Answer(http.Header{"Set-Cookie": {"__Host-oneseat=" + token + "; Path=/; Secure"}}, "") },
		"an answer":       func() { Answer(nil, `{"token":"`+token+`","session":{}}`) },
		"a proposal":      func() { Answer(nil, `{"set_cookie":"__Host-oneseat=`+token+`; Path=/"}`) },
		"a ticket":        func() { Answer(nil, `{"status":409,"ticket":"`+ticket+`"}`) },
		"a field":         func() { Answer(nil, `<input type="hidden" name="ticket" value="`+ticket+`">`) },
		"what is hidden":  func() { Logger(nil).Info("x", "token", oneseat.Token(token)) },
		"a stored digest": func() { MarkToken(token); Stored("digest " + digestOf(token)) },
		"a short secret":  func() { Mark("password", "ada"); Seen("log", "ada") },
	} {
		if found := During(f); len(found) != 0 {
			t.Errorf("%s: %+v", name, found)
		}
	}
	for name, text := range map[string]string{"without its prefix": strings.TrimPrefix(token, "oneseat_"), "its digest": digestOf(token)} {
		if found := During(func() { Seen("log", "x="+text+";") }); len(found) != 1 {
			t.Errorf("%s: %+v", name, found)
		}
	}
	if found := During(func() {
		Answer(http.Header{"Set-Cookie": {"oneseat-device=ABCDEFGHIJKLMNOPQRSTUVWX; Path=/"}}, "")
		Seen("log", "ABCDEFGHIJKLMNOPQRSTUVWX")
	}); len(found) != 1 {
		t.Errorf("the ID of a device that a cookie gave: %+v", found)
	}
}

func digestOf(token string) (hex string) {
	MarkToken(token)
	kept.mu.RLock()
	defer kept.mu.RUnlock()
	for word, kind := range kept.words {
		if kind == "digest" && len(word) == 64 {
			hex = word
		}
	}
	return hex
}

// A logger that is wrapped says what it said before.
func TestALoggerPassesOnWhatItIsTold(t *testing.T) {
	var out strings.Builder
	l := Logger(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn})))
	l.With("a", 1).WithGroup("g").Warn("x", "b", 2)
	l.Info("y")
	if got := out.String(); !strings.Contains(got, "level=WARN msg=x a=1 g.b=2") || strings.Contains(got, "msg=y") {
		t.Errorf("it says %q", got)
	}
	if Logger(l) != l || l.Enabled(context.Background(), slog.LevelInfo) {
		t.Error("it is another one")
	}
}
