package demo

import (
	"cmp"
	"fmt"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

// told is what a visitor is told of the end of a session: the guard's words, as
// everywhere, and the details.
type told struct {
	oneseathttp.Notice
	oneseat.Ending
}

// tell returns nil for an ending that is nobody's news: none at all, or the same
// browser signed in again.
func tell(e oneseat.Ending) *told {
	if e.Reason == "" || e.Reason == oneseat.ReasonRenewed {
		return nil
	}
	return &told{oneseathttp.NoticeOf(e), e}
}

// knownReason returns the reason that a word stands for, or "".
func knownReason(word string) oneseat.Reason {
	r := oneseat.Reason(word)
	switch r {
	case oneseat.ReasonSignedOut, oneseat.ReasonDisplaced, oneseat.ReasonRevoked, oneseat.ReasonIdleTimeout, oneseat.ReasonAbsoluteTimeout, oneseat.ReasonCredentialsChanged, oneseat.ReasonAccountBlocked, oneseat.ReasonRealmEnded:
		return r
	}
	return ""
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

// ruleWords says how many seats an account has, what happens beyond, and how
// many pictures it may watch, 0 for as many as it has seats.
func ruleWords(limit, streams int, full oneseat.Policy) string {
	seats := "one seat"
	if limit != 1 {
		seats = fmt.Sprintf("%d seats", limit)
	}
	if streams > 0 {
		seats += fmt.Sprintf(", and may watch on %d of them", streams)
	}
	beyond := "A newer sign-in takes it, at once."
	switch {
	case full == oneseat.PolicyRefuse:
		beyond = "While nothing is free, a further sign-in is refused."
	case full == oneseat.PolicyAsk:
		beyond = "While nothing is free, a further sign-in chooses whose seat it takes."
	case limit != 1:
		beyond = "A further sign-in takes that of the device left alone the longest, at once."
	}
	return "An account has " + seats + ". " + beyond
}

// eventWords says what happened, in a line.
func eventWords(e oneseat.Event) string {
	on := "on " + deviceWords(e.Device)
	switch e.Type {
	case oneseat.EventSessionCreated:
		return "signed in " + on
	case oneseat.EventSessionRotated:
		return "got a new secret " + on
	case oneseat.EventSignInRefused:
		return "was refused " + on + ": no seat is free"
	case oneseat.EventSignInAsked:
		return "was asked " + on + " who is to go: no seat is free"
	case oneseat.EventStreamStarted:
		return "began to watch " + on
	case oneseat.EventStreamEnded:
		if e.Reason == oneseat.ReasonDisplaced {
			return "stopped watching " + on + ": " + deviceWords(e.ByDevice) + " watches instead"
		}
		return "stopped watching " + on
	case oneseat.EventTakeoverNoticed:
		return "is used by devices that throw each other out in turn"
	case oneseat.EventAccountBlocked:
		return "was blocked"
	case oneseat.EventAccountUnblocked:
		return "may sign in again"
	case oneseat.EventSessionUsedAfterEnd:
		return "asked again " + on + ", and was refused"
	case oneseat.EventSessionEnded:
		return endWords(e, on)
	}
	return string(e.Type)
}

func endWords(e oneseat.Event, on string) string {
	switch e.Reason {
	case oneseat.ReasonSignedOut:
		return "signed out " + on
	case oneseat.ReasonRenewed:
		return "signed in again " + on
	case oneseat.ReasonDisplaced:
		return "was signed out " + on + ": " + deviceWords(e.ByDevice) + " took the seat"
	case oneseat.ReasonCredentialsChanged:
		return "was signed out " + on + ": the password was changed"
	case oneseat.ReasonIdleTimeout, oneseat.ReasonAbsoluteTimeout:
		return "was signed out " + on + ": its time was over"
	}
	return "was signed out " + on + " from elsewhere"
}

func deviceWords(d oneseat.Device) string { return cmp.Or(d.Label, "a device") }

// rushWords says what came of many sign-ins at the same moment.
func rushWords(in, refused int, took time.Duration, live []oneseat.Session) string {
	s := fmt.Sprintf("%d sign-ins at once, answered in %d ms.", in+refused, took.Milliseconds())
	if refused > 0 {
		s += fmt.Sprintf(" %d were refused.", refused)
	}
	if len(live) == 1 {
		return s + " One seat, one survivor: " + deviceWords(live[0].Device) + "."
	}
	return s + fmt.Sprintf(" %d are signed in.", len(live))
}
