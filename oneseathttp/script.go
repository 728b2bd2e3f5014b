package oneseathttp

import (
	"bytes"
	"cmp"
	_ "embed"
	"net/http"
	"slices"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp/internal/answer"
)

// This file owns what oneseat.js is, and what a page is told of the session that the
// browser has. What it is told of an ending is in refuse.go.

//go:embed assets/oneseat.js
var script []byte

//go:embed assets/dialog.js
var dialogs []byte

// lean returns a script without indentation, and without the lines that are only a
// comment or empty. No line inside of a text of these scripts begins like a comment.
func lean(script []byte) []byte {
	var out bytes.Buffer
	for line := range bytes.Lines(script) {
		if line = bytes.TrimSpace(line); len(line) > 0 && !bytes.HasPrefix(line, []byte("//")) {
			out.Write(line)
			out.WriteByte('\n')
		}
	}
	return out.Bytes()
}

// whose is the answer to GET session and POST active, and the data of the event
// "session".
type whose struct {
	Session   oneseat.SessionID `json:"session"`
	Account   string            `json:"account"`
	SignIn    string            `json:"sign_in"`
	Deadlines []deadline        `json:"deadlines"` // those that can be reached, in the order in which a person is told
}

// deadline is when a session ends, if it is not used or in any case. Left is how many
// milliseconds away that is: no time of day, because the clock of a browser may be wrong.
// When no more than Notice is left, a person is told.
type deadline struct {
	Reason oneseat.Reason `json:"reason"`
	Left   int64          `json:"left_ms"`
	Notice int64          `json:"notice_ms"`
	Title  string         `json:"title"`
	Detail string         `json:"detail"` // with the place {left}
}

// A person is told of a timeout a tenth of it before, and in any case early enough to
// react: WCAG 2.2, success criterion 2.2.1, asks for 20 seconds. Nobody has to save
// anything before an idle timeout, because any use of the page defers it.
const (
	noticeLeast    = 20 * time.Second
	noticeIdle     = 2 * time.Minute // at most
	noticeAbsolute = 5 * time.Minute // at most
)

// whose returns what a page is told of a live session, which a check has just found.
func (g *Guard) whose(s oneseat.Session) whose {
	said := whose{Session: s.ID, Account: s.Account, SignIn: g.config.SignInPath, Deadlines: []deadline{}}
	add := func(reason oneseat.Reason, left, notice time.Duration, title, detail string) {
		said.Deadlines = append(said.Deadlines, deadline{reason, left.Milliseconds(), notice.Milliseconds(), title, detail})
	}
	c := g.seats.Config()
	idle, absolute := g.seats.TimeLeft(s)
	if absolute != oneseat.NoTimeout {
		title, detail := g.words.Pair("expiring.absolute_timeout")
		add(oneseat.ReasonAbsoluteTimeout, absolute, min(max(c.Absolute/10, noticeLeast), noticeAbsolute), title, detail)
	}
	if idle != oneseat.NoTimeout && (absolute == oneseat.NoTimeout || idle < absolute) {
		title, detail := g.words.Pair("expiring.idle_timeout")
		add(oneseat.ReasonIdleTimeout, idle, min(max(c.Idle/10, noticeLeast), noticeIdle), title, detail)
	}
	slices.SortStableFunc(said.Deadlines, func(a, b deadline) int { return cmp.Compare(a.Left-a.Notice, b.Left-b.Notice) })
	return said
}

// whoami answers what a page is told. Whether the request is activity was decided when
// it was let in.
func (g *Guard) whoami(w http.ResponseWriter, r *http.Request) {
	mine, _ := oneseat.SessionFrom(r.Context())
	answer.JSON(w, g.whose(mine))
}
