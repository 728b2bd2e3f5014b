package main

import (
	"context"
	"crypto/rand"
	"fmt"
	mrand "math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/testservers"
	"github.com/oneseat/oneseat/store/redisstore"
)

// bareRedis makes the round trips of a sign-in, and what is written in them, of
// the same sizes, through a client with the same settings: nothing is decided,
// compared or decoded.
type bareRedis struct {
	client         rueidis.Client
	script         *rueidis.Lua
	roster, events string
	n              int
}

const bareScript = `redis.call('HSET', KEYS[1], 'version', ARGV[1], 'roster', ARGV[2])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', '16384', '*', 'e', ARGV[3])
return 1`

func redisClient(url string) rueidis.Client {
	return must(rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{strings.TrimPrefix(url, "redis://")}, DisableCache: true, DisableRetry: true, AlwaysPipelining: true, ForceSingleClient: true, ReadBufferEachConn: 64 << 10, WriteBufferEachConn: 64 << 10,
	}))
}

// size takes the sizes from what the sign-ins of a store have left: the middle one
// of some rosters, the last entry of a log.
func (b *bareRedis) size(prefix string) {
	ctx := context.Background()
	var rosters, logs []string
	for range 101 {
		k := oneseat.KeyOf("default", account(mrand.IntN(b.n)))
		tag := fmt.Sprintf("%s{%d}:", prefix, k.Partition(16))
		rosters = append(rosters, must(b.client.Do(ctx, b.client.B().Get().Key(tag+"roster:"+k.String()).Build()).ToString()))
		last := must(b.client.Do(ctx, b.client.B().Xrevrange().Key(tag+"log").End("+").Start("-").Count(1).Build()).AsXRange())
		logs = append(logs, last[0].FieldValues["e"])
	}
	bySize := func(a, b string) int { return len(a) - len(b) }
	slices.SortFunc(rosters, bySize)
	slices.SortFunc(logs, bySize)
	b.roster, b.events = rosters[len(rosters)/2][20:], logs[len(logs)/2]
}

func (b *bareRedis) write(i int) {
	key, log := fmt.Sprintf("bare:{%d}:%07d", i%16, i), fmt.Sprintf("bare:{%d}:log", i%16)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	must(b.client.Do(ctx, b.client.B().Hmget().Key(key).Field("version", "roster").Build()).ToArray())
	cancel()
	ctx, cancel = context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	must(b.script.Exec(ctx, b.client, []string{key, log}, []string{strconv.FormatInt(time.Now().UnixMicro(), 10), b.roster, b.events}).AsInt64())
}

// redisNode is a node of a system on a Redis.
type redisNode struct {
	store *redisstore.Store
	seats *oneseat.Registry
}

func newRedisNode(url, prefix string) redisNode {
	s := must(redisstore.Open(context.Background(), url, redisstore.Options{Prefix: prefix, Logger: quiet}))
	return redisNode{s, must(oneseat.New(s, oneseat.Config{Logger: quiet}))}
}

func (n redisNode) close() {
	_ = n.seats.Close()
	_ = n.store.Close()
}

func (n redisNode) signIn(i int) oneseat.Grant {
	return must(n.seats.SignIn(context.Background(), account(i), oneseat.SignInRequest{}))
}

// redis compares sign-ins on Redis with the bare commands, what a node hears of
// another with a bare PUBLISH, and says what an account weighs.
func redis() {
	var s servers
	defer s.close()
	url := testservers.AnyRedis(&s)
	client := redisClient(url)
	defer client.Close()
	redisSignIns(url, client)
	redisPush(url, client)
	redisContest(url)
	redisMemory(url, client)
}

