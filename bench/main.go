// Command bench measures oneseat beside the bare operation, or a peer, in the
// same run, and prints ratios: figures of a shared machine mean nothing alone.
//
//	make bench                    all sections
//	go -C bench run . check       one of: check, scs, holds, sqlite, require, takeover, streams
package main

import (
	"cmp"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

func main() {
	sections := []struct {
		name string
		run  func()
	}{{"check", check}, {"scs", peer}, {"holds", holds}, {"sqlite", sqlite}, {"require", require}, {"takeover", takeover}, {"streams", streams}}
	for _, arg := range os.Args[1:] {
		if !slices.ContainsFunc(sections, func(s struct {
			name string
			run  func()
		}) bool {
			return s.name == arg
		}) {
			fmt.Fprintf(os.Stderr, "bench: no section %q; there are check, scs, holds, sqlite, require, takeover and streams\n", arg)
			os.Exit(2)
		}
	}
	for _, s := range sections {
		if len(os.Args) == 1 || slices.Contains(os.Args[1:], s.name) {
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

// compare has all sides take turns, so that whoever else uses the machine
// disturbs them alike, and prints the median of each one's turns, and of its
// ratios to the first side's turn beside it.
func compare(title string, sides ...side) {
	fmt.Println(title)
	const rounds, turn = 41, 50 * time.Millisecond
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

// quantile of figures, which it sorts.
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
