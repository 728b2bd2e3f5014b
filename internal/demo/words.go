package demo

import (
	"cmp"
	"html/template"
	"strconv"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/words"
	"github.com/oneseat/oneseat/oneseathttp"
)

// wording puts into words what the demo shows.
type wording struct{ words.Language }

func newWording() wording { return wording{words.English().With("en", english)} }

// told is what a page says of the end of a session: the guard's words, and the details.
type told struct {
	oneseathttp.Notice
	oneseat.Ending
}

// tell returns nil where there is nothing to tell: without an ending, or when the
// same browser signed in again.
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
	case oneseat.ReasonSignedOut, oneseat.ReasonDisplaced, oneseat.ReasonRevoked, oneseat.ReasonIdleTimeout, oneseat.ReasonAbsoluteTimeout, oneseat.ReasonCredentialsChanged, oneseat.ReasonLimitLowered, oneseat.ReasonAccountBlocked, oneseat.ReasonRealmEnded:
		return r
	}
	return ""
}

// kind says what kind of device it is, or "" if that is not known.
func (l wording) kind(d oneseat.Device) string {
	switch d.Class {
	case oneseat.ClassDesktop:
		return l.Say("kind.desktop")
	case oneseat.ClassMobile:
		return l.Say("kind.mobile")
	case oneseat.ClassTablet:
		return l.Say("kind.tablet")
	case oneseat.ClassTV:
		return l.Say("kind.tv")
	case oneseat.ClassAPI:
		return l.Say("kind.api")
	}
	return ""
}

// rule says how many seats an account has, how many pictures it may watch at a time
// (streams; 0: they are not counted), and what a sign-in meets when no seat is free.
func (l wording) rule(limit, streams int, full oneseat.Policy) string {
	seats, beyond := l.Say("rule.one"), l.Say("rule.displace_one")
	if limit != 1 {
		seats, beyond = l.Say("rule.many", "count", strconv.Itoa(limit)), l.Say("rule.displace_many")
	}
	switch full {
	case oneseat.PolicyRefuse:
		beyond = l.Say("rule.refuse")
	case oneseat.PolicyAsk:
		beyond = l.Say("rule.ask")
	}
	switch streams {
	case 0:
		return seats + " " + beyond
	case 1:
		return seats + " " + l.Say("rule.watch_one") + " " + beyond
	}
	return seats + " " + l.Say("rule.watch_many", "count", strconv.Itoa(streams)) + " " + beyond
}

// event says what happened, in a line.
func (l wording) event(e oneseat.Event) string {
	device, other := l.device(e.Device), l.device(e.ByDevice)
	switch e.Type {
	case oneseat.EventSessionCreated:
		return l.Say("event.created", "device", device)
	case oneseat.EventSessionRotated:
		return l.Say("event.rotated", "device", device)
	case oneseat.EventSessionConfirmed:
		return l.Say("event.confirmed", "device", device)
	case oneseat.EventSessionDataChanged:
		return l.Say("event.data", "device", device)
	case oneseat.EventSignInRefused:
		return l.Say("event.refused", "device", device)
	case oneseat.EventSignInAsked:
		return l.Say("event.asked", "device", device)
	case oneseat.EventStreamStarted:
		return l.Say("event.stream", "device", device)
	case oneseat.EventStreamEnded:
		if e.Reason == oneseat.ReasonDisplaced {
			return l.Say("event.stream_taken", "device", device, "other", other)
		}
		return l.Say("event.stream_over", "device", device)
	case oneseat.EventTakeoverNoticed:
		return l.Say("event.takeover")
	case oneseat.EventAccountBlocked:
		return l.Say("event.blocked")
	case oneseat.EventAccountUnblocked:
		return l.Say("event.unblocked")
	case oneseat.EventSessionUsedAfterEnd:
		return l.Say("event.used", "device", device)
	case oneseat.EventSessionEnded:
		return l.end(e, device, other)
	}
	return string(e.Type)
}

// end says how a session ended.
func (l wording) end(e oneseat.Event, device, other string) string {
	switch e.Reason {
	case oneseat.ReasonSignedOut:
		return l.Say("event.signed_out", "device", device)
	case oneseat.ReasonRenewed:
		return l.Say("event.renewed", "device", device)
	case oneseat.ReasonDisplaced:
		if e.SameDevice {
			return l.Say("event.same_device", "device", device)
		}
		return l.Say("event.displaced", "device", device, "other", other)
	case oneseat.ReasonCredentialsChanged:
		return l.Say("event.password", "device", device)
	case oneseat.ReasonIdleTimeout, oneseat.ReasonAbsoluteTimeout:
		return l.Say("event.timeout", "device", device)
	}
	return l.Say("event.ended", "device", device)
}

func (l wording) device(d oneseat.Device) string { return cmp.Or(d.Label, l.Say("event.a_device")) }

// rush says what came of many sign-ins at the same moment.
func (l wording) rush(in, refused int, took time.Duration, live []oneseat.Session) string {
	s := l.Say("stage.rush_came", "count", strconv.Itoa(in+refused), "time", strconv.FormatInt(took.Milliseconds(), 10))
	if refused > 0 {
		s += " " + l.Say("stage.rush_refused", "count", strconv.Itoa(refused))
	}
	if len(live) == 1 {
		return s + " " + l.Say("stage.rush_one", "device", l.device(live[0].Device))
	}
	return s + " " + l.Say("stage.rush_many", "count", strconv.Itoa(len(live)))
}

// ago says how long ago a moment was.
func (l wording) ago(t time.Time) string {
	d := time.Since(t)
	count := func(unit time.Duration) string { return strconv.FormatInt(int64(d/unit), 10) }
	switch {
	case d < 5*time.Second:
		return l.Say("ago.now")
	case d < 2*time.Minute:
		return l.Say("ago.seconds", "count", count(time.Second))
	case d < 2*time.Hour:
		return l.Say("ago.minutes", "count", count(time.Minute))
	case d < 48*time.Hour:
		return l.Say("ago.hours", "count", count(time.Hour))
	}
	return l.Say("ago.days", "count", count(24*time.Hour))
}

// funcs are the functions that templates call.
func (l wording) funcs() template.FuncMap {
	tag := func(open, text, end string) template.HTML {
		return template.HTML(open + template.HTMLEscapeString(text) + end) // the text is escaped, the rest is ours
	}
	return template.FuncMap{
		"say": l.Say, "rich": l.Rich, "lang": func() string { return l.Tag },
		"kind": l.kind, "ago": l.ago,
		"strong": func(text string) template.HTML { return tag("<strong>", text, "</strong>") },
		"code":   func(text string) template.HTML { return tag("<code>", text, "</code>") },
		"link": func(to, text string) template.HTML {
			return tag(`<a href="`+template.HTMLEscapeString(to)+`">`, text, "</a>")
		},
		"accounts": func() (all template.HTML) {
			for i, name := range Names() {
				if i > 0 {
					all += ", "
				}
				all += tag("<code>", name, "</code>")
			}
			return all
		},
	}
}
