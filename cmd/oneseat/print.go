package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/width"
)

// printer writes for people, or JSON for programs. Its first error stays, and nothing is
// written after it.
type printer struct {
	w       *bufio.Writer
	err     error
	columns int  // of the terminal; 0: it is none
	colour  bool // only on a terminal, and not if NO_COLOR is set
}

func newPrinter(w io.Writer) *printer {
	p := &printer{w: bufio.NewWriter(w)}
	if columns, _, ok := terminal(w); ok {
		p.columns = columns
		p.colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
	return p
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

// flush writes what is held back.
func (p *printer) flush() error {
	if p.err == nil {
		p.err = p.w.Flush()
	}
	return p.err
}

// style is how a text looks on a terminal.
type style string

const (
	bold style = "1"
	red  style = "31"
	dim  style = "2"
)

func (p *printer) styled(s style, text string) string {
	if !p.colour || s == "" || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

// json writes a value on a line. What a terminal might obey is escaped.
func (p *printer) json(v any) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil && p.err == nil {
		p.err = err
	}
	for _, r := range strings.TrimSuffix(b.String(), "\n") { // such runes are in strings only
		switch {
		case unicode.IsGraphic(r):
			p.printf("%c", r)
		case r > 0xffff:
			r -= 0x10000
			p.printf(`\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			p.printf(`\u%04x`, r)
		}
	}
	p.printf("\n")
}

// lines writes a text on lines that fit the terminal, the second and later ones
// indented.
func (p *printer) lines(text string) {
	room := p.columns
	if room == 0 {
		p.printf("%s\n", text)
		return
	}
	for i, line := range fill(text, max(room-2, 20)) {
		if i > 0 {
			line = "  " + line
		}
		p.printf("%s\n", line)
	}
}

// inert returns a line, such as that of an error, as it may be written to a terminal.
func inert(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// plain returns a text from outside as it may be shown: in quotes and escaped, if it has
// anything that a terminal might obey, or that might be taken for something else.
func plain(s string) string {
	odd := s != strings.TrimSpace(s)
	for _, r := range s {
		odd = odd || !unicode.IsGraphic(r) || r == unicode.ReplacementChar || r == '"' || unicode.IsSpace(r) && r != ' '
	}
	if odd {
		return strconv.QuoteToGraphic(s)
	}
	return s
}

// word is plain for a text within a line of others.
func word(s string) string {
	if s == "" || strings.ContainsRune(s, ' ') && plain(s) == s {
		return strconv.QuoteToGraphic(s)
	}
	return plain(s)
}

// when returns a time in the local zone; "" for none.
func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

// minute is when without seconds, for tables.
func minute(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04")
}

// wide returns how many columns a text takes that plain has made.
func wide(s string) (n int) {
	for _, r := range s {
		switch k := width.LookupRune(r).Kind(); {
		case unicode.In(r, unicode.Mn, unicode.Me):
		case k == width.EastAsianWide || k == width.EastAsianFullwidth:
			n += 2
		default:
			n++
		}
	}
	return n
}

// short returns a text cut to a width.
func short(s string, most int) string {
	if wide(s) <= most {
		return s
	}
	cut := ""
	for _, r := range s {
		if wide(cut+string(r)) > most-1 {
			break
		}
		cut += string(r)
	}
	return cut + "…"
}

// column is one of a table.
type column struct {
	name  string
	least int  // to how much it may be cut to fit a terminal; 0: it may not
	spare bool // it may be left out to fit a terminal
}

// cell is what stands in a column.
type cell struct {
	text  string
	style style
}

// table writes rows in aligned columns, or, if the terminal is too narrow for these, each
// row as a block of lines. Rows may come in pages.
type table struct {
	out     *printer
	columns []column
	indent  int
	widths  []int // of the columns, as wide as what was to stand there
	shown   []int // of the columns, as they fit; 0: the column is left out
	blocks  bool
	begun   bool
	held    [][]cell // rows that wait for release; nil: none does
}

func (p *printer) table(indent int, columns ...column) *table {
	t := &table{out: p, columns: columns, indent: indent}
	for _, c := range columns {
		t.widths = append(t.widths, wide(c.name))
	}
	return t
}

// add writes some rows.
func (t *table) add(rows ...[]cell) {
	if t.held != nil {
		t.held = append(t.held, rows...)
		return
	}
	if len(rows) == 0 {
		return
	}
	for _, row := range rows {
		for i, c := range row {
			t.widths[i] = max(t.widths[i], wide(c.text))
		}
	}
	if fits := t.fit(); !t.begun {
		t.blocks = !fits
	}
	if !t.begun && !t.blocks {
		var head []cell
		for _, c := range t.columns {
			head = append(head, cell{c.name, bold})
		}
		t.line(head)
	}
	for i, row := range rows {
		switch {
		case !t.blocks:
			t.line(row)
		case t.begun || i > 0:
			t.out.printf("\n")
			fallthrough
		default:
			t.block(row)
		}
	}
	t.begun = true
}

// hold has rows wait, so that the columns of a page are as wide as its widest row.
func (t *table) hold() { t.held = [][]cell{} }

// release writes the rows that wait.
func (t *table) release() {
	rows := t.held
	t.held = nil
	t.add(rows...)
}

// fit chooses how wide columns are shown. It returns false if they do not fit the
// terminal.
func (t *table) fit() bool {
	t.shown = slices.Clone(t.widths)
	if t.out.columns == 0 || t.cut() {
		return true
	}
	some := slices.Clone(t.widths)
	for i, c := range t.columns {
		if c.spare {
			some[i] = 0
			copy(t.shown, some)
			if t.cut() {
				return true
			}
		}
	}
	return false
}

// cut cuts columns until they fit, and returns whether they do.
func (t *table) cut() bool {
	over := t.indent - 2 - t.out.columns
	for _, w := range t.shown {
		if w > 0 {
			over += w + 2
		}
	}
	for i, c := range t.columns {
		if c.least > 0 && over > 0 && t.shown[i] > 0 {
			less := max(min(over, t.shown[i]-max(c.least, wide(c.name))), 0)
			t.shown[i] -= less
			over -= less
		}
	}
	return over <= 0
}

func (t *table) line(row []cell) {
	line, gap := strings.Repeat(" ", t.indent), 0
	for i, c := range row {
		if t.shown[i] == 0 {
			continue
		}
		text := c.text
		if t.columns[i].least > 0 && t.out.columns > 0 {
			text = short(text, t.shown[i])
		}
		if text != "" {
			line += strings.Repeat(" ", gap) + t.out.styled(c.style, text)
			gap = 0
		}
		gap += max(t.shown[i]-wide(text), 0) + 2
	}
	t.out.printf("%s\n", line)
}

// block writes a row as lines: the first column, and beneath it the others.
func (t *table) block(row []cell) {
	indent := strings.Repeat(" ", t.indent)
	t.out.printf("%s%s\n", indent, t.out.styled(cmp.Or(row[0].style, bold), row[0].text))
	most := 0
	for _, c := range t.columns[1:] {
		most = max(most, wide(c.name))
	}
	for i, c := range row[1:] {
		if c.text != "" {
			name := strings.ToLower(t.columns[i+1].name)
			t.out.printf("%s  %s%s  %s\n", indent, t.out.styled(dim, name), strings.Repeat(" ", most-wide(name)), t.out.styled(c.style, c.text))
		}
	}
}
