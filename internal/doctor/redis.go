package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/oneseat/oneseat/store/redisstore"
)

// redisFacts is what was seen of a Redis, or of a cluster. After err nothing else was
// asked.
type redisFacts struct {
	of      string // the addresses
	cluster bool
	made    bool
	err     error
	nodes   []redisNode
}

// redisNode is what was seen of one server.
type redisNode struct {
	addr          string
	settings      map[string]string
	unread        error             // why the settings are not known
	info          map[string]string // of INFO
	closed        error             // why that is not known
	sent, at, now time.Time
	timeless      error // why the clock is not known
}

// oldest is the first release of Redis that has what the store needs. Valkey says that
// it is a later one.
const oldest = 7

// probeRedis asks the servers at a URL. It writes nothing.
func probeRedis(ctx context.Context, address string) (f redisFacts) {
	f.of, f.cluster = shownRedis(address), strings.Contains(address, "-cluster://")
	client, err := redisstore.Connect(ctx, address, patience)
	if err != nil {
		f.err = err
		return f
	}
	defer client.Close()
	short, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if f.made, f.err = redisstore.Examine(short, client, redisstore.Options{Timeout: patience}); f.err != nil {
		return f
	}
	all := client.Nodes()
	f.nodes = make([]redisNode, len(all))
	var asked sync.WaitGroup
	for i, addr := range slices.Sorted(maps.Keys(all)) {
		asked.Go(func() { f.nodes[i] = probeRedisNode(ctx, addr, all[addr]) })
	}
	asked.Wait()
	return f
}

// shownRedis is a URL without its user and password.
func shownRedis(address string) string {
	_, rest, _ := strings.Cut(address, "://")
	rest, _, _ = strings.Cut(rest[strings.LastIndex(rest, "@")+1:], "/")
	return "Redis at " + rest
}

func probeRedisNode(ctx context.Context, addr string, c rueidis.Client) (n redisNode) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	n.addr = addr
	b := c.B()
	n.settings, n.unread = c.Do(ctx, b.ConfigGet().Parameter("maxmemory", "maxmemory-policy", "appendonly", "save").Build()).AsStrMap()
	var text string
	if text, n.closed = c.Do(ctx, b.Info().Build()).ToString(); n.closed == nil {
		n.info = make(map[string]string)
		for line := range strings.Lines(text) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
			n.info[name] = value
		}
	}
	n.sent = time.Now()
	var words []string
	words, n.timeless = c.Do(ctx, b.Time().Build()).AsStrSlice()
	n.at = time.Now()
	if n.timeless != nil || len(words) != 2 {
		n.timeless = cmpError(n.timeless, "it does not say its time")
		return n
	}
	seconds, err := strconv.ParseInt(words[0], 10, 64)
	micros, err2 := strconv.ParseInt(words[1], 10, 64)
	n.now, n.timeless = time.Unix(seconds, micros*1000), errors.Join(err, err2)
	return n
}

// cmpError returns an error, or if there is none one that says why.
func cmpError(err error, why string) error {
	if err != nil {
		return err
	}
	return errors.New(why)
}

func judgeRedis(f redisFacts) []Result {
	if f.err != nil {
		all := []Result{judgeStore(f.of, f.made, f.err)}
		for _, check := range []string{"clock", "durable", "evicts"} {
			all = append(all, notChecked(check, f.of, "see store"))
		}
		return all
	}
	store := judgeStore(f.of, f.made, nil)
	clock, durable, evicts := fine("clock", f.of, ""), fine("durable", f.of, ""), fine("evicts", f.of, "")
	for _, n := range f.nodes {
		if what, cure := judgeRedisNode(n, f.cluster); what != "" {
			r := found("store", f.of, Problem, what).cured(cure)
			store.Findings = append(store.Findings, r.Findings...)
		}
		if n.timeless != nil {
			clock.NotChecked = fmt.Sprintf("%s: %v", n.addr, n.timeless)
		} else {
			clock.Findings = append(clock.Findings, judgeClock(n.addr, n.now, n.sent, n.at).Findings...)
		}
		if n.unread != nil {
			durable.NotChecked = fmt.Sprintf("%s does not show its settings: %v", n.addr, n.unread)
			evicts.NotChecked = durable.NotChecked
			continue
		}
		durable.Findings = append(durable.Findings, judgeDisk(n)...)
		evicts.Findings = append(evicts.Findings, judgeMemory(n)...)
	}
	if store.Said == "" && len(f.nodes) > 0 && f.nodes[0].closed != nil {
		store.Said = "its release is not known: the user may not call INFO"
	}
	return []Result{store, clock, durable, evicts}
}

// judgeRedisNode says what is wrong with a server itself, and how to cure it.
func judgeRedisNode(n redisNode, cluster bool) (what, cure string) {
	version := n.info["redis_version"]
	major, err := strconv.Atoi(strings.SplitN(version, ".", 2)[0])
	switch {
	case n.closed != nil:
		return "", ""
	case err == nil && major < oldest:
		return fmt.Sprintf("%s is Redis %s", n.addr, version), "Upgrade it to Redis 7, or to Valkey 7.2."
	case n.info["role"] == "slave" && !cluster: // those of a cluster are known to be replicas
		return fmt.Sprintf("%s is a replica", n.addr), "Give the address of the primary."
	}
	return "", ""
}

// judgeDisk judges what a server keeps on its disk.
func judgeDisk(n redisNode) []Finding {
	if n.settings["appendonly"] == "yes" || n.settings["save"] != "" {
		return nil
	}
	return []Finding{{
		Severity: Problem, What: n.addr + ` keeps nothing on disk: appendonly is no, and save is ""`,
		Means: "A restart of Redis signs everybody out.", Cure: "Set appendonly to yes, in its configuration too.",
	}}
}

// judgeMemory judges what a server removes when its memory is full. No key of ours has an
// expiry, so the policies volatile-… remove none.
func judgeMemory(n redisNode) []Finding {
	policy := n.settings["maxmemory-policy"]
	if n.settings["maxmemory"] == "0" || !strings.HasPrefix(policy, "allkeys-") {
		return nil
	}
	return []Finding{{Severity: Problem, What: fmt.Sprintf("%s removes keys when it has %s bytes: maxmemory-policy is %s", n.addr, n.settings["maxmemory"], policy)}}
}
