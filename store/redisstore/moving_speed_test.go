package redisstore_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/testservers"
	"github.com/oneseat/oneseat/store/redisstore"
	"github.com/redis/rueidis"
)

// BenchmarkASlotMoves moves the slot of one of 16 partitions, some keys at a time, while
// eight callers sign in and eight read there. "listed" is the order in which Redis lists
// the keys. "middle" moves what the rosters share after half of them, one key at a time,
// as the script in docs/operations.md does. Run it with -benchtime 1x.
func BenchmarkASlotMoves(b *testing.B) {
	for _, accounts := range []int{100_000, 1_000_000} {
		for _, batch := range []int{10, 1000} {
			for _, order := range []string{"listed", "middle"} {
				b.Run(fmt.Sprintf("accounts=%d/batch=%d/%s", accounts, batch, order), func(b *testing.B) {
					for b.Loop() {
						moveUnderLoad(b, accounts/16, batch, order)
					}
				})
			}
		}
	}
}

func moveUnderLoad(b *testing.B, rosters, batch int, order string) {
	const p = 3
	c := testservers.StartRedisCluster(b, "--cluster-node-timeout", "60000")
	s := open(b, c.URL, redisstore.Options{})
	accounts := inPartition(p, rosters)
	fill(b, c.URL, s, accounts)
	busy := open(b, c.URL, redisstore.Options{Timeout: time.Second}) // the default
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	var signIns, reads, failed atomic.Int64
	var slowSignIn, slowRead longest
	var all sync.WaitGroup
	for w := range 8 {
		call := func(n *atomic.Int64, slow *longest, do func(account string) error) {
			for i := w; ctx.Err() == nil; i += 7919 {
				began := time.Now()
				if do(accounts[i%rosters]) != nil {
					failed.Add(1)
				}
				slow.see(time.Since(began))
				n.Add(1)
			}
		}
		all.Go(func() {
			call(&signIns, &slowSignIn, func(a string) error {
				_, err := busy.Update(b.Context(), key(a), seat(a, oneseat.SessionID(fmt.Sprint(w))))
				return err
			})
		})
		all.Go(func() {
			call(&reads, &slowRead, func(a string) error { _, err := busy.Load(b.Context(), key(a)); return err })
		})
	}
	eventually(b, "calls", func() error {
		if signIns.Load() < 100 {
			return fmt.Errorf("%d sign-ins", signIns.Load())
		}
		return nil
	})
	slowSignIn.see(-1)
	slowRead.see(-1)

	m := move(b, c, p)
	keys, err := m.Keys()
	must(b, err)
	var stands longest // how long both servers do nothing else
	took := func(keys ...string) {
		began := time.Now()
		must(b, m.Move(keys...))
		stands.see(time.Since(began))
	}
	began := time.Now()
	if order == "middle" {
		shared := slices.DeleteFunc(slices.Clone(keys), func(k string) bool { return strings.Contains(k, ":roster:") })
		keys = slices.DeleteFunc(keys, func(k string) bool { return !strings.Contains(k, ":roster:") })
		for some := range slices.Chunk(keys[:len(keys)/2], batch) {
			took(some...)
		}
		for _, k := range shared {
			took(k)
		}
		keys = keys[len(keys)/2:]
	}
	for some := range slices.Chunk(keys, batch) {
		took(some...)
	}
	must(b, m.Whole())
	moved := time.Since(began)
	stop()
	all.Wait()
	ms := func(d time.Duration) float64 { return float64(d.Milliseconds()) }
	b.ReportMetric(ms(moved), "move-ms")
	b.ReportMetric(float64(rosters)/moved.Seconds(), "rosters/s")
	b.ReportMetric(ms(stands.now()), "standstill-ms")
	b.ReportMetric(ms(slowSignIn.now()), "slowest-signin-ms")
	b.ReportMetric(ms(slowRead.now()), "slowest-read-ms")
	b.ReportMetric(float64(failed.Load()), "failed")
	b.ReportMetric(0, "ns/op")
}

// longest is the longest of some durations. A negative duration begins anew.
type longest struct {
	mu sync.Mutex
	d  time.Duration
}

func (l *longest) see(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.d = max(l.d, d)
	if d < 0 {
		l.d = 0
	}
}

func (l *longest) now() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.d
}

// fill writes the rosters of accounts as copies of one, with their index entries, and a
// full log.
func fill(b *testing.B, url string, s *redisstore.Store, accounts []string) {
	b.Helper()
	client, err := redisstore.Connect(b.Context(), url, patience)
	must(b, err)
	defer client.Close()
	signIn(b, s, accounts[0], "A")
	signIn(b, s, accounts[0], "B")
	text, err := client.Do(b.Context(), client.B().Get().Key(named(accounts[0], "roster:"+key(accounts[0]).String())).Build()).ToString()
	must(b, err)
	due := float64(time.Now().Add(time.Hour).UnixMicro())
	for some := range slices.Chunk(accounts, 1000) {
		var write rueidis.Commands
		for _, a := range some {
			k := key(a)
			write = append(write,
				client.B().Set().Key(named(a, "roster:"+k.String())).Value(strings.ReplaceAll(text, accounts[0], a)).Build(),
				client.B().Zadd().Key(named(a, "due:"+realm)).ScoreMember().ScoreMember(due, rueidis.BinaryString(k[:])).Build(),
				client.B().Zadd().Key(named(a, "accounts:"+realm)).ScoreMember().ScoreMember(0, a).Build())
		}
		for _, answer := range client.DoMulti(b.Context(), write...) {
			must(b, answer.Error())
		}
	}
	var all sync.WaitGroup
	const writers, entries = 16, 16384
	for w := range writers {
		all.Go(func() {
			for i := w; i < entries; i += writers {
				a := accounts[i%len(accounts)]
				if _, err := s.Update(b.Context(), key(a), seat(a, oneseat.SessionID(fmt.Sprint(i)))); err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
}
