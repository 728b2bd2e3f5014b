package main

import (
	"testing"
	"time"

	"github.com/oneseat/oneseat/internal/testservers"
)

func TestTheBenchBesidePeersRuns(t *testing.T) {
	if one, full := peersInMemory(1, 20); one <= 0 || full <= 0 {
		t.Errorf("%v and %v", one, full)
	}
	for _, ratios := range [][]float64{
		peersOnRedis(testservers.AnyRedis(t), 4, 100, 1, 50*time.Millisecond),
		peersOnSQLite(4, 100, 1, 50*time.Millisecond),
	} {
		for _, r := range ratios {
			if r <= 0 {
				t.Error(ratios)
			}
		}
	}
}
