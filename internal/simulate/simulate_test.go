package simulate

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	histories = flag.Uint64("histories", 150, "how many histories, of as many seeds one after the other")
	seed      = flag.Uint64("seed", 1, "the first seed")
)

func TestMain(m *testing.M) {
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: make simulate HISTORIES=n SEED=n   (both whole numbers; SEED is 1 unless given)")
	}
	flag.Parse()
	os.Exit(m.Run())
}

// failuresMost is how many seeds may fail before no more are tried.
const failuresMost = 8

// TestSimulate is the short form, and with -histories the long one.
func TestSimulate(t *testing.T) {
	var mu sync.Mutex
	sum, failures := newSum(), 0
	var next atomic.Uint64
	began := time.Now()
	t.Run("histories", func(t *testing.T) {
		for range runtime.GOMAXPROCS(0) {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				for i := next.Add(1) - 1; i < *histories; i = next.Add(1) - 1 {
					r := Run(t, *seed+i)
					mu.Lock()
					sum.add(r)
					if len(r.Violations) > 0 {
						t.Error(r.Headline())
						if failures++; failures == 1 {
							t.Log(r.Report())
						}
					}
					enough := failures >= failuresMost
					mu.Unlock()
					if enough {
						return
					}
				}
			})
		}
	})
	t.Log(sum.text(time.Since(began)))
}
