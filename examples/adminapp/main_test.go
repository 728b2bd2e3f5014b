package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

var (
	laptop = oneseat.Device{Label: "Firefox on Linux", Class: oneseat.ClassDesktop}
	phone  = oneseat.Device{Label: "Safari on iPhone", Class: oneseat.ClassMobile}
)

// open returns a desk over a store in memory, with two seats an account, and what it
// prints.
func open(t *testing.T) (desk, *strings.Builder) {
	t.Helper()
	seats, err := oneseat.New(memstore.New(), oneseat.Config{Limit: 2, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = seats.Close() })
	out := &strings.Builder{}
	return desk{seats: seats, actor: "support: grace", out: out}, out
}

func (d desk) signIn(t *testing.T, account string, from oneseat.Device) oneseat.Grant {
	t.Helper()
	g, err := d.seats.SignIn(t.Context(), account, oneseat.SignInRequest{Device: from})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// says runs a command. It wants these words in the printed lines, in this order, and no
// more lines.
func (d desk) says(t *testing.T, out *strings.Builder, args string, want ...string) {
	t.Helper()
	out.Reset()
	if err := d.run(t.Context(), strings.Fields(args)); err != nil {
		t.Fatalf("%s: %v", args, err)
	}
	lines := slices.Collect(strings.Lines(out.String()))
	if len(lines) != len(want) {
		t.Fatalf("%s: %d lines, want %d:\n%s", args, len(lines), len(want), out)
	}
	for i, words := range want {
		if !strings.Contains(lines[i], words) {
			t.Fatalf("%s: nothing of %q in %q", args, words, lines[i])
		}
	}
}

func TestSupportListsEndsBlocksAndReads(t *testing.T) {
	d, out := open(t)
	ada, adas := d.signIn(t, "ada", laptop), d.signIn(t, "ada", phone)
	grace := d.signIn(t, "grace", laptop)
	ref := func(g oneseat.Grant) string { return g.Session.ID.Reference() }

	d.says(t, out, "accounts", "ada "+ref(adas)+" Safari on iPhone", "ada "+ref(ada)+" Firefox on Linux", "grace "+ref(grace)+" Firefox on Linux")
	d.says(t, out, "end ada "+ref(ada), "1 ended")
	if err := d.run(t.Context(), []string{"end", "ada", ref(grace)}); err == nil {
		t.Error("the session of another account was ended")
	}
	d.says(t, out, "account ada", "limit: total 2 from Config", "limit: streams", "signed in: "+ref(adas), "ended: "+ref(ada)+" Firefox on Linux revoked")

	d.says(t, out, "block grace 24h")
	_, err := d.seats.SignIn(t.Context(), "grace", oneseat.SignInRequest{})
	if blocked, ok := errors.AsType[*oneseat.BlockedError](err); !ok || time.Until(blocked.Until) > 24*time.Hour || time.Until(blocked.Until) < 23*time.Hour {
		t.Errorf("a blocked account signed in: %v", err)
	}
	d.says(t, out, "account grace", "limit: total", "limit: streams", "ended: "+ref(grace)+" Firefox on Linux account_blocked  support: grace", "blocked by support: grace")
	d.says(t, out, "unblock grace")
	d.signIn(t, "grace", phone)
	d.says(t, out, "events grace", "session_created grace", "account_unblocked", "signin_refused grace", "account_blocked grace", "session_ended grace "+ref(grace), "session_created grace "+ref(grace))
	d.says(t, out, "accounts", "ada "+ref(adas), "grace ")

	if err := d.run(t.Context(), []string{"delete"}); !errors.Is(err, errUsage) {
		t.Errorf("a command that there is not: %v", err)
	}
}

func TestListsGoOnBeyondTheFirstPage(t *testing.T) {
	d, out := open(t)
	const accounts = 250
	for i := range accounts {
		d.signIn(t, "account"+string(rune('a'+i/26))+string(rune('a'+i%26)), laptop)
	}
	for range 120 {
		d.signIn(t, "ada", laptop)
	}
	if err := d.run(t.Context(), []string{"accounts"}); err != nil || strings.Count(out.String(), "\n") != accounts+2 {
		t.Errorf("%d lines, %v", strings.Count(out.String(), "\n"), err)
	}
	out.Reset()
	if err := d.run(t.Context(), []string{"events", "ada"}); err != nil || strings.Count(out.String(), "session_created") != 120 {
		t.Errorf("%d sign-ins, %v", strings.Count(out.String(), "session_created"), err)
	}
}

func TestFollowingTellsOfEveryEventOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := open(t)
		here, err := d.seats.EventsSince(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		d.signIn(t, "ada", laptop)
		d.signIn(t, "ada", phone)
		told, out := io.Pipe()
		d.out = out
		ctx, stop := context.WithCancel(t.Context())
		over := make(chan error)
		go func() { over <- d.follow(ctx, here.Next, time.Second) }()
		for _, want := range []string{"Firefox on Linux", "Safari on iPhone"} {
			line := make([]byte, 256)
			if n, err := told.Read(line); err != nil || !strings.Contains(string(line[:n]), want) {
				t.Fatalf("%q, %v; want %s", line[:n], err, want)
			}
		}
		synctest.Wait() // it has read to the end of the log
		stop()
		if err := <-over; err != nil {
			t.Error(err)
		}
	})
}
