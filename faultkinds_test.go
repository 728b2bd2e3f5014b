package oneseat

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// An application's words may name the account, in every way in which URLs and quotes
// spell it. What only looks like a short name stays.
func TestWithoutAnAccountsNameATextStaysReadable(t *testing.T) {
	for _, tt := range []struct{ account, text, want string }{
		{"ada", "no plan of ada", "no plan of (account)"},
		{"ada", "Ada, ADA and ada: ada", "(account), (account) and (account): (account)"},
		{"ada", "ada", "(account)"},
		{"ada", "adas and canada and ada7 and 9ada and aéada", "adas and canada and ada7 and 9ada and aéada"},
		{"ada", "_ada_ ada-ada /ada/", "_(account)_ (account)-(account) /(account)/"},
		{"7", "user 7: no answer after 17s, 70s, 1.7 s and 07", "user (account): no answer after 17s, 70s, 1.(account) s and 07"},
		{"aada", "aaada", "a(account)"},
		{"adaa", "xadaay", "x(account)y"},
		{"z9Z", "Az9ZA Zz9Zz {z9z} 0z9z0 9z9z9", "Az9ZA Zz9Zz {(account)} 0z9z0 9z9z9"},
		{"aba", "ababa aba", "ababa (account)"},
		{"grace hopper", "of grace+hopper, grace%20hopper, GRACE HOPPER", "of (account), (account), (account)"},
		{"a@b.example", `Get "https://plans/?of=a%40b.example": a@b.example`, `Get "https://plans/?of=(account)": (account)`},
		{`a"b"c`, `no plan of "a\"b\"c"`, `no plan of "(account)"`},
		{"ångström", "Ångström, ångström, %C3%A5ngstr%C3%B6m, %c3%a5ngstr%c3%b6m", "Ångström, (account), (account), (account)"},
		{"ada", "xada", "xada"},
		{"ada", "0ada 9ada aada zada Aada Zada Àada adaÀ ada0 adaz", "0ada 9ada aada zada Aada Zada Àada adaÀ ada0 adaz"},
		{"ada", "/ada: @ada[ `ada{ ada~", "/(account): @(account)[ `(account){ (account)~"},
		{"a@b", "a`b", "a`b"},
		{"x[y1", "x{y1", "x{y1"},
		{"ada", "", ""},
		{"ada", "no name at all", "no name at all"},
	} {
		if got := without(tt.text, tt.account); got != tt.want {
			t.Errorf("%q without %q is %q, want %q", tt.text, tt.account, got, tt.want)
		}
	}
	if got := without("nothing", ""); got != "nothing" {
		t.Errorf("without nothing it is %q", got)
	}
}

// A failure counts for its own kind, for a minute by the clock that says longer.
func TestAFailureIsDueOnceAMinuteForEachKind(t *testing.T) {
	var f faults
	if silent, due := f.due(faultPush, instant{}); silent != 0 || !due { // by a test's clock
		t.Error("the first is not due")
	}
	at := func(wall, mono time.Duration) instant { return instant{time.Hour + wall, time.Hour + mono} }
	for _, tt := range []struct {
		kind   fault
		now    instant
		silent int
		due    bool
	}{
		{faultStore, at(0, 0), 0, true},
		{faultLimit, at(0, 0), 0, true},
		{faultStore, at(faultEvery-1, faultEvery-1), 0, false},
		{faultStore, at(faultEvery-1, faultEvery-1), 0, false},
		{faultStore, at(faultEvery, faultEvery-1), 2, true}, // the machine was suspended
		{faultStore, at(faultEvery+1, faultEvery), 0, false},
		{faultLimit, at(faultEvery, faultEvery), 0, true},
		{faultStore, at(0, faultEvery+1), 1, true}, // a clock that was put back
	} {
		if silent, due := f.due(tt.kind, tt.now); silent != tt.silent || due != tt.due {
			t.Errorf("kind %d at %v: %d, %v; want %d, %v", tt.kind, tt.now, silent, due, tt.silent, tt.due)
		}
	}
}

func TestEveryKindOfFailureHasItsWords(t *testing.T) {
	for kind, line := range faultLines {
		if line.text == "" || line.level != slog.LevelError && line.level != slog.LevelWarn {
			t.Errorf("kind %d: %+v", kind, line)
		}
	}
}

