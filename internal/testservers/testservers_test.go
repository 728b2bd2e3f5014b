package testservers

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"
)

// server is what all of them have.
type server interface {
	Pause()
	Continue()
	Kill()
	Start()
	Await()
}

// TestAServerIsKilledPausedAndStartedAgain: what the tests of faults rely on.
func TestAServerIsKilledPausedAndStartedAgain(t *testing.T) {
	t.Run("redis", func(t *testing.T) {
		r := StartRedis(t)
		comesAndGoes(t, r, r.Addr, "PING\r\n")
	})
	t.Run("postgres", func(t *testing.T) {
		p := StartPostgres(t)
		comesAndGoes(t, p, p.Addr, "\x00\x00\x00\x08\x04\xd2\x16\x2f") // SSLRequest, which it answers with one letter
	})
}

func comesAndGoes(t *testing.T, s server, addr, question string) {
	answers := func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err != nil {
			return false
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(300 * time.Millisecond))
		_, _ = conn.Write([]byte(question))
		n, _ := conn.Read(make([]byte, 16))
		return n > 0
	}
	s.Pause()
	if answers() {
		t.Error("it answers though it is paused")
	}
	s.Continue()
	s.Await()
	s.Kill()
	if answers() {
		t.Error("it answers though it was killed")
	}
	s.Start()
	s.Await()
	if !answers() {
		t.Error("it does not answer after it was started again")
	}
}

// TestAPausedServerHasNoChildThatGoesOn, not even one that was just being
// started: a PostgreSQL is paused while it is connected to.
func TestAPausedServerHasNoChildThatGoesOn(t *testing.T) {
	p := StartPostgres(t, "fsync=off")
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.Addr); err == nil {
					_, _ = conn.Write([]byte("\x00\x00\x00\x08\x04\xd2\x16\x2f"))
					_, _ = conn.Read(make([]byte, 1)) // of a child
					_ = conn.Close()
				}
			}
		})
	}
	for range 10 {
		p.Pause()
		for _, pid := range family(p.cmd.Process.Pid) {
			for deadline := time.Now().Add(10 * time.Second); !still(pid); { // it has been told to
				if time.Now().After(deadline) {
					t.Fatalf("process %d of a paused server goes on", pid)
				}
			}
		}
		p.Continue()
		p.Await()
	}
	stop()
	wg.Wait()
}
