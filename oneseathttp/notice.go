package oneseathttp

import (
	"fmt"

	"github.com/oneseat/oneseat"
)

// Notice is what the person is told whose session has ended: the same words on
// the sign-in page, in the browser's dialog and in a program's answer.
type Notice struct {
	Title  string // what happened
	Detail string // what it means, and what to do
	NotYou bool   // somebody else may have done it: offer a change of password
}

// NoticeOf puts an ending into words.
func NoticeOf(e oneseat.Ending) Notice {
	device := e.ByDevice.Label
	if device == "" || device == "Unknown device" {
		device = "another device"
	}
	switch e.Reason {
	case oneseat.ReasonDisplaced:
		if e.Parent != "" {
			return Notice{"Another device plays now", fmt.Sprintf("It is %s. Only so many can play at a time, so this one was stopped.", device), true}
		}
		return Notice{"This account signed in on another device", fmt.Sprintf("It was %s. Only so many devices can be signed in at a time, so this one was signed out.", device), true}
	case oneseat.ReasonRenewed:
		return Notice{"You signed in again", "This page belongs to the sign-in before that. Reload it to go on.", false}
	case oneseat.ReasonRevoked:
		return Notice{"This device was signed out from elsewhere", "You, or somebody who looks after this site, signed it out.", true}
	case oneseat.ReasonIdleTimeout:
		return Notice{"You were away for a while", "To be safe, you were signed out. Sign in to go on.", false}
	case oneseat.ReasonAbsoluteTimeout:
		return Notice{"It is time to sign in again", "A sign-in lasts only so long. Sign in to go on.", false}
	case oneseat.ReasonCredentialsChanged:
		return Notice{"The password of this account was changed", "All other devices were signed out. Sign in with the new password.", true}
	case oneseat.ReasonAccountBlocked:
		return Notice{"This account was blocked", "All its devices were signed out. Ask the people who look after this site.", false}
	case oneseat.ReasonRealmEnded:
		return Notice{"Everybody was signed out", "The people who look after this site ended all sessions. Sign in to go on.", false}
	}
	return Notice{"You are signed out", "Sign in to go on.", false}
}
