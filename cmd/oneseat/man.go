package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newManCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "man FOLDER",
		Short:   "write the pages of the manual",
		Long:    "oneseat man writes the pages of the manual, one a command, into a folder that is there, for packages.",
		Example: "oneseat man /usr/local/share/man/man1",
		Hidden:  true, // it is for those who make packages
		Args:    arguments(1, 1, "name one folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return writeMan(cmd.Root(), args[0])
		},
	}
}

// writeMan writes the page of a command, and of all beneath it.
func writeMan(cmd *cobra.Command, folder string) error {
	if err := os.WriteFile(filepath.Join(folder, manName(cmd)+".1"), []byte(manPage(cmd)), 0o644); err != nil {
		return err
	}
	for _, c := range cmd.Commands() {
		if !c.Hidden {
			if err := writeMan(c, folder); err != nil {
				return err
			}
		}
	}
	return nil
}

// manName is the name of a command's page.
func manName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// manPage is the page of a command, from what its help says. It has no date, so that two
// builds of one release are the same.
func manPage(cmd *cobra.Command) string {
	var b strings.Builder
	part := func(title string) { fmt.Fprintf(&b, ".SH %s\n", title) }
	fmt.Fprintf(&b, ".TH %s 1 \"\" \"oneseat\" \"oneseat\"\n", strings.ToUpper(manText(manName(cmd))))
	b.WriteString(".nh\n.ad l\n") // a name of a file that is cut in two cannot be copied
	part("NAME")
	fmt.Fprintf(&b, "%s \\- %s\n", manText(manName(cmd)), manText(cmd.Short))
	part("SYNOPSIS")
	fmt.Fprintf(&b, ".B %s\n", manText(useLine(cmd)))
	part("DESCRIPTION")
	manLines(&b, cmd.Long)
	if subs := cmd.Commands(); len(subs) > 0 {
		part("COMMANDS")
		for _, c := range subs {
			if !c.Hidden {
				fmt.Fprintf(&b, ".TP\n.BR %s (1)\n%s\n", manText(manName(c)), manText(c.Short))
			}
		}
	}
	for _, of := range flagParts {
		title := strings.ToUpper(of.title)
		of.visit(cmd, func(f *pflag.Flag) {
			if title != "" {
				part(title)
				title = ""
			}
			value, text := flagText(f)
			fmt.Fprintf(&b, ".TP\n.B %s\n", manText(strings.TrimSpace("--"+f.Name+" "+value)))
			manLines(&b, text)
		})
	}
	if cmd.Example != "" {
		part("EXAMPLES")
		fmt.Fprintf(&b, ".nf\n%s\n.fi\n", manText(cmd.Example))
	}
	if !cmd.HasParent() {
		part("EXIT STATUS")
		fmt.Fprintf(&b, ".nf\n%s\n.fi\n", manText(strings.TrimSuffix(exitCodes, "\n")))
	} else {
		part("SEE ALSO")
		fmt.Fprintf(&b, ".BR %s (1)\n", manText(manName(cmd.Parent())))
	}
	return b.String()
}

// manLines writes a text. Lines that begin with a space stay as they are, and so do those
// of a list.
func manLines(b *strings.Builder, text string) {
	for i, line := range strings.Split(text, "\n") {
		switch {
		case line == "":
			b.WriteString(".PP\n")
			continue
		case i > 0:
			b.WriteString(".br\n")
		}
		b.WriteString(manText(line) + "\n")
	}
}

// manText is a text for roff: nothing in it is a request or an escape.
func manText(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "\n.", "\n\\&.", "\n'", "\n\\&'").Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}