func TestWhatKindOfFailureAnErrorIs(t *testing.T) {
	for _, tt := range []struct {
		err  error
		kind fault
		is   bool
	}{
		{ErrNoSession, 0, false}, {&EndedError{}, 0, false}, {&LimitError{}, 0, false}, {context.Canceled, 0, false},
		{ErrClosed, faultClosed, true},
		{&FormatError{"x"}, faultRecord, true},
		{&PanicError{Value: 1}, faultPanic, true},
		{ErrUnknownOutcome, faultReply, true},
		{ErrStoreUnavailable, faultStore, true},
		{context.DeadlineExceeded, faultStore, true},
	} {
		for _, err := range []error{tt.err, fmt.Errorf("in a store: %w", tt.err)} {
			if kind, is := faultOf(err); kind != tt.kind || is != tt.is {
				t.Errorf("%v: kind %d, %v", err, kind, is)
			}
		}
	}
}

// A long text does not fill the log.
func TestALongTextIsCut(t *testing.T) {
	var said strings.Builder
	r := &Registry{control: KeyOf("default", ""), log: slog.New(slog.NewTextHandler(&said, nil)), config: Config{Clock: func() (time.Time, time.Duration) { return time.Now(), 0 }}}
	r.report(faultStore, r.control, errors.New(strings.Repeat("é", 300)))
	if text := said.String(); !strings.Contains(text, strings.Repeat("é", 250)+" …") || strings.Contains(text, strings.Repeat("é", 251)) || strings.Contains(text, "account_key") {
		t.Errorf("it says %q", text)
	}
	said.Reset()
	r.report(faultPush, Key{}, errors.New(strings.Repeat("x", 501)))
	if text := said.String(); strings.Contains(text, strings.Repeat("x", 501)) {
		t.Errorf("it says %q", text)
	}
	said.Reset()
	r.report(faultLimit, Key{}, errors.New(strings.Repeat("x", 500)))
	if text := said.String(); strings.Contains(text, "…") || strings.Contains(text, "account_key") || strings.Contains(text, "not_logged") {
		t.Errorf("it says %q", text)
	}
	said.Reset()
	r.report(faultRecord, KeyOf("default", "ada"), errors.New("\"é\xff"+strings.Repeat("x", 500)))
	if text := said.String(); !strings.Contains(text, "account_key="+KeyOf("default", "ada").String()) || strings.Contains(text, "\xff") {
		t.Errorf("it says %q", text)
	}
}

// An answer is no failure, and a caller that has gone away is nothing to report.
func TestOnlyFailuresOfCallersThatWaitAreReported(t *testing.T) {
	var said strings.Builder
	mono := time.Duration(0)
	r := &Registry{log: slog.New(slog.NewTextHandler(&said, nil)), config: Config{Realm: "default", Clock: func() (time.Time, time.Duration) { return time.Unix(0, int64(mono)), mono }}}
	gone, leave := context.WithCancel(t.Context())
	leave()
	late, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	for _, err := range []error{nil, ErrNoSession, &EndedError{}, errors.ErrUnsupported} {
		if got := r.failed(t.Context(), Key{1}, err); got != err || said.Len() > 0 { //nolint:errorlint // the very same
			t.Errorf("%v became %v; the log says %q", err, got, said.String())
		}
	}
	if err := r.failed(gone, Key{1}, ErrClosed); err != ErrClosed || said.Len() > 0 { //nolint:errorlint // the very same
		t.Errorf("%v; the log says %q", err, said.String())
	}
	for n, ctx := range []context.Context{t.Context(), late} {
		_ = r.failed(ctx, Key{1}, ErrClosed)
		if got := strings.Count(said.String(), "account_key="+Key{1}.String()); got != n+1 {
			t.Errorf("the log says %q", said.String())
		}
		mono += faultEvery
	}
	if strings.Contains(said.String(), "not_logged") {
		t.Errorf("nothing was left out: %q", said.String())
	}
	mono -= 1
	_ = r.failed(t.Context(), Key{1}, ErrClosed)
	mono += faultEvery
	_ = r.failed(t.Context(), Key{1}, ErrClosed)
	if !strings.Contains(said.String(), "not_logged=1\n") {
		t.Errorf("one was left out: %q", said.String())
	}
	said.Reset()
	if err := r.checkAccount("ada\n"); err == nil || !strings.Contains(said.String(), "account_key="+KeyOf("default", "ada\n").String()) {
		t.Errorf("%v: the log says %q", err, said.String())
	}
}
