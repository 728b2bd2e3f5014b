package testservers

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
)

// RedisURL is the environment variable that names a server for tests. The tests use
// that server for their data, and never stop or configure it. Without the variable a
// server is started.
const RedisURL = "ONESEAT_REDIS_URL"

// Redis is one redis-server.
type Redis struct {
	*Process
	Addr string // host:port
	URL  string
}

// StartRedis runs redis-server with settings, such as "--appendonly", "yes", until the
// test ends.
func StartRedis(t testing.TB, settings ...string) *Redis {
	t.Helper()
	return startRedis(t, []string{binary(t, "redis-server")}, settings...)
}

func startRedis(t testing.TB, command []string, settings ...string) *Redis {
	t.Helper()
	port := FreePort(t)
	r := &Redis{Addr: loopback(port), URL: "redis://" + loopback(port)}
	args := append(command[1:], "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", folder(t, nil), "--save", "")
	r.Process = start(t, nil, command[0], append(args, settings...)...)
	r.Await()
	return r
}

// AnyRedis returns the URL of a server for the test's data: the server that [RedisURL]
// names, or one that runs until the test ends.
func AnyRedis(t testing.TB) string {
	t.Helper()
	if url := os.Getenv(RedisURL); url != "" {
		return url
	}
	return StartRedis(t).URL
}

// Await returns when the server answers and has read what is on its disk.
func (r *Redis) Await() {
	r.t.Helper()
	r.await(func(ctx context.Context) error {
		answer, err := r.ask(ctx, "PING")
		if err == nil && answer != "PONG" && !strings.HasPrefix(answer, "NOAUTH") {
			err = fmt.Errorf("it answers %q", answer)
		}
		return err
	})
}

// Ask sends a command whose words have no space in them, and returns the answer: a
// line, a text, or an error. Of several answers it returns the first line.
func (r *Redis) Ask(command string) string {
	r.t.Helper()
	answer, err := r.ask(context.Background(), command)
	if err != nil {
		r.t.Fatalf("%s: %v\n%s", command, err, r.said)
	}
	return answer
}

func (r *Redis) ask(ctx context.Context, command string) (string, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", r.Addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	if _, err := fmt.Fprint(conn, command, "\r\n"); err != nil {
		return "", err
	}
	answer := bufio.NewReader(conn)
	line, err := answer.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimRight(line, "\r\n")
	if n, err := strconv.Atoi(line[1:]); err == nil && line[0] == '$' && n >= 0 {
		text := make([]byte, n)
		_, err := io.ReadFull(answer, text)
		return string(text), err
	}
	return line[1:], nil
}
