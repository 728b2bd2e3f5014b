package client_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
	"github.com/oneseat/oneseat/client"
	"github.com/oneseat/oneseat/internal/canaries"
	"github.com/oneseat/oneseat/server"
	"github.com/oneseat/oneseat/store/memstore"
)

func TestASecondSignInEndsTheFirstAndSaysHow(t *testing.T) {
	in(t, oneseat.Config{}, 1, func(t *testing.T, w *world) {
		k, _ := w.client(client.Config{})
		first := w.signIn(k, "ada")
		if s, err := k.Check(t.Context(), string(first.Token)); err != nil || s != first.Session {
			t.Fatal(s, err)
		}
		second := w.signIn(k, "ada")
		if len(second.Displaced) != 1 || second.Displaced[0].Session != first.Session.ID {
			t.Errorf("%+v", second.Displaced)
		}
		_, err := k.Check(t.Context(), string(first.Token))
		wantEnded(t, err, first.Session.ID, oneseat.ReasonDisplaced)
		_, want := w.nodes[0].Check(t.Context(), string(first.Token))
		mine, theirs := errors.AsType[*oneseat.EndedError](err)
		if is, _ := errors.AsType[*oneseat.EndedError](want); !theirs || !is.Ending.At.Truncate(time.Millisecond).Equal(mine.Ending.At) {
			t.Errorf("%+v, want %+v", mine.Ending, is.Ending)
		} else if mine.Ending.At = is.Ending.At; mine.Ending != is.Ending {
			t.Errorf("%+v, want %+v", mine.Ending, is.Ending)
		}
	})
}

// A call that a registry refuses is refused in the same words.
func TestErrorsAreThoseOfARegistry(t *testing.T) {
	in(t, oneseat.Config{WhenFull: oneseat.PolicyAsk, AdoptUntil: time.Now().AddDate(40, 0, 0)}, 1, func(t *testing.T, w *world) {
		k, on := w.client(client.Config{})
		ctx, r := t.Context(), w.nodes[0]
		g := w.signIn(k, "ada")

		_, err := k.SignIn(ctx, "ada", oneseat.SignInRequest{})
		full, ok := errors.AsType[*oneseat.LimitError](err)
		if !ok || full.Limit != 1 || full.Bound != "total" || len(full.Live) != 1 || full.Live[0] != g.Session || full.Ticket == "" {
			t.Fatalf("%+v", err)
		}
		chosen, err := k.Redeem(ctx, full.Ticket, oneseat.SignInRequest{}, g.Session.ID)
		if err != nil || len(chosen.Displaced) != 1 {
			t.Fatal(chosen, err)
		}
		_, err = k.Redeem(ctx, full.Ticket, oneseat.SignInRequest{}, chosen.Session.ID)
		if _, ok := errors.AsType[*oneseat.TicketError](err); !ok {
			t.Error(err)
		}
		_, err = k.Check(ctx, string(g.Token))
		wantEnded(t, err, g.Session.ID, oneseat.ReasonDisplaced)
		for _, token := range []string{"", "x", string(g.Token) + "x", strings.Repeat("a", 70_000)} {
			_, err = k.Check(ctx, token)
			wantIs(t, err, oneseat.ErrNoSession)
			wantIs(t, k.SignOut(ctx, token), oneseat.ErrNoSession)
		}

		rotated, err := k.Rotate(ctx, string(chosen.Token))
		if err != nil || rotated.Token == chosen.Token {
			t.Fatal(err)
		}
		_, err = k.Rotate(ctx, string(chosen.Token))
		wantIs(t, err, oneseat.ErrRotated)

		_, err = k.SignIn(ctx, "", oneseat.SignInRequest{})
		if _, ok := errors.AsType[*oneseat.AccountError](err); !ok {
			t.Error(err)
		}
		_, err = k.SignIn(ctx, "grace", oneseat.SignInRequest{DeviceID: "short"})
		if bad, ok := errors.AsType[*oneseat.ConfigError](err); !ok || bad.In != "SignInRequest" || bad.Field != "DeviceID" {
			t.Errorf("%#v", err)
		}
		err = k.SetLimit(ctx, "ada", oneseat.Limits{Total: 1000}, "")
		if bad, ok := errors.AsType[*oneseat.ConfigError](err); !ok || bad.In != "Limits" {
			t.Errorf("%#v", err)
		}
		if err := k.Block(ctx, "ada", time.Now().Add(-time.Hour), ""); !errors.As(err, new(*oneseat.TimeError)) {
			t.Errorf("%#v", err)
		}
		until := time.Now().Add(time.Hour)
		if err := k.Block(ctx, "ada", until, "support"); err != nil {
			t.Fatal(err)
		}
		_, err = k.SignIn(ctx, "ada", oneseat.SignInRequest{})
		if blocked, ok := errors.AsType[*oneseat.BlockedError](err); !ok || !blocked.Until.Equal(until) {
			t.Errorf("%+v", err)
		}
		_, err = k.Adopt(ctx, "ada", time.Time{}, oneseat.SignInRequest{})
		if _, ok := errors.AsType[*oneseat.BlockedError](err); !ok && !errors.Is(err, oneseat.ErrNoSession) {
			t.Errorf("%+v", err)
		}
		if err := k.Unblock(ctx, "ada", ""); err != nil {
			t.Fatal(err)
		}

		on.during(cut)
		for _, c := range []struct {
			name    string
			err     error
			unknown bool // it may have been done
		}{
			{"check", second(k.Check(ctx, "x")), false}, {"sessions", second(k.Sessions(ctx, "ada")), false}, {"account", second(k.Account(ctx, "ada")), false},
			{"end", second(k.EndAll(ctx, "ada", oneseat.EndOptions{})), true}, {"sign-out", k.SignOut(ctx, "x"), true},
			{"limit", k.SetLimit(ctx, "ada", oneseat.Limits{}, ""), true}, {"block", k.Block(ctx, "ada", time.Time{}, ""), true}, {"realm", k.EndRealm(ctx, ""), true},
		} {
			if !errors.Is(c.err, oneseat.ErrStoreUnavailable) || !errors.Is(c.err, errCut) || errors.Is(c.err, oneseat.ErrUnknownOutcome) != c.unknown {
				t.Errorf("%s: %v", c.name, c.err)
			}
		}
		_, err = k.SignIn(ctx, "ada", oneseat.SignInRequest{})
		wantIs(t, err, oneseat.ErrUnknownOutcome)
		on.during(func(_ *http.Request, _ func() *http.Response) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: http.NoBody, Header: http.Header{}}, nil
		})
		_, err = k.Check(ctx, string(rotated.Token)) // a proxy that answers by itself is no yes
		wantIs(t, err, oneseat.ErrStoreUnavailable)
		on.during(nil)
		_ = r
	})
}