func redisSignIns(url string, client rueidis.Client) {
	const n, rounds, turn = 20_000, 9, 500 * time.Millisecond
	a := newRedisNode(url, "bench:")
	defer a.close()
	bare := &bareRedis{client: client, script: rueidis.NewLuaScript(bareScript), n: n}
	for range 2 { // the second displaces: a roster with an ending, two events
		each(64, n, func(i int) { a.signIn(i) })
	}
	bare.size("bench:")
	each(64, n, bare.write)
	for range 40 {
		a.signIn(n) // an account of its own, with all endings
	}
	var bares, ours, crowd, here, there []float64
	for range rounds {
		bare.size("bench:")
		var of [2]processor // for one write, and for one sign-in
		bares = append(bares, of[0].per(client, turn, func() { bare.write(mrand.IntN(n)) }))
		ours = append(ours, of[1].per(client, turn, func() { a.signIn(mrand.IntN(n)) }))
		crowd = append(crowd, perSecond(64, turn, func() { a.signIn(n) }))
		here, there = append(here, of[1].here/of[0].here), append(there, of[1].server/of[0].server)
	}
	fmt.Printf("Sign-ins on Redis, 64 callers, %d accounts\n", n)
	fmt.Printf("  bare HMGET, then EVALSHA of the same size  %7.0f /s\n", median(bares))
	fmt.Printf("  sign-ins                                   %7.0f /s  %5.2f of that\n", median(ours), ratio(ours, bares))
	fmt.Printf("  sign-ins to one account                    %7.0f /s  %5.2f of that\n", median(crowd), ratio(crowd, bares))
	fmt.Printf("  of the processor, one takes %.1f times as much in this process, and %.1f times in the server\n", median(here), median(there))
}

// processor is how many seconds of the processor something took, in this process
// and in the server.
type processor struct{ here, server float64 }

// per returns what perSecond returns for 64 callers, and notes how much of the
// processor f took.
func (p *processor) per(client rueidis.Client, turn time.Duration, f func()) float64 {
	used := func() processor {
		return processor{own(), info(client, "used_cpu_user") + info(client, "used_cpu_sys")}
	}
	var times atomic.Int64
	before := used()
	rate := perSecond(64, turn, func() { f(); times.Add(1) })
	after, n := used(), float64(times.Load())
	*p = processor{(after.here - before.here) / n, (after.server - before.server) / n}
	return rate
}

// info is a number that a server says of itself.
func info(client rueidis.Client, name string) float64 {
	for line := range strings.Lines(must(client.Do(context.Background(), client.B().Info().Build()).ToString())) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			return must(strconv.ParseFloat(v, 64))
		}
	}
	return 0
}

// redisPush compares how soon another node knows with a bare PUBLISH.
func redisPush(url string, client rueidis.Client) {
	ctx := context.Background()
	a, b := newRedisNode(url, "push:"), newRedisNode(url, "push:")
	defer a.close()
	defer b.close()
	listener := redisClient(url)
	defer listener.Close()
	heard, listening := make(chan struct{}), make(chan struct{})
	go func() { // ends with the listener
		_ = listener.Receive(rueidis.WithOnSubscriptionHook(ctx, func(rueidis.PubSubSubscription) { close(listening) }),
			listener.B().Subscribe().Channel("bare").Build(), func(rueidis.PubSubMessage) { heard <- struct{}{} })
	}()
	<-listening
	push("PUBLISH", func() {
		must(client.Do(ctx, client.B().Publish().Channel("bare").Message("1").Build()).AsInt64())
		<-heard
	}, a.seats, b.seats)
}

func redisContest(url string) {
	a, b, c := newRedisNode(url, "one:"), newRedisNode(url, "one:"), newRedisNode(url, "one:")
	defer a.close()
	defer b.close()
	defer c.close()
	contest(a.seats, b.seats, c.seats)
}

// redisMemory says what an account with one session weighs.
func redisMemory(url string, client rueidis.Client) {
	n, prefix := accounts, "memory-"+rand.Text()+":"
	a := newRedisNode(url, prefix)
	defer a.close()
	before := info(client, "used_memory")
	each(64, n, func(i int) { a.signIn(i) })
	full, log := info(client, "used_memory")-before, 0.0
	for p := range 16 {
		usage := client.B().MemoryUsage().Key(fmt.Sprintf("%s{%d}:log", prefix, p)).Samples(0).Build()
		log += float64(must(client.Do(context.Background(), usage).AsInt64()))
	}
	fmt.Printf("An account with one session in Redis, %d accounts\n", n)
	fmt.Printf("  %.0f bytes, and the log %.1f MB\n", (full-log)/float64(n), log/1e6)
}
