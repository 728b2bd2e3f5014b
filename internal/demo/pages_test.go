package demo

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
)

func TestNextLetsNobodyOffTheSite(t *testing.T) {
	for _, next := range []string{
		"", "password", "//evil.example", "///evil.example", "////evil.example", `/\evil.example`, `\/evil.example`, `\\evil.example`,
		"https://evil.example/", "http:evil.example", "HTTPS:/evil.example", "javascript:alert(1)", "data:text/html,x", "mailto:a@b",
		"/\t/evil.example", "/\n/evil.example", "/\r\nLocation: https://evil.example", "\t//evil.example", " //evil.example", "/\x00/x", "/\x7f",
		"/%zz", "//user@evil.example", "@evil.example", "?next=x", "#x", `/%5cevil.example/../\x`, "\xff",
	} {
		if got := after(next); got != "/" {
			t.Errorf("%q: %q", next, got)
		}
	}
	for _, next := range []string{"/", "/password", "/live?a=b&c=%2F%2Fx", "/a//b", "/a:b", "/a@b", "/ä/%C3%A4", "/a#b", "/http://evil.example"} {
		if got := after(next); got != next {
			t.Errorf("%q: %q", next, got)
		}
	}
}

func TestWhoSignedInAgainIsNotToldOff(t *testing.T) {
	if told := tell(oneseat.Ending{Reason: oneseat.ReasonRenewed}); told != nil {
		t.Errorf("a renewal is told: %+v", told)
	}
	if told := tell(oneseat.Ending{Reason: oneseat.ReasonDisplaced}); told == nil || told.Title == "" {
		t.Errorf("a takeover is not told: %+v", told)
	}
}

func TestTheRuleIsPutIntoWords(t *testing.T) {
	seen := map[string]bool{}
	for _, limit := range []int{1, 3} {
		for _, policy := range []oneseat.Policy{oneseat.PolicyDisplace, oneseat.PolicyRefuse, oneseat.PolicyAsk} {
			for _, streams := range []int{0, 1, 2} {
				seen[newWording().rule(limit, streams, policy)] = true
			}
		}
	}
	if len(seen) != 18 {
		t.Errorf("18 rules, %d sentences: %v", len(seen), seen)
	}
}

func TestAgesReadNaturally(t *testing.T) {
	synctest.Test(t, agesReadNaturally) // there no time passes between an event and the look at it
}

func agesReadNaturally(t *testing.T) {
	for age, want := range map[time.Duration]string{
		-time.Hour: "just now", time.Second: "just now", 30 * time.Second: "30 seconds ago", 5 * time.Minute: "5 minutes ago",
		119 * time.Minute: "119 minutes ago", 3 * time.Hour: "3 hours ago", 100 * time.Hour: "4 days ago",
	} {
		if got := newWording().ago(time.Now().Add(-age)); got != want {
			t.Errorf("%v: %q, want %q", age, got, want)
		}
	}
}

func TestTheFrameHasTheAccountAndTheTimeInIt(t *testing.T) {
	p, err := newPainter()
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	ada := p.frame(at, "ada")
	if !bytes.Equal(ada.Pix, p.frame(at, "ada").Pix) {
		t.Error("the same moment is drawn in two ways")
	}
	if bytes.Equal(ada.Pix, p.frame(at, "alan").Pix) {
		t.Error("the account is not in the picture")
	}
	if bytes.Equal(ada.Pix, p.frame(at.Add(24*time.Hour), "ada").Pix) { // the sky repeats each day, the words do not
		t.Error("the time is not in the picture")
	}
	for _, account := range []string{"", "Ωλ", strings.Repeat("long", 64), "\xff"} {
		p.frame(at, account)
	}
}

func BenchmarkFrame(b *testing.B) {
	p, err := newPainter()
	if err != nil {
		b.Fatal(err)
	}
	at := time.Unix(stillMoment, 0)
	for b.Loop() {
		if _, err := encode(p.frame(at, "ada")); err != nil {
			b.Fatal(err)
		}
	}
}
