// Command bench measures oneseat beside the bare operation, or a peer, in the
// same run, and prints ratios: figures of a shared machine mean nothing alone.
//
//	make bench                    all sections
//	go -C bench run . check       one of: check, require, takeover, streams
//
// Runs of the two sides take turns; each figure is the median of several.
package main

import (
	"fmt"
	"log/slog"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

const rounds = 7

func main() {
	sections := []struct {
		name string
		run  func()
	}{{"check", check}, {"require", require}, {"takeover", takeover}, {"streams", streams}}
	for _, arg := range os.Args[1:] {
		if !slices.ContainsFunc(sections, func(s struct {
			name string
			run  func()
		}) bool {
			return s.name == arg
		}) {
			fmt.Fprintf(os.Stderr, "bench: no section %q; there are check, require, takeover and streams\n", arg)
			os.Exit(2)
		}
	}
	testing.Init()
	for _, s := range sections {
		if len(os.Args) == 1 || slices.Contains(os.Args[1:], s.name) {
			s.run()
			fmt.Println()
		}
	}
}

// side is one of the things that are compared.
type side struct {
	name string
	f    func(b *testing.B)
}

// compare runs all sides in turn, several times, and prints each one's median
// and its ratio to the first.
func compare(title string, sides ...side) {
	fmt.Println(title)
	times := make([][]float64, len(sides))
	allocs := make([]int64, len(sides))
	for range rounds {
		for i, s := range sides {
			r := testing.Benchmark(s.f)
			times[i] = append(times[i], float64(r.T.Nanoseconds())/float64(r.N))
			allocs[i] = r.AllocsPerOp()
		}
	}
	first := median(times[0])
	for i, s := range sides {
		fmt.Printf("  %-34s %9.0f ns  %3d allocs  %5.2f times\n", s.name, median(times[i]), allocs[i], median(times[i])/first)
	}
}

func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return x[len(x)/2]
}

// quantile of durations, which it sorts.
func quantile(x []time.Duration, q float64) time.Duration {
	slices.Sort(x)
	return x[min(int(q*float64(len(x))), len(x)-1)]
}

func newRegistry(c oneseat.Config) *oneseat.Registry {
	c.Logger = slog.New(slog.DiscardHandler)
	return must(oneseat.New(memstore.New(), c))
}

func must[T any](v T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	return v
}
