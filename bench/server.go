package main

import (
	"fmt"
	mrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/oneseat/oneseat/api"
	"github.com/oneseat/oneseat/internal/testservers"
)

const (
	connections = 16
	signers     = 64
	signedIn    = 1000 // accounts
)

// binaryBefore is the size of the program before it could serve, in bytes.
const binaryBefore = 29_356_297

func served() {
	servedChecks("info", 21, 500*time.Millisecond)
	servedChecks("warn", 21, 500*time.Millisecond)
	var s servers
	defer s.close()
	dir := must(os.MkdirTemp("", "oneseat-bench-"))
	s.Cleanup(func() { _ = os.RemoveAll(dir) })
	for _, on := range []struct{ name, stands string }{
		{"memory", "memory"}, {"SQLite, synchronous FULL", dir}, {"PostgreSQL, a pool of 16", testservers.StartPostgres(&s, "shared_buffers=512MB", "max_connections=200").URL},
	} {
		servedSignIns(on.name, on.stands, 15, time.Second)
	}
	binary()
}

// servedChecks compares POST /v1/check with a handler that reads the body into nothing and
// writes as much: by the rate of 16 connections, and by the processor of the server's
// process.
func servedChecks(level string, rounds int, turn time.Duration) (rate, processor float64) {
	c := newChild("memory", childEnv+"_LOG="+level)
	defer c.close()
	callers := make([]*caller, connections)
	for i := range callers {
		callers[i] = c.dial()
		defer callers[i].conn.Close()
	}
	of := func(path string) (perS, each float64) {
		posts := make([][]byte, connections)
		for i := range posts {
			posts[i] = c.post(path, checkOf(c.Tokens[i]))
		}
		var calls atomic.Int64
		before := c.number("/processor")
		perS = perSecondEach(connections, turn, func(i int) { callers[i].call(posts[i], "200"); calls.Add(1) })
		return perS, (c.number("/processor") - before) / float64(calls.Load())
	}
	var rates, processors [2][]float64
	for range rounds {
		for i, path := range []string{"/bare", api.PathCheck} {
			r, p := of(path)
			rates[i], processors[i] = append(rates[i], r), append(processors[i], p)
		}
	}
	rate, processor = ratio(rates[1], rates[0]), ratio(processors[1], processors[0])
	fmt.Printf("A check through the server, %d connections kept alive, the client in another process, --log-level=%s\n", connections, level)
	fmt.Printf("  a handler that writes as much          %7.0f /s  %5.1f µs of the server's processor\n", median(rates[0]), median(processors[0])/1000)
	fmt.Printf("  POST %-33s %7.0f /s  %5.1f µs  %5.2f of that rate, %5.2f times the processor\n", api.PathCheck, median(rates[1]), median(processors[1])/1000, rate, processor)
	return rate, processor
}

// servedSignIns compares sign-ins through the server with those of a registry in the same
// process, 64 callers both times.
func servedSignIns(name, stands string, rounds int, turn time.Duration) float64 {
	c := newChild(stands)
	defer c.close()
	callers := make([]*caller, signers)
	for i := range callers {
		callers[i] = c.dial()
		defer callers[i].conn.Close()
	}
	var alone, through []float64
	for range rounds {
		alone = append(alone, c.number("/sign-ins?turn="+turn.String()))
		through = append(through, perSecondEach(signers, turn, func(i int) {
			callers[i].call(c.post(api.PathSignIn, `{"account":"`+account(mrand.IntN(signedIn))+`"}`), "201")
		}))
	}
	fmt.Printf("Sign-ins through the server, %d callers in another process, %s\n", signers, name)
	fmt.Printf("  Registry.SignIn                        %7.0f /s\n", median(alone))
	fmt.Printf("  POST %-33s %7.0f /s  %5.2f of that\n", api.PathSignIn, median(through), ratio(through, alone))
	return ratio(through, alone)
}

// perSecondEach does what perSecond does, for callers that know their numbers.
func perSecondEach(callers int, turn time.Duration, f func(i int)) float64 {
	numbers := make(chan int, callers) // of those that wait
	for i := range callers {
		numbers <- i
	}
	return perSecond(callers, turn, func() {
		i := <-numbers
		f(i)
		numbers <- i
	})
}

// binary states how large the program is.
func binary() {
	dir := must(os.MkdirTemp("", "oneseat-bench-"))
	defer os.RemoveAll(dir)
	to := filepath.Join(dir, "oneseat")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", to, "github.com/oneseat/oneseat/cmd/oneseat")
	build.Dir = ".." // the module of the program has what it stands on
	build.Env, build.Stderr = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0"), os.Stderr
	must(0, build.Run())
	size := must(os.Stat(to)).Size()
	fmt.Printf("The program, -s -w -trimpath, linux/amd64: %d bytes, %.2f MiB more than before it could serve\n", size, float64(size-binaryBefore)/(1<<20))
}
