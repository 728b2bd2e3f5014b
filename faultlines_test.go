package oneseat

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"
)

// A failure that keeps somebody out, or loses something, is an error; what goes on
// all the same is a warning.
func TestTheLevelsOfFailures(t *testing.T) {
	for kind, line := range faultLines {
		want := slog.LevelWarn
		if slices.Contains([]fault{faultStore, faultRecord, faultPanic, faultLimit}, fault(kind)) {
			want = slog.LevelError
		}
		same(t, line.text, line.level, want)
	}
}

// The log gets 500 bytes of an error's text at most.
func TestALongErrorIsCutInTheLog(t *testing.T) {
	for n, cut := range map[int]bool{500: false, 501: true} {
		var heard bytes.Buffer
		r := &Registry{log: slog.New(slog.NewTextHandler(&heard, nil)), config: Config{Clock: func() (time.Time, time.Duration) { return noon, 0 }}}
		r.report(faultStore, Key{}, errors.New(strings.Repeat("x", n)))
		same(t, "bytes", strings.Count(heard.String(), "xx"), 250)
		same(t, "a sign that it was cut", strings.Contains(heard.String(), "…"), cut)
	}
}
