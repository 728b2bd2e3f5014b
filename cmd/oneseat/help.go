package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// The text of a command is in its cobra.Command: Long, Example and the flags. A line of
// Long that begins with spaces stays as it is; other lines are filled to the width of
// the terminal. The text of a flag begins with the name of its value in backquotes.

const (
	helpWidth  = 88 // at most, and where there is no terminal
	helpColumn = 21 // in which the texts of flags begin
	helpNarrow = 60 // below, they stand on lines of their own
)

func newHelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "say what a command does, and its flags",
		Long:    `oneseat help says what a command does, as "oneseat COMMAND -h" does.`,
		Example: "oneseat help keys create",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
			if at, rest, err := cmd.Root().Find(args); err == nil && len(rest) == 0 {
				for _, c := range at.Commands() {
					if !c.Hidden {
						names = append(names, c.Name()+"\t"+c.Short)
					}
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			at := cmd.Root()
			for _, name := range args {
				next := at
				for _, c := range at.Commands() {
					if c.Name() == name {
						next = c
					}
				}
				if next == at {
					return noCommand(at, name)
				}
				at = next
			}
			writeHelp(cmd.OutOrStdout(), at)
			return nil
		},
	}
}

// help is what cobra calls when help was asked for.
func help(cmd *cobra.Command, _ []string) { writeHelp(cmd.OutOrStdout(), cmd) }

// useLine is how a command is written.
func useLine(cmd *cobra.Command) string {
	if cmd.HasAvailableSubCommands() {
		return cmd.CommandPath() + " COMMAND"
	}
	if !cmd.HasParent() {
		return cmd.Use
	}
	return cmd.Parent().CommandPath() + " " + cmd.Use
}

// writeHelp writes what a command does.
func writeHelp(w io.Writer, cmd *cobra.Command) {
	width := helpWidth
	if columns, _, ok := terminal(w); ok {
		width = max(min(columns, helpWidth), 20)
	}
	for line := range strings.SplitSeq(cmd.Long, "\n") {
		writeFilled(w, line, 0, width)
	}
	if cmd.Runnable() {
		fmt.Fprintln(w, "\nUsage:")
		writeFilled(w, useLine(cmd), 2, width)
	}
	for _, g := range append(cmd.Groups(), &cobra.Group{Title: "Other commands"}) {
		title := g.Title
		if len(cmd.Groups()) == 0 {
			title = "Commands"
		}
		for _, c := range cmd.Commands() {
			if c.GroupID != g.ID || c.Hidden {
				continue
			}
			if title != "" {
				fmt.Fprintf(w, "\n%s:\n", title)
				title = ""
			}
			writeEntry(w, c.Name(), c.Short, 15, width)
		}
	}
	writeFlags(w, cmd, width)
	if cmd.Example != "" {
		fmt.Fprintln(w, "\nExamples:")
		for line := range strings.SplitSeq(cmd.Example, "\n") {
			fmt.Fprintf(w, "  %s\n", line) // to be copied: it is not filled
		}
	}
	if !cmd.HasParent() {
		fmt.Fprintln(w, "\nExit codes:")
		for line := range strings.Lines(exitCodes) {
			code, text, _ := strings.Cut(strings.TrimSpace(line), " ")
			writeEntry(w, code, strings.TrimSpace(text), 7, width)
		}
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintln(w)
		writeFilled(w, fmt.Sprintf("\"%s COMMAND -h\" says what a command does, and its flags.", cmd.CommandPath()), 0, width)
	}
}

// flagPart is a part of the help that has flags.
type flagPart struct {
	title      string
	connection bool
}

var flagParts = []flagPart{{"Flags", false}, {"Which server or store", true}}

// visit calls f with the flags of a command that stand in a part, in the order in which
// they were written.
func (p flagPart) visit(cmd *cobra.Command, f func(*pflag.Flag)) {
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.VisitAll(func(flag *pflag.Flag) {
		if _, is := flag.Annotations[groupConnection]; !flag.Hidden && flag.Name != "help" && is == p.connection {
			f(flag)
		}
	})
}

func writeFlags(w io.Writer, cmd *cobra.Command, width int) {
	for _, part := range flagParts {
		title := "\n" + part.title + ":\n"
		part.visit(cmd, func(f *pflag.Flag) {
			fmt.Fprint(w, title)
			title = ""
			value, text := flagText(f)
			writeEntry(w, strings.TrimSpace("--"+f.Name+" "+value), text, helpColumn, width)
		})
	}
}

// flagText returns the name of a flag's value, "" if it has none, and what the flag
// means.
func flagText(f *pflag.Flag) (value, text string) {
	if rest, ok := strings.CutPrefix(f.Usage, "`"); ok {
		value, text, _ = strings.Cut(rest, "` ")
		return value, text
	}
	return "", f.Usage
}

// writeEntry writes a name, and beside or beneath it a text that begins in a column.
func writeEntry(w io.Writer, name, text string, column, width int) {
	if width < helpNarrow {
		column = 6
	}
	room := column - 2
	head := "  " + name
	for i, line := range strings.Split(text, "\n") {
		for _, part := range fill(line, width-column) {
			if i == 0 && head != "" && len(name) < room-1 {
				fmt.Fprintf(w, "%-*s%s\n", column, head, part)
				head = ""
				continue
			}
			if head != "" {
				fmt.Fprintln(w, head)
				head = ""
			}
			fmt.Fprintf(w, "%*s%s\n", column, "", part)
		}
	}
}

// writeFilled writes a line, on as many lines as the width needs. A line that begins with
// a space stays as it is.
func writeFilled(w io.Writer, line string, indent, width int) {
	if line == "" || line[0] == ' ' {
		fmt.Fprintln(w, line)
		return
	}
	for _, part := range fill(line, width-indent) {
		fmt.Fprintf(w, "%*s%s\n", indent, "", part)
	}
}

// fill cuts a text at spaces into lines of a width.
func fill(text string, width int) (lines []string) {
	line, long := "", 0
	for word := range strings.SplitSeq(text, " ") {
		n := wide(word)
		if line != "" && long+1+n > width {
			lines = append(lines, line)
			line, long = "", 0
		}
		if line != "" {
			line, long = line+" ", long+1
		}
		line, long = line+word, long+n
	}
	return append(lines, line)
}

// terminal returns the size of the terminal that w is, if it is one.
func terminal(w io.Writer) (columns, rows int, ok bool) {
	f, is := w.(*os.File)
	if !is || !term.IsTerminal(int(f.Fd())) {
		return 0, 0, false
	}
	columns, rows, err := term.GetSize(int(f.Fd()))
	return columns, rows, err == nil && columns > 0
}