func second[T any](_ T, err error) error { return err }

func TestEveryCallDoesWhatTheRegistryDoes(t *testing.T) {
	in(t, oneseat.Config{Limit: 4}, 1, func(t *testing.T, w *world) {
		k, _ := w.client(client.Config{})
		ctx, r := t.Context(), w.nodes[0].Registry
		a, b, c := w.signIn(k, "ada"), w.signIn(k, "ada"), w.signIn(k, "ada")
		d, err := k.SignIn(ctx, "ada", oneseat.SignInRequest{Device: oneseat.Device{Label: "TV", Class: oneseat.ClassTV}, DeviceID: "the television in the hall"})
		if err != nil {
			t.Fatal(err)
		}

		live, err := k.Sessions(ctx, "ada")
		want, _ := r.Sessions(ctx, "ada")
		if err != nil || len(live) != 4 || !slices.EqualFunc(live, want, same) {
			t.Errorf("%+v %v, want %+v", live, err, want)
		}
		if n, err := k.End(ctx, "ada", oneseat.EndOptions{}); n != 0 || err != nil {
			t.Error(n, err)
		}
		if n, err := k.End(ctx, "ada", oneseat.EndOptions{As: b.Session.ID, Actor: "ada"}, a.Session.ID, "nobody"); n != 1 || err != nil {
			t.Error(n, err)
		}
		_, err = k.End(ctx, "ada", oneseat.EndOptions{As: a.Session.ID}, b.Session.ID)
		wantEnded(t, err, a.Session.ID, oneseat.ReasonRevoked)
		if n, err := k.EndClass(ctx, "ada", oneseat.ClassTV, oneseat.EndOptions{}); n != 1 || err != nil {
			t.Error(n, err)
		}
		_, err = k.Peek(ctx, string(d.Token))
		wantEnded(t, err, d.Session.ID, oneseat.ReasonRevoked)
		if n, err := k.EndOthers(ctx, "ada", c.Session.ID, oneseat.EndOptions{Reason: oneseat.ReasonCredentialsChanged}); n != 1 || err != nil {
			t.Error(n, err)
		}
		_, err = k.CheckFresh(ctx, string(b.Token))
		wantEnded(t, err, b.Session.ID, oneseat.ReasonCredentialsChanged)
		if s, err := k.CheckID(ctx, "ada", c.Session.ID); err != nil || s.ID != c.Session.ID {
			t.Error(s, err)
		}
		if err := k.SetLimit(ctx, "ada", oneseat.Limits{Total: 2, Streams: oneseat.Unlimited, Classes: map[oneseat.Class]int{oneseat.ClassTV: 1}}, "support"); err != nil {
			t.Error(err)
		}
		if is, err := k.Explain(ctx, "ada", oneseat.SignInRequest{}); err != nil || is.Outcome != oneseat.OutcomeAdmitted {
			t.Errorf("%+v %v", is, err)
		}
		account, err := k.Account(ctx, "ada")
		theirs, _ := r.Account(ctx, "ada")
		if err != nil || len(account.Sessions) != 1 || len(account.Endings) != 3 || !reflect.DeepEqual(account.Limits, theirs.Limits) || !slices.Equal(account.InForce, theirs.InForce) {
			t.Errorf("%+v %v, want %+v", account, err, theirs)
		}
		w.signIn(k, "grace")
		if all, err := k.Accounts(ctx, oneseat.AccountQuery{After: "ada"}); err != nil || len(all) != 1 || all[0].Name != "grace" {
			t.Errorf("%+v %v", all, err)
		}
		page, err := k.Events(ctx, api.EventQuery{Account: "ada", Limit: 2})
		if err != nil || len(page.Events) != 2 || page.Events[0].Account != "ada" || page.Next == "" {
			t.Errorf("%+v %v", page, err)
		}
		if older, err := k.Events(ctx, api.EventQuery{Account: "ada", Before: page.Next}); err != nil || len(older.Events) == 0 || older.Events[0] == page.Events[0] {
			t.Errorf("%+v %v", older, err)
		}
		if err := k.SignOut(ctx, string(c.Token)); err != nil {
			t.Error(err)
		}
		wantIs(t, k.SignOut(ctx, string(c.Token)), oneseat.ErrNoSession)
		if err := k.Forget(ctx, "ada"); err != nil {
			t.Error(err)
		}
		if page, err := k.Events(ctx, api.EventQuery{Account: "ada"}); err != nil || len(page.Events) > 0 {
			t.Errorf("%+v %v", page, err)
		}
		g := w.signIn(k, "grace")
		if err := k.EndRealm(ctx, "support"); err != nil {
			t.Error(err)
		}
		_, err = k.Check(ctx, string(g.Token))
		wantEnded(t, err, g.Session.ID, oneseat.ReasonRealmEnded)
		if n, err := k.EndAll(ctx, "grace", oneseat.EndOptions{}); n != 0 || err != nil {
			t.Error(n, err)
		}
	})
}

