package requirements

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Page is docs/requirements.md: the rows of what is built, in order.
type Page []Line

// Line is a row of the page. Promise and Proof are as they are written there.
type Line struct{ ID, Promise, Proof string }

var line = regexp.MustCompile(`(?m)^\| ([A-Z]{3}-\d\d)\b ?\| (.*) \| (.*) \|$`)

// ReadPage reads the page in the tree at root. It leaves out what is not built yet.
func ReadPage(root string) (Page, error) {
	text, err := os.ReadFile(filepath.Join(root, "docs", "requirements.md")) // ours
	if err != nil {
		return nil, err
	}
	built, _, _ := strings.Cut(string(text), "\n## Not built yet\n")
	var p Page
	for _, m := range line.FindAllStringSubmatch(built, -1) {
		p = append(p, Line{m[1], m[2], m[3]})
	}
	return p, nil
}

// Promise is what the page says of a row.
func (p Page) Promise(id string) string {
	for _, l := range p {
		if l.ID == id {
			return l.Promise
		}
	}
	return ""
}
