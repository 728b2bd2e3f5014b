package testservers

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// masters is how many masters a cluster has. Each has one replica.
const masters = 3

// RedisCluster is a cluster of three masters, each with a replica.
type RedisCluster struct {
	Nodes [2 * masters]*Redis // the masters first, as they were at the start
	URL   string
}

// StartRedisCluster runs a cluster until the test ends, every server with these
// settings. When a master is gone for a second, its replica takes its place.
func StartRedisCluster(t testing.TB, settings ...string) *RedisCluster {
	t.Helper()
	c := &RedisCluster{}
	var bus, addrs [2 * masters]string
	for i := range c.Nodes {
		bus[i] = strconv.Itoa(FreePort(t))
		c.Nodes[i] = StartRedis(t, append([]string{
			"--cluster-enabled", "yes", "--cluster-port", bus[i], "--cluster-node-timeout", "1000", "--cluster-replica-validity-factor", "0",
		}, settings...)...)
		addrs[i] = c.Nodes[i].Addr
	}
	c.URL = "redis-cluster://" + strings.Join(addrs[:], ",")
	for i, n := range c.Nodes {
		if i < masters {
			n.must("CLUSTER ADDSLOTSRANGE %d %d", i*Slots/masters, (i+1)*Slots/masters-1)
		}
		n.must("CLUSTER SET-CONFIG-EPOCH %d", i+1)
		if i > 0 {
			n.must("CLUSTER MEET %s %s", strings.Replace(addrs[0], ":", " ", 1), bus[0])
		}
	}
	for _, n := range c.Nodes {
		n.await(func(ctx context.Context) error {
			return n.expect(ctx, "CLUSTER INFO", fmt.Sprintf("cluster_known_nodes:%d", len(c.Nodes)))
		})
	}
	for i, n := range c.Nodes[masters:] {
		id := c.Nodes[i].Ask("CLUSTER MYID")
		n.await(func(ctx context.Context) error { return n.expect(ctx, "CLUSTER REPLICATE "+id, "OK") })
	}
	c.Await()
	return c
}

// Await returns when every slot is served, and every replica that runs has what its
// master has.
func (c *RedisCluster) Await() {
	for _, n := range c.Nodes {
		if n.cmd == nil {
			continue
		}
		n.await(func(ctx context.Context) error { return n.expect(ctx, "CLUSTER INFO", "cluster_state:ok") })
		n.await(func(ctx context.Context) error {
			if err := n.expect(ctx, "INFO replication", "role:master"); err == nil {
				return nil
			}
			return n.expect(ctx, "INFO replication", "master_link_status:up")
		})
	}
}

func (r *Redis) must(format string, args ...any) {
	r.t.Helper()
	if answer := r.Ask(fmt.Sprintf(format, args...)); answer != "OK" {
		r.t.Fatalf(format+": %s", append(args, answer)...)
	}
}

// expect asks, and returns an error if the answer does not have a line.
func (r *Redis) expect(ctx context.Context, command, line string) error {
	answer, err := r.ask(ctx, command)
	if err == nil && !strings.Contains("\n"+strings.ReplaceAll(answer, "\r", "")+"\n", "\n"+line+"\n") {
		err = fmt.Errorf("%s answers %q, not %q", command, answer, line)
	}
	return err
}

// Master returns one of the servers that are masters now.
func (c *RedisCluster) Master(i int) *Redis {
	var now []*Redis
	for _, n := range c.Nodes {
		if n.cmd != nil && n.expect(context.Background(), "INFO replication", "role:master") == nil {
			now = append(now, n)
		}
	}
	return now[i%len(now)]
}
