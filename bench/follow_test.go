package main

import (
	"testing"
	"time"
)

func TestTheBenchOfNodesThatFollowRuns(t *testing.T) {
	var s servers
	defer s.close()
	for _, f := range everyFollowed(&s) {
		if rate := f.ceiling(1, 200); rate <= 0 {
			t.Errorf("%s: %v entries", f.name, rate)
		}
		if reads := f.live(1, 100*time.Millisecond); reads <= 0 {
			t.Errorf("%s: %v reads", f.name, reads)
		}
		if reads := f.idle(2, time.Second); reads <= 0 {
			t.Errorf("%s: %v reads", f.name, reads)
		}
		if f.hear == nil {
			continue
		}
		if rate := f.push(1, 3, 50*time.Millisecond); rate <= 0 {
			t.Errorf("%s: %v notifications", f.name, rate)
		}
	}
}