// same compares sessions to the millisecond, which the API has.
func same(a, b oneseat.Session) bool {
	a.Created, b.Created = a.Created.Truncate(time.Millisecond), b.Created.Truncate(time.Millisecond)
	a.LastSeen, b.LastSeen = a.LastSeen.Truncate(time.Millisecond), b.LastSeen.Truncate(time.Millisecond)
	return a.ID == b.ID && a.Account == b.Account && a.Device == b.Device && a.Created.Equal(b.Created) && a.LastSeen.Equal(b.LastSeen)
}

func TestASignInGoesByTheLimitsOfAPlan(t *testing.T) {
	in(t, oneseat.Config{LimitFor: server.LimitFor, WhenFull: oneseat.PolicyAsk}, 1, func(t *testing.T, w *world) {
		k, _ := w.client(client.Config{})
		ctx := client.WithLimits(t.Context(), oneseat.Limits{Total: 2})
		for range 2 {
			if _, err := k.SignIn(ctx, "ada", oneseat.SignInRequest{}); err != nil {
				t.Fatal(err)
			}
		}
		_, err := k.SignIn(ctx, "ada", oneseat.SignInRequest{})
		full, ok := errors.AsType[*oneseat.LimitError](err)
		if !ok || full.Limit != 2 {
			t.Fatal(err)
		}
		if is, err := k.Explain(ctx, "ada", oneseat.SignInRequest{}); err != nil || is.Limit != 2 {
			t.Errorf("%+v %v", is, err)
		}
		g, err := k.Redeem(ctx, full.Ticket, oneseat.SignInRequest{}, full.Live[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		if live, err := k.Sessions(ctx, "ada"); err != nil || len(live) != 2 || live[0].ID != g.Session.ID {
			t.Errorf("%+v %v", live, err)
		}
		_, err = k.SignIn(client.WithLimits(ctx, oneseat.Limits{Total: -5}), "ada", oneseat.SignInRequest{})
		if _, ok := errors.AsType[*oneseat.ConfigError](err); !ok {
			t.Error(err)
		}
	})
}

// Redeem says of the browser what SignIn says: which session it had, and what checks will
// say of its device.
func TestARedemptionDescribesTheBrowser(t *testing.T) {
	in(t, oneseat.Config{WhenFull: oneseat.PolicyAsk}, 1, func(t *testing.T, w *world) {
		k, _ := w.client(client.Config{})
		signIn := func(account string, from oneseat.SignInRequest) oneseat.Grant {
			g, err := k.SignIn(t.Context(), account, from)
			if err != nil {
				t.Fatal(err)
			}
			return g
		}
		hers, there := signIn("grace", oneseat.SignInRequest{}), signIn("ada", oneseat.SignInRequest{})
		seen := oneseat.Device{Label: "Chrome on Mac", Class: oneseat.ClassDesktop, IP: "198.51.100.0"}
		from := oneseat.SignInRequest{
			Device: oneseat.Device{Label: "Ada's laptop", Class: oneseat.ClassDesktop, IP: "198.51.100.0"}, Seen: seen,
			Previous: oneseat.Previous{Account: "grace", Session: hers.Session.ID},
		}
		_, err := k.SignIn(t.Context(), "ada", from)
		full, ok := errors.AsType[*oneseat.LimitError](err)
		if !ok {
			t.Fatal(err)
		}
		if _, err := k.CheckFresh(t.Context(), string(hers.Token)); err != nil {
			t.Errorf("a sign-in that was refused has left another account: %v", err)
		}
		g, err := k.Redeem(t.Context(), full.Ticket, from, there.Session.ID)
		if err != nil {
			t.Fatal(err)
		}
		_, err = k.CheckFresh(t.Context(), string(hers.Token))
		if over, ok := errors.AsType[*oneseat.EndedError](err); !ok || over.Ending.Reason != oneseat.ReasonSignedOut {
			t.Errorf("the session of another account that the browser had: %v", err)
		}
		if g.Session.Seen != seen {
			t.Errorf("the device is %+v, and checks will say %+v", g.Session.Device, g.Session.Seen)
		}
	})
}

// API-10: it is the caller who is to wait, and the server is well.
func TestTooManyCallsAreNoSilence(t *testing.T) {
	in(t, oneseat.Config{}, 1, func(t *testing.T, w *world) {
		var log strings.Builder
		k, on := w.client(client.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		on.during(func(*http.Request, func() *http.Response) (*http.Response, error) {
			body := `{"type":"urn:oneseat:problem:too-many","title":"There are too many calls","status":429}`
			return &http.Response{StatusCode: 429, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}, nil
		})
		_, err := k.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
		if p, ok := errors.AsType[*client.Problem](err); !ok || p.Name() != "too-many" || !errors.Is(err, oneseat.ErrStoreUnavailable) || errors.Is(err, oneseat.ErrUnknownOutcome) {
			t.Error(err)
		}
		if on.count(api.PathSignIn) != 1 || log.Len() > 0 {
			t.Errorf("%d calls; %s", on.count(api.PathSignIn), log.String())
		}
	})
}

// API-09: a lost answer takes no second seat.
func TestALostAnswerIsAskedForAgainAndDisplacesNobodyTwice(t *testing.T) {
	in(t, oneseat.Config{Limit: 2}, 2, func(t *testing.T, w *world) {
		turn := 0
		k, on := w.clientOf(client.Config{}, func(string) *node { turn++; return w.nodes[turn%2] }) // each try on another node
		first := w.signIn(k, "ada")
		w.signIn(k, "ada")
		on.during(loseFirst(api.PathSignIn))
		g := w.signIn(k, "ada")
		if len(g.Displaced) != 1 || g.Displaced[0].Session != first.Session.ID || on.count(api.PathSignIn) != 4 {
			t.Errorf("%+v after %d calls", g.Displaced, on.count(api.PathSignIn))
		}
		if live, err := k.Sessions(t.Context(), "ada"); err != nil || len(live) != 2 {
			t.Errorf("%d %v", len(live), err)
		}
		on.during(loseFirst(api.PathRotate))
		newer, err := k.Rotate(t.Context(), string(g.Token))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.Check(t.Context(), string(newer.Token)); err != nil {
			t.Error(err)
		}
	})
}

// What was lost may have been done, whatever a later try is told of the store.
func TestAfterALostAnswerNoSilenceSaysThatNothingWasDone(t *testing.T) {
	in(t, oneseat.Config{}, 1, func(t *testing.T, w *world) {
		k, on := w.clientOf(client.Config{}, func(string) *node { return w.nodes[0] })
		calls := 0
		on.during(func(r *http.Request, next func() *http.Response) (*http.Response, error) {
			if r.URL.Path != api.PathSignIn {
				return next(), nil
			}
			if calls++; calls == 1 {
				_ = next().Body.Close()
				return nil, io.ErrUnexpectedEOF
			}
			return &http.Response{
				StatusCode: http.StatusServiceUnavailable, Header: http.Header{}, Request: r,
				Body: io.NopCloser(strings.NewReader(`{"type": "urn:oneseat:problem:no-answer", "status": 503}`)),
			}, nil
		})
		_, err := k.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
		if !errors.Is(err, oneseat.ErrUnknownOutcome) || calls != 3 {
			t.Errorf("after %d calls: %v", calls, err)
		}
		if live, err := k.Sessions(t.Context(), "ada"); err != nil || len(live) != 1 {
			t.Errorf("it was done: %d, %v", len(live), err)
		}
	})
}

func TestAClientSignsInThoughTheStoresClockWasSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ahead atomic.Int64
		w := newWorldOn(t, memstore.NewAt(func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }), oneseat.Config{Idle: oneseat.NoTimeout, Absolute: oneseat.NoTimeout}, 1)
		k, _ := w.client(client.Config{})
		for _, by := range []time.Duration{time.Hour, -time.Hour} {
			ahead.Store(int64(by))
			g := w.signIn(k, "ada")
			if _, err := k.Rotate(t.Context(), string(g.Token)); err != nil {
				t.Error(err)
			}
		}
		var own oneseat.Attempt // its caller's clock is wrong, and has to be told
		own.ID[0], own.Secret[0], own.Tried = 1, 1, time.Now()
		_, err := k.SignIn(t.Context(), "ada", oneseat.SignInRequest{Attempt: own})
		wantIs(t, err, oneseat.ErrAttemptExpired)
		if err := k.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestAClientSaysWhatIsWrongWithItsConfiguration(t *testing.T) {
	in(t, oneseat.Config{}, 1, func(t *testing.T, w *world) {
		_, err := client.New(t.Context(), client.Config{URL: "ftp://x", MaxStale: time.Hour})
		for _, field := range []string{"URL", "Key", "MaxStale"} {
			if err == nil || !strings.Contains(err.Error(), "client: Config."+field) {
				t.Errorf("%s: %v", field, err)
			}
		}
		for _, url := range []string{"", "oneseat:7300", "unix", "https://"} {
			if _, err := client.New(t.Context(), client.Config{URL: url, Key: "k"}); err == nil || !strings.Contains(err.Error(), "Config.URL") {
				t.Errorf("%q: %v", url, err)
			}
		}
		on := &way{to: func(string) *node { return w.nodes[0] }}
		_, err = client.New(t.Context(), client.Config{URL: "http://oneseat", Key: "of nobody", Transport: on, Logger: canaries.Logger(nil)})
		if p, ok := errors.AsType[*client.Problem](err); !ok || p.Name() != "bad-key" || p.Status != 401 {
			t.Error(err)
		}
	})
}

func TestAfterCloseEveryCallReturnsErrClosed(t *testing.T) {
	in(t, oneseat.Config{}, 1, func(t *testing.T, w *world) {
		for _, stale := range []time.Duration{0, time.Second} {
			k, _ := w.client(client.Config{MaxStale: stale})
			g := w.signIn(k, "ada")
			if _, err := k.Check(t.Context(), string(g.Token)); err != nil {
				t.Fatal(err)
			}
			_ = k.Close()
			_ = k.Close()
			_, err := k.Check(t.Context(), string(g.Token))
			wantIs(t, err, oneseat.ErrClosed)
			_, err = k.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
			wantIs(t, err, oneseat.ErrClosed)
			var watch oneseat.Watch
			_, err = k.CheckAndWatch(t.Context(), string(g.Token), true, &watch, watcher())
			wantIs(t, err, oneseat.ErrClosed)
			cause := make(chan error, 1)
			k.AfterEnd(t.Context(), g.Session, func(err error) { cause <- err })()
			wantIs(t, <-cause, oneseat.ErrClosed)
		}
	})
}
