package words

// english has every sentence of oneseathttp and its streams. Keys begin with what
// the sentence is about:
//
//	ended.    why a session, or a stream, has ended
//	refused.  why a request is refused
//	full.     that an account has no seat free
//	device.   how a device is called
//	page.     what else stands on the guard's pages
//	script.   what oneseat.js says
//	stream.   why a player has no stream
//	player.   what stream.js says
var english = map[string]string{
	"ended.displaced.title":            "This account signed in on another device",
	"ended.displaced.detail":           "It was {device}. This account can be signed in on a limited number of devices, so this one was signed out.",
	"ended.same_device.title":          "This browser signed in again",
	"ended.same_device.detail":         "It was this browser, or a copy of it. It has the seat that this session had.",
	"ended.stream_displaced.title":     "Another device plays now",
	"ended.stream_displaced.detail":    "It is {device}. This account can play on a limited number of devices, so this one was stopped.",
	"ended.renewed.title":              "You signed in again",
	"ended.renewed.detail":             "This page belongs to your earlier sign-in. Reload the page to continue.",
	"ended.revoked.title":              "This device was signed out from elsewhere",
	"ended.revoked.detail":             "You signed it out on another device, or the people who run this site did.",
	"ended.idle_timeout.title":         "You were away for a while",
	"ended.idle_timeout.detail":        "To be safe, you were signed out. Sign in to continue.",
	"ended.absolute_timeout.title":     "It is time to sign in again",
	"ended.absolute_timeout.detail":    "To be safe, every sign-in ends after some time. Sign in to continue.",
	"ended.credentials_changed.title":  "The password of this account was changed",
	"ended.credentials_changed.detail": "All other devices were signed out. Sign in with the new password.",
	"ended.account_blocked.title":      "This account was blocked",
	"ended.account_blocked.detail":     "All its devices were signed out. Ask the people who run this site.",
	"ended.realm_ended.title":          "Everybody was signed out",
	"ended.realm_ended.detail":         "The people who run this site ended all sessions. Sign in to continue.",
	"ended.signed_out.title":           "You are signed out",
	"ended.signed_out.detail":          "Sign in to continue.",

	"refused.no_session.title":         "Nobody is signed in here",
	"refused.no_session.detail":        "Sign in first.",
	"refused.rotated.title":            "This page was a moment behind",
	"refused.rotated.detail":           "Load it again. You are still signed in.",
	"refused.no_answer.title":          "Sessions cannot be checked at the moment",
	"refused.no_answer.detail":         "Try again in a few seconds. Nobody has been signed out.",
	"refused.too_long.title":           "This took too long",
	"refused.too_long.detail":          "It may have been done all the same. Look before you try again.",
	"refused.bad_ticket.title":         "That choice came too late",
	"refused.bad_ticket.detail":        "Sign in again to choose.",
	"refused.bad_form.title":           "That form could not be read",
	"refused.bad_form.detail":          "Post it as application/x-www-form-urlencoded.",
	"refused.bad_sign_in.title":        "This sign-in cannot be made",
	"refused.bad_sign_in.detail":       "The id of the device has a length that cannot be used.",
	"refused.bad_account.title":        "This account cannot be signed in",
	"refused.bad_account.detail":       "Its name is empty or too long, or has characters that cannot be used. Ask the people who run this site.",
	"refused.limit_unknown.title":      "The limit of this account is not known at the moment",
	"refused.limit_unknown.detail":     "Try again in a few seconds. Nobody has been signed out.",
	"refused.outcome_unknown.title":    "It is not known whether this was done",
	"refused.outcome_unknown.detail":   "Look before you try again.",
	"refused.record_unreadable.title":  "The sessions of this account cannot be read",
	"refused.record_unreadable.detail": "Ask the people who run this site. Nobody has been signed out.",
	"refused.blocked.title":            "This account is blocked",
	"refused.blocked.detail":           "Nobody can sign in to it. Ask the people who run this site.",
	"refused.blocked_until.title":      "This account is blocked",
	"refused.blocked_until.detail":     "Nobody can sign in to it until {time}.",
	"full.ask_about_one.title":         "This account is in use on another device",
	"full.ask_about_one.detail":        "Sign out there and continue here, or leave it as it is.",
	"full.ask_about_several.title":     "Which device shall make room?",
	"full.ask_about_several.detail":    "This account is signed in on {count} devices, as many as it may be. The device that you choose is signed out.",
	"full.refused.title":               "All seats of this account are taken",
	"full.refused.detail":              "Sign out on one of these devices first, then sign in here.",

	"device.another": "another device",
	"device.this":    "this device",
	"device.unknown": "Unknown device",

	"page.signed_in":       "Signed in {time}",
	"page.signed_in_from":  "Signed in {time}, from the network {network}",
	"page.last_used":       "Last used {time}",
	"page.take_seat":       "Sign out there and continue here",
	"page.cancel":          "Cancel, and leave everything as it is",
	"page.unknown_one":     "Do you not know that device? Sign it out, and change your password.",
	"page.unknown_several": "Do you not know one of these devices? Sign it out, and change your password.",
	"page.to_sign_in":      "Back to the sign-in",
	"page.devices":         "Your devices",
	"page.devices_of":      "{account} is signed in on these devices. Sign out any device that you do not know, then change your password.",
	"page.sign_out":        "Sign out",
	"page.sign_out_device": "Sign out {device}",
	"page.sign_out_others": "Sign out all other devices",
	"page.back":            "Back",

	"script.not_you":   "Was that not you? Sign in and change your password.",
	"script.unsent":    "What you were writing has not been sent. Copy it before you leave this page.",
	"script.reference": "Reference {reference}",
	"script.sign_in":   "Sign in",
	"script.stay":      "Stay on this page",

	"stream.full.title":        "This account is playing elsewhere",
	"stream.full.detail":       "Stop it there to play here.",
	"stream.none.title":        "No stream",
	"stream.none.detail":       "It was stopped, or its player was silent for too long. Start another one.",
	"stream.no_answer.title":   "Streams cannot be checked at the moment",
	"stream.no_answer.detail":  "Try again in a few seconds.",
	"stream.bad_player.title":  "No player",
	"stream.bad_player.detail": `Post "player", a random id of 16 to 64 bytes that the player keeps.`,

	"player.stop_here":  "Stop it in another window here and play here",
	"player.stop_there": "Stop it on {device} and play here",
	"player.again":      "Play here again",
}
