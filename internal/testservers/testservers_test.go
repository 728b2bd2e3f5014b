package testservers

import (
	"context"
	"net"
	"runtime"
	"testing"
	"time"
)

// server is what all servers have.
type server interface {
	Pause()
	Continue()
	Kill()
	Start()
	Await()
}

// The tests of faults rely on this.
func TestAServerIsKilledPausedAndStartedAgain(t *testing.T) {
	t.Run("redis", func(t *testing.T) {
		r := StartRedis(t)
		comesAndGoes(t, r, r.Addr, "PING\r\n")
	})
	t.Run("postgres", func(t *testing.T) {
		p := StartPostgres(t)
		comesAndGoes(t, p, p.Addr, "\x00\x00\x00\x08\x04\xd2\x16\x2f") // SSLRequest, which the server answers with one letter
	})
}

func comesAndGoes(t *testing.T, s server, addr, question string) {
	answers := func(within time.Duration) bool {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err != nil {
			return false
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(within))
		_, _ = conn.Write([]byte(question))
		n, _ := conn.Read(make([]byte, 16))
		return n > 0
	}
	s.Pause()
	if answers(300 * time.Millisecond) {
		t.Error("it answers though it is paused")
	}
	s.Continue()
	s.Await()
	s.Kill()
	if answers(300 * time.Millisecond) {
		t.Error("it answers though it was killed")
	}
	s.Start()
	s.Await()
	if !answers(patience) {
		t.Error("it does not answer after it was started again")
	}
}

// A port is given once also while nothing listens on it yet. A lock says that it is
// taken, so it makes no difference which process asks.
func TestAPortIsGivenOnce(t *testing.T) {
	given := make(map[int]bool)
	for range 200 {
		port := FreePort(t)
		if given[port] {
			t.Fatalf("%d was given twice", port)
		}
		given[port] = true
	}
}

// No child goes on, also none that is just being started, as PostgreSQL starts one for
// each connection.
func TestAPausedServerHasNoChildThatGoesOn(t *testing.T) {
	for range 5 {
		p := start(t, nil, binary(t, "sh"), "-c", "i=0; while [ $i -lt 500 ]; do sleep 60 & i=$((i+1)); done; wait")
		for len(family(p.cmd.Process.Pid)) < 100 { // listing them takes as long as it takes to start some more
			runtime.Gosched()
		}
		p.Pause()
		for _, pid := range family(p.cmd.Process.Pid) {
			for deadline := time.Now().Add(patience); !still(pid); { // it has been told to stop
				if time.Now().After(deadline) {
					t.Fatalf("process %d of a paused server goes on", pid)
				}
			}
		}
		p.Kill()
	}
}
