package oneseathttp

import (
	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/words"
)

// Notice is what a person reads whose session has ended. The sign-in page, the
// browser's dialog and the answer to a program have the same words.
type Notice struct {
	Title  string // what happened
	Detail string // what it means, and what to do
	NotYou bool   // somebody else may have done it: offer a change of password
}

// NoticeOf returns the notice of an ending, in English.
func NoticeOf(e oneseat.Ending) Notice { return noticeOf(words.English(), e) }

func noticeOf(l words.Language, e oneseat.Ending) (n Notice) {
	device := e.ByDevice.Label
	if device == "" || device == l.Say("device.unknown") {
		device = l.Say("device.another")
	}
	switch e.Reason {
	case oneseat.ReasonDisplaced:
		n.NotYou = true
		switch {
		case e.Parent != "":
			n.Title, n.Detail = l.Pair("ended.stream_displaced", "device", device)
		case e.SameDevice:
			n.Title, n.Detail = l.Pair("ended.same_device")
		default:
			n.Title, n.Detail = l.Pair("ended.displaced", "device", device)
		}
	case oneseat.ReasonRenewed:
		n.Title, n.Detail = l.Pair("ended.renewed")
	case oneseat.ReasonRevoked:
		n.NotYou = true
		n.Title, n.Detail = l.Pair("ended.revoked")
	case oneseat.ReasonIdleTimeout:
		n.Title, n.Detail = l.Pair("ended.idle_timeout")
	case oneseat.ReasonAbsoluteTimeout:
		n.Title, n.Detail = l.Pair("ended.absolute_timeout")
	case oneseat.ReasonCredentialsChanged:
		n.NotYou = true
		n.Title, n.Detail = l.Pair("ended.credentials_changed")
	case oneseat.ReasonLimitLowered:
		if n.Title, n.Detail = l.Pair("ended.limit_lowered"); e.Parent != "" {
			n.Title, n.Detail = l.Pair("ended.stream_lowered")
		}
	case oneseat.ReasonAccountBlocked:
		n.Title, n.Detail = l.Pair("ended.account_blocked")
	case oneseat.ReasonRealmEnded:
		n.Title, n.Detail = l.Pair("ended.realm_ended")
	default:
		n.Title, n.Detail = l.Pair("ended.signed_out")
	}
	return n
}
