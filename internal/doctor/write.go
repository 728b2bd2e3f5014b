package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Style is how a report looks.
type Style struct {
	Width int  // of a line; at least 40
	UTF8  bool // the terminal shows it
	Color bool
}

// marks are the signs before a check.
type marks struct{ fine, problem, warning, note, not string }

func (s Style) marks() marks {
	if s.UTF8 {
		return marks{"✓", "✗", "!", "·", "–"}
	}
	return marks{"ok", "x", "!", ".", "-"}
}

// of returns the mark of a severity, and its colour.
func (m marks) of(s Severity) (mark, color string) {
	switch s {
	case Problem:
		return m.problem, "31"
	case Warning:
		return m.warning, "33"
	default:
		return m.note, "36"
	}
}

// mark returns the sign of a result, in its colour and as wide as the widest.
func (s Style) mark(r Result) string {
	m := s.marks()
	sign, color := m.fine, "32"
	switch {
	case len(r.Findings) > 0:
		sign, color = m.of(r.worst())
	case r.NotChecked != "":
		sign, color = m.not, "2"
	}
	return s.paint(color, sign) + strings.Repeat(" ", utf8.RuneCountInString(m.fine)-utf8.RuneCountInString(sign))
}

func (s Style) paint(color, text string) string {
	if !s.Color {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// worst is the highest severity of a result's findings.
func (r Result) worst() Severity {
	worst := Note
	for _, f := range r.Findings {
		if f.Severity == Problem || f.Severity == Warning && worst == Note {
			worst = f.Severity
		}
	}
	return worst
}

// Write writes the report for people: what was checked, and then what was found.
func (r Report) Write(w io.Writer, s Style) error {
	var b strings.Builder
	s.Width = max(s.Width, 40)
	column := 0
	for _, c := range Checks() {
		column = max(column, len(c.Name))
	}
	of := ""
	for i, one := range r.Results {
		if one.Of != of {
			of = one.Of
			if i > 0 {
				b.WriteByte('\n')
			}
			fmt.Fprintln(&b, of)
		}
		text := one.Said
		switch {
		case len(one.Findings) > 0:
			text = "see below"
		case one.NotChecked != "":
			text = "not checked: " + one.NotChecked
		}
		first := fmt.Sprintf("  %s %-*s", s.mark(one), column, one.Check)
		indent := 2 + utf8.RuneCountInString(s.marks().fine) + 1 + column + 2
		s.fill(&b, first, indent, text)
	}
	b.WriteByte('\n')
	s.fill(&b, "", 0, r.summary())
	for _, one := range r.Results {
		for _, f := range one.Findings {
			mark, color := s.marks().of(f.Severity)
			fmt.Fprintf(&b, "\n%s %s\n", s.paint(color, mark+" "+one.Check), one.Of)
			s.fill(&b, "  what ", 8, f.What)
			s.fill(&b, "  means", 8, f.Means)
			s.fill(&b, "  cure ", 8, f.Cure)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// fill writes a text whose lines begin in a column, the first of them behind a beginning.
func (s Style) fill(b *strings.Builder, first string, column int, text string) {
	if text == "" {
		fmt.Fprintln(b, strings.TrimRight(first, " "))
		return
	}
	b.WriteString(first)
	at, begun := column, false
	b.WriteString(strings.Repeat(" ", max(0, column-visible(first))))
	for word := range strings.FieldsSeq(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case !begun:
		case at+1+n > s.Width:
			b.WriteString("\n" + strings.Repeat(" ", column))
			at = column
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at, begun = at+n, true
	}
	b.WriteByte('\n')
}

// visible is how many columns a text takes, without its colours.
func visible(text string) int {
	n := utf8.RuneCountInString(text)
	for {
		i := strings.IndexByte(text, '\x1b')
		if i < 0 {
			return n
		}
		end := strings.IndexByte(text[i:], 'm')
		n, text = n-end-1, text[i+end+1:]
	}
}

// summary is how many findings there are, in a line.
func (r Report) summary() string {
	var parts []string
	for _, s := range []Severity{Problem, Warning, Note} {
		switch n := r.Count(s); n {
		case 0:
		case 1:
			parts = append(parts, "1 "+string(s))
		default:
			parts = append(parts, fmt.Sprintf("%d %ss", n, s))
		}
	}
	not := 0
	for _, one := range r.Results {
		if one.NotChecked != "" && len(one.Findings) == 0 {
			not++
		}
	}
	text := "Nothing is wrong"
	if len(parts) > 0 {
		text = strings.Join(parts, ", ")
	}
	if not > 0 {
		text += fmt.Sprintf("; %d not checked", not)
	}
	return text + "."
}

// Wrong reports whether something is wrong; with strict, a warning too.
func (r Report) Wrong(strict bool) bool {
	return r.Count(Problem) > 0 || strict && r.Count(Warning) > 0
}

// WriteJSON writes the report for programs, on one line.
func (r Report) WriteJSON(w io.Writer) error {
	type result struct {
		Result
		State string `json:"state"`
	}
	out := struct {
		Problems int      `json:"problems"`
		Warnings int      `json:"warnings"`
		Notes    int      `json:"notes"`
		Results  []result `json:"results"`
	}{r.Count(Problem), r.Count(Warning), r.Count(Note), make([]result, 0, len(r.Results))}
	for _, one := range r.Results {
		state := "fine"
		switch {
		case len(one.Findings) > 0:
			state = "found"
		case one.NotChecked != "":
			state = "not_checked"
		}
		out.Results = append(out.Results, result{one, state})
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(out)
}
