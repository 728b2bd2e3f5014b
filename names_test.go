package oneseat_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var named = regexp.MustCompile(`(?m)^\t(?:Event|Reason)\w+\s+(?:EventType|Reason)\s+= "(\w+)"`)

// AUD-01: stores keep these names for years, and programs of others read them. A new one
// is added here; none is renamed.
func TestNamesOfEventsAndReasonsStay(t *testing.T) {
	want := strings.Fields(`account_blocked account_unblocked limit_changed realm_ended session_confirmed session_created session_data_changed session_ended session_moved
		session_rotated session_used_after_end session_would_end signin_asked signin_refused signin_would_be_refused stream_ended stream_started takeover_noticed
		absolute_timeout account_blocked credentials_changed displaced idle_timeout limit_lowered realm_ended renewed revoked signed_out`)
	var got []string
	for _, file := range []string{"event.go", "session.go"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range named.FindAllSubmatch(text, -1) {
			got = append(got, string(m[1]))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the names are %q, want %q", got, want)
	}
}
