// Command bench measures oneseat beside the bare operation, or a peer, in the
// same run, and prints ratios: figures of a shared machine mean nothing alone.
//
//	make bench                    all sections but tenmillion
//	make bench ARGS=check         one of them
//	make bench ARGS="redis 10000" with fewer accounts, where many are loaded
//	make bench ARGS=tenmillion    takes 12 GB of disk for a while
package main

import (
	"cmp"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

// section is a part of the bench that can be asked for by itself.
type section struct {
	name  string
	run   func()
	alone bool // only when it is asked for by its name
}

var sections = []section{
	{"check", check, false},
	{"scs", peer, false},
	{"peers", peers, false},
	{"holds", holds, false},
	{"sqlite", sqlite, false},
	{"require", require, false},
	{"file", file, false},
	{"takeover", takeover, false},
	{"streams", streams, false},
	{"feed", brokenFeed, false},
	{"postgres", postgres, false},
	{"redis", redis, false},
	{"counts", counts, false},
	{"devices", devices, false},
	{"uses", uses, false},
	{"follow", follow, false},
	{"server", served, false},
	{"client", asked, false},
	{"metrics", metricsRead, false},
	{"capacity", capacity, false},
	{"commands", commands, false},
	{"tenmillion", tenMillion, true},
}

// accounts is how many are loaded to see what one weighs.
var accounts = 1_000_000

// crowded is how many stand in the store of the section tenmillion.
var crowded = 10_000_000

func main() {
	if stands := os.Getenv(childEnv); stands != "" {
		serve(stands)
		return
	}
	if n, err := strconv.Atoi(os.Args[len(os.Args)-1]); err == nil && n > 0 {
		accounts, crowded, os.Args = n, n, os.Args[:len(os.Args)-1]
	}
	for _, arg := range os.Args[1:] {
		if !slices.ContainsFunc(sections, func(s section) bool { return s.name == arg }) {
			fmt.Fprintf(os.Stderr, "bench: no section %q; there are", arg)
			for _, s := range sections {
				fmt.Fprint(os.Stderr, " ", s.name)
			}
			fmt.Fprintln(os.Stderr)
			os.Exit(2)
		}
	}
	for _, s := range sections {
		if len(os.Args) == 1 && !s.alone || slices.Contains(os.Args[1:], s.name) {
			s.run()
			fmt.Println()
		}
	}
}

// side is one of the things that are compared: f does it once.
type side struct {
	name string
	f    func()
}

// compare has all sides take turns, so that other users of the machine disturb
// all of them alike. It prints for each side the median of its turns, and the
// median of the ratios of its turns to the first side's turns beside them.
func compare(title string, sides ...side) {
	fmt.Println(title)
	const rounds, turn = 21, 50 * time.Millisecond
	times, ratios := make([][]float64, len(sides)), make([][]float64, len(sides))
	for range rounds {
		for i, s := range sides {
			times[i] = append(times[i], perCall(s.f, turn))
			ratios[i] = append(ratios[i], times[i][len(times[i])-1]/times[0][len(times[0])-1])
		}
	}
	for i, s := range sides {
		fmt.Printf("  %-38s %9.0f ns  %3.0f allocs  %5.2f times\n", s.name,
			quantile(times[i], .5), testing.AllocsPerRun(1000, s.f), quantile(ratios[i], .5))
	}
}

// perCall calls f for a while and returns what one call took, in ns. It begins
// without garbage, so that each side pays for its own.
func perCall(f func(), turn time.Duration) float64 {
	runtime.GC()
	began, n := time.Now(), 0
	for time.Since(began) < turn {
		for range 100 {
			f()
		}
		n += 100
	}
	return float64(time.Since(began)) / float64(n)
}

// perSecond returns how many calls of f callers at once make in a second. It
// measures for the time turn.
func perSecond(callers int, turn time.Duration, f func()) float64 {
	var wg sync.WaitGroup
	var total atomic.Int64
	began := time.Now()
	for range callers {
		wg.Go(func() {
			n := int64(0)
			for ; time.Since(began) < turn; n++ {
				f()
			}
			total.Add(n)
		})
	}
	wg.Wait()
	return float64(total.Load()) / time.Since(began).Seconds()
}

// ratio returns the median of a[i]/b[i], turn by turn.
func ratio(a, b []float64) float64 {
	r := make([]float64, len(a))
	for i := range a {
		r[i] = a[i] / b[i]
	}
	return median(r)
}

func median(x []float64) float64 { return quantile(slices.Clone(x), .5) }

// quantile returns a quantile of x, for example the median if q is 0.5. It
// sorts x.
func quantile[T cmp.Ordered](x []T, q float64) T {
	slices.Sort(x)
	return x[min(int(q*float64(len(x))), len(x)-1)]
}

var quiet = slog.New(slog.DiscardHandler)

func newRegistry(c oneseat.Config) *oneseat.Registry {
	c.Logger = quiet
	return must(oneseat.New(memstore.New(), c))
}

func must[T any](v T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	return v
}
