package testservers

import (
	"context"
	"net"
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
