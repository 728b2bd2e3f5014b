// Package device recognises the kind of device that sends a request, from what
// the client says of itself. It owns the words by which clients are known. It
// keeps nothing, and must not look at accounts, sessions or limits.
//
// A client can say what it likes. The words of a label are always this
// package's own, never the client's.
package device

import (
	"net/http"
	"strings"

	"github.com/oneseat/oneseat"
)

// longest is how much of a header is read, in bytes. The longest agents, of
// televisions and of pages inside apps, have about 500.
const longest = 1024

// Of returns the label and the class of the device that sent these headers.
//
// It reads User-Agent and the hints that Chromium sends without being asked:
// Sec-CH-UA, Sec-CH-UA-Mobile and Sec-CH-UA-Platform. Two things no header
// tells: an iPad that asks for the pages of a computer calls itself a Mac, and
// Chrome on an Android tablet that does so calls itself Linux.
func Of(h http.Header) oneseat.Device {
	var s sight
	s.agent(cut(h.Get("User-Agent")))
	s.hints(cut(h.Get("Sec-Ch-Ua")), h.Get("Sec-Ch-Ua-Mobile"), h.Get("Sec-Ch-Ua-Platform"))
	s.settle()
	return oneseat.Device{Label: s.label(), Class: s.system.class}
}

func cut(header string) string { return header[:min(len(header), longest)] }

// sight is what was seen of a device. Of all words for browsers the strongest
// counts, and of all for systems; among equals the first.
type sight struct {
	browser browser
	system  system
	native  bool // the agent does not begin as a browser's does
	mobile  bool // it says Mobile, as phones do
	tablet  bool // it says Tablet, or names the model of one
	pc      bool // it says PC
	hinted  bool // Sec-CH-UA-Mobile: ?1
}

func (s *sight) runs(b browser) {
	if b.rank > s.browser.rank {
		s.browser = b
	}
}

func (s *sight) is(y system) {
	if y.rank > s.system.rank {
		s.system = y
	}
}

// agent reads a User-Agent word by word. A word is of letters, digits, "-", "_"
// and ".". What the device is stands in brackets; what runs on it, outside.
func (s *sight) agent(ua string) {
	depth, start, previous := 0, -1, ""
	for i := range len(ua) + 1 {
		c := byte(' ')
		if i < len(ua) {
			c = ua[i]
		}
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '-' <= c && c <= '9' && c != '/' || c == '_' {
			if start < 0 {
				start = i
			}
			continue
		}
		if start == 0 {
			s.first(ua[:i])
		}
		if start >= 0 {
			if ua[start] > '9' || ua[start:i] == "2in1" { // no version
				s.read(ua[start:i], previous, depth > 0)
			}
			start, previous = -1, ua[start:i]
		}
		switch c {
		case '(':
			depth++
		case ')':
			depth = max(depth-1, 0)
		}
	}
	if robotic(ua) {
		s.is(robot)
	} else if strings.Contains(ua, "://") {
		s.is(systems["compatible"])
	}
}

// first reads the word that the agent begins with: the client's own name, unless
// it is a browser.
func (s *sight) first(word string) {
	if b, ok := browsers[word]; word == "Mozilla" || ok && b.rank != host {
		return
	}
	s.native = true
	s.runs(browser{rank: view})
	if name, ok := programs[word]; ok {
		s.is(system{program, name, "api"})
	}
}

func (s *sight) read(word, previous string, inside bool) {
	switch word {
	case "AppleWebKit", "Gecko", "KHTML", "Version", "like": // nearly all say so
		return
	case "Mobile", "Mobi":
		s.mobile = true
	case "Mozilla":
		s.native = false
	case "PC", "2in1":
		s.pc = true
	case "x86_64", "i386": // CFNetwork says so of a Mac
		if s.system == apple {
			s.system = mac
		}
	case "Phone", "TV", "Watch":
		s.mobile = s.mobile || word == "Phone"
		s.is(systems[previous+" "+word])
	case "Mini":
		if previous == "Opera" {
			s.mobile = true
			s.runs(browser{rank: own, name: "Opera Mini"})
		}
	}
	s.runs(browsers[word])
	s.is(systems[word])
	for _, m := range models {
		if word[0] == m.prefix[0] && strings.HasPrefix(word, m.prefix) && (!m.code || inside && word == strings.ToUpper(word)) {
			s.is(m.system)
			s.tablet = s.tablet || m.tablet
		}
	}
	if inside {
		s.model(word)
	} else if word == "TV" && !s.native {
		s.is(anyTV)
	}
}

// model reads a word of the device's own name.
func (s *sight) model(word string) {
	switch {
	case strings.HasSuffix(word, "DTV"): // phones that receive television
	case strings.HasSuffix(word, "TV"), strings.HasSuffix(word, "Box"), strings.HasSuffix(word, "BOX"):
		s.is(anyTV)
	case strings.Contains(word, "Tab"), strings.Contains(word, "TAB"), strings.HasSuffix(word, "Pad"), strings.HasSuffix(word, "PAD"):
		s.tablet = true
	}
}

// robotic says that an agent is a robot's: it calls itself one, or says where
// one reads about it.
func robotic(ua string) bool {
	if strings.Contains(ua, "+http") || strings.Contains(ua, "pider") || strings.Contains(ua, "rawler") {
		return true
	}
	for _, bot := range []string{"bot", "Bot"} {
		for _, after, found := strings.Cut(ua, bot); found; _, after, found = strings.Cut(after, bot) {
			if after == "" || strings.IndexByte("/;),-", after[0]) >= 0 { // phones are called "M bot 51"
				return true
			}
		}
	}
	return false
}

// hints adds what Chromium says beside User-Agent: the browser that hides behind
// Chrome's name, and Android where the agent calls itself a computer.
func (s *sight) hints(brands, mobile, platform string) {
	for _, b := range hiding {
		if strings.Contains(brands, b.brand) {
			s.runs(b.browser)
		}
	}
	if platform == `"Android"` {
		s.is(systems["Android"])
	}
	s.hinted = mobile == "?1"
}

// settle says what words mean together.
func (s *sight) settle() {
	switch y := s.system; {
	case y.rank == android:
		s.system.class = s.handheld()
	case y.rank == computer && y.name == mac.name && (s.mobile || s.browser.on == "iPad"):
		s.system = systems["iPad"]
	case y.rank == guess && y.name == "Linux" && s.browser.on == "Android":
		s.system = system{android, "Android", "tablet"}
	case y.name == "Samsung TV" && s.mobile:
		s.system = system{phone, "Tizen", "mobile"}
	case y.rank == 0 && s.tablet:
		s.system.class = "tablet"
	case y.rank <= guess && s.mobile:
		s.system.class = "mobile"
	case y.rank == 0:
		s.system.class = "other"
	}
}

// handheld is the class of what runs Android or HarmonyOS. A browser says Mobile
// on a phone and not on a tablet. Other programs say neither.
func (s *sight) handheld() oneseat.Class {
	switch {
	case s.tablet:
		return "tablet"
	case s.pc:
		return "desktop"
	case s.mobile, s.hinted, s.native:
		return "mobile"
	}
	return "tablet"
}

// label is what the device's owner will know it by.
func (s *sight) label() string {
	b, y := s.browser.name, s.system
	browses := y.rank < exact && (y.class == "desktop" || y.class == "mobile" || y.class == "tablet")
	switch {
	case y.name == "" && b == "":
		return "Unknown device"
	case y.name == "":
		return b
	case !browses: // the browser of a television says nothing to its owner
		return y.name
	case b == "":
		return y.name + " app"
	}
	return b + " on " + y.name
}
