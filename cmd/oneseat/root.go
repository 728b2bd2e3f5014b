package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Exit codes.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2   // the command line is wrong, or nobody said yes: nothing was done
	exitNotFound    = 3   // no such account, session or realm
	exitNoAnswer    = 4   // the server or the store gave none
	exitInterrupted = 130 // Ctrl-C, as a shell says it
)

// usageError is an error in a command line.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

// codedError is an error with an exit code of its own.
type codedError struct {
	error
	code int
}

func (e *codedError) Unwrap() error { return e.error }

// The groups of commands in the help.
const (
	groupRun     = "run"
	groupOperate = "operate"
)

const rootLong = "oneseat keeps an account to one live session."

// exitCodes says what there are, in the help.
const exitCodes = `0    it was done
1    it failed
2    the command line is wrong, or nobody said yes: nothing was done
3    there is no such account, session or realm
4    the server or the store gave no answer
130  Ctrl-C ended it
`

// run is the program. It does what args ask for, until that is done or ctx ends, and
// returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	return tell(ctx, cmd, err, stderr)
}

// newRoot makes the tree of all commands.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "oneseat",
		Short: "keeps an account to one live session",
		Long:  rootLong,

		SilenceErrors: true, // tell says them
		SilenceUsage:  true,
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetHelpFunc(help)
	root.SetFlagErrorFunc(flagError)
	root.AddGroup(&cobra.Group{ID: groupRun, Title: "Run it"}, &cobra.Group{ID: groupOperate, Title: "Look after accounts"})
	root.AddCommand(newServeCommand(), newDemoCommand(), newKeysCommand(), newDoctorCommand(), newHealthcheckCommand(),
		newAccountsCommand(), newSessionsCommand(), newEventsCommand(), newEndRealmCommand(), newExplainCommand(),
		newCompletionCommand(), newManCommand(), newVersionCommand())
	root.SetHelpCommand(newHelpCommand())
	parent(root)
	return root
}

// parent makes a command one that only has others beneath it.
func parent(cmd *cobra.Command) {
	cmd.Args = cobra.ArbitraryArgs
	cmd.DisableFlagParsing = true // what follows is the name of a command, or wrong
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			writeHelp(cmd.ErrOrStderr(), cmd)
			return &codedError{nil, exitUsage}
		}
		switch arg := args[0]; {
		case arg == "-h" || arg == "-help" || arg == "--help":
			return cmd.Help()
		case !cmd.HasParent() && (arg == "-version" || arg == "--version"):
			return printVersion(cmd, args[1:])
		case strings.HasPrefix(arg, "-"):
			return &usageError{fmt.Errorf("begin with a command: %q is a flag", arg)}
		default:
			return noCommand(cmd, arg)
		}
	}
}

// noCommand is the error of a name that no command beneath another one has.
func noCommand(parent *cobra.Command, name string) error {
	var names []string
	for _, c := range parent.Commands() {
		if !c.Hidden {
			names = append(names, c.Name())
		}
	}
	return &usageError{fmt.Errorf("there is no command %q%s", name, didYouMean(name, names, ""))}
}

// flagError says what is wrong with a flag.
func flagError(cmd *cobra.Command, err error) error {
	if no, ok := errors.AsType[*pflag.NotExistError](err); ok {
		name, dashes := no.GetSpecifiedName(), "--"
		if letters := no.GetSpecifiedShortnames(); letters != "" {
			name, dashes = letters, "-"
		}
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		err = fmt.Errorf("there is no flag %s%s%s", dashes, name, didYouMean(strings.Split(name, "=")[0], names, "--"))
	}
	if no, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		err = fmt.Errorf("--%s: %q: %w", no.GetFlag().Name, no.GetValue(), no.Unwrap())
	}
	return &usageError{err}
}

// noArguments is for commands that take flags only.
func noArguments(_ *cobra.Command, args []string) error {
	var errs []error
	for _, arg := range args {
		errs = append(errs, fmt.Errorf("%q is not a flag, and this command takes nothing else", redacted(arg))) // it may be a store, whose flag was forgotten
	}
	if len(errs) == 0 {
		return nil
	}
	return &usageError{errors.Join(errs...)}
}

// tell says an error to people, and returns its exit code.
func tell(ctx context.Context, cmd *cobra.Command, err error, stderr io.Writer) int {
	coded, hasCode := errors.AsType[*codedError](err)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return exitInterrupted
	}
	if !hasCode || coded.error != nil {
		for line := range strings.Lines(err.Error()) {
			fmt.Fprintf(stderr, "%s: %s\n", cmd.CommandPath(), inert(strings.TrimPrefix(strings.TrimSpace(line), "oneseat: ")))
		}
	}
	if _, wrong := errors.AsType[*usageError](err); wrong {
		fmt.Fprintf(stderr, "Usage: %s\nSee \"%s -h\".\n", useLine(cmd), cmd.CommandPath())
		return exitUsage
	}
	if hasCode {
		return coded.code
	}
	return exitFailed
}

// didYouMean is a question about the name that is nearest to a word, or "".
func didYouMean(word string, names []string, dashes string) string {
	best, least := "", max(2, len(word)/3)+1
	for _, name := range names {
		d := distance(word, name)
		if len(word) > 2 && strings.HasPrefix(name, word) {
			d = 1
		}
		if d < least && d < len(word) {
			best, least = name, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %s%s?", dashes, best)
}

// distance is how many letters have to be put in, left out, changed or swapped with the
// next one to make one word of another.
func distance(a, b string) int {
	two, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			same := 1
			if a[i] == b[j] {
				same = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+same)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], two[j-1]+1)
			}
		}
		two, last = last, row
	}
	return last[len(b)]
}
