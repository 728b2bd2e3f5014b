package demo

import (
	"fmt"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

// told is what a visitor is told of the end of a session: the guard's words, as
// everywhere, and the details.
type told struct {
	oneseathttp.Notice
	oneseat.Ending
}

// tell returns nil for an ending that is nobody's news: the same browser signed
// in again.
func tell(e oneseat.Ending) *told {
	if e.Reason == oneseat.Renewed {
		return nil
	}
	return &told{oneseathttp.NoticeOf(e), e}
}

// kindWords says what kind of device it is, or nothing if that is not known.
func kindWords(d oneseat.Device) string {
	switch d.Class {
	case "desktop":
		return "a computer"
	case "mobile":
		return "a phone"
	case "tablet":
		return "a tablet"
	case "tv":
		return "a television"
	case "api":
		return "a program"
	}
	return ""
}

// ruleWords says how many seats an account has, and what happens beyond.
func ruleWords(limit int, full oneseat.Policy) string {
	seats := "one seat"
	if limit != 1 {
		seats = fmt.Sprintf("%d seats", limit)
	}
	beyond := "A newer sign-in takes it, at once."
	switch {
	case full == oneseat.Refuse:
		beyond = "While nothing is free, a further sign-in is refused."
	case limit != 1:
		beyond = "A further sign-in takes that of the device left alone the longest, at once."
	}
	return "An account has " + seats + ". " + beyond
}
