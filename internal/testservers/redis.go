package testservers

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
)

// Redis is one redis-server.
type Redis struct {
	*Process
	Addr string // host:port
}

// StartRedis runs redis-server with settings of its own, such as
// "--appendonly", "yes", until the test ends.
func StartRedis(t testing.TB, settings ...string) *Redis {
	t.Helper()
	port := FreePort(t)
	r := &Redis{Addr: loopback(port)}
	args := append([]string{"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", folder(t, nil), "--save", ""}, settings...)
	r.Process = start(t, nil, binary(t, "redis-server"), args...)
	r.Await()
	return r
}

// Await returns when it answers.
func (r *Redis) Await() {
	r.t.Helper()
	r.await(func(ctx context.Context) error {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", r.Addr)
		if err != nil {
			return err
		}
		defer conn.Close()
		if deadline, ok := ctx.Deadline(); ok {
			_ = conn.SetDeadline(deadline)
		}
		if _, err := fmt.Fprint(conn, "PING\r\n"); err != nil {
			return err
		}
		answer, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil {
			return err
		}
		if !strings.HasPrefix(answer, "+PONG") && !strings.HasPrefix(answer, "-NOAUTH") {
			return fmt.Errorf("it answers %q", answer)
		}
		return nil
	})
}
