package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"

	"github.com/oneseat/oneseat"
)

// slowly returns a clock that costs as much as the real one and runs a thousand
// times slower. So what is cached stays believable for as long as a section
// takes.
func slowly() func() (time.Time, time.Duration) {
	start := time.Now()
	return func() (time.Time, time.Duration) {
		now := time.Now()
		d := now.Sub(start) / 1000
		return start.Add(d).Round(0), d
	}
}

// members returns a registry with n accounts, one session each, all in memory,
// and their tokens.
func members(n int) (*oneseat.Registry, []string) {
	seats := newRegistry(oneseat.Config{MaxStale: time.Minute, Clock: slowly()})
	tokens := make([]string, n)
	each(runtime.GOMAXPROCS(0), n, func(i int) {
		g := must(seats.SignIn(context.Background(), fmt.Sprint("account ", i), oneseat.SignInRequest{}))
		tokens[i] = string(g.Token)
	})
	return seats, tokens
}

// each calls f for every number below n, from several callers at once.
func each(callers, n int, f func(i int)) {
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := c; i < n; i += callers {
				f(i)
			}
		})
	}
	wg.Wait()
}

// check compares a check from memory with the least that it has to do: decode
// the token, hash it, look it up; and with that and reading what was found.
func check() {
	for _, n := range []int{1_000, 100_000, 1_000_000} {
		empty := inUse()
		seats, tokens := members(n)
		perAccount := (inUse() - empty - n*len(tokens[0])) / n
		bare := make(map[[32]byte]*oneseat.Session, n)
		for _, token := range tokens {
			session := must(seats.Check(context.Background(), token))
			bare[hash(token)] = &session
		}
		var found oneseat.Session
		compare(fmt.Sprintf("A check from memory, %d accounts, random keys", n),
			side{"base64, SHA-256, map", func() {
				if bare[hash(tokens[rand.IntN(n)])] == nil {
					panic("not found")
				}
			}},
			side{"the same, and the session it finds", func() {
				found = *bare[hash(tokens[rand.IntN(n)])]
			}},
			side{"Registry.Check", func() {
				found = must(seats.Check(context.Background(), tokens[rand.IntN(n)]))
			}})
		runtime.KeepAlive(found)
		fmt.Printf("  %d bytes for an account with one session, in the cache and in a memory store\n", perAccount)
		_ = seats.Close()
	}
}

func hash(token string) [32]byte {
	var buf [64]byte
	n, _ := base64.RawURLEncoding.Decode(buf[:], []byte(token[len(oneseat.TokenPrefix):]))
	return sha256.Sum256(buf[:n])
}

// peer compares a check with what scs does to load a session, both in memory.
func peer() {
	const n = 10_000
	ctx := context.Background()
	manager := scs.New()
	manager.Store = memstore.NewWithCleanupInterval(0)
	in := make([]string, n) // the tokens of scs, by account
	for i := range in {
		in[i] = newSCSSession(manager, fmt.Sprint("account ", i))
	}
	seats, tokens := members(n)
	defer seats.Close()
	compare("A check, beside scs with its memory store",
		side{"scs Load and GetString", func() {
			if manager.GetString(must(manager.Load(ctx, in[rand.IntN(n)])), "account") == "" {
				panic("nobody")
			}
		}},
		side{"Registry.Check", func() {
			must(seats.Check(ctx, tokens[rand.IntN(n)]))
		}})
}

// holds states what a live hold costs.
func holds() {
	const n = 100_000
	seats, _ := members(1)
	defer seats.Close()
	s := must(seats.Sessions(context.Background(), "account 0"))[0]
	ctx := context.Background()
	before := inUse()
	ends := make([]context.CancelFunc, n)
	for i := range ends {
		_, ends[i] = seats.Hold(ctx, s)
	}
	fmt.Printf("A live hold takes %d bytes (%d of them on one session)\n", (inUse()-before)/n, n)
	for _, end := range ends {
		end()
	}
}
