package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/oneseat/oneseat/api"
)

// operation is one run of a command that looks after accounts.
type operation struct {
	*connected
	cmd  *cobra.Command
	args []string
	out  *printer
	json bool
	yes  bool

	actor string
}

// operating has a command connect, and then act.
func operating(cmd *cobra.Command, c *connection, act func(ctx context.Context, o *operation) error) {
	asJSON := cmd.Flags().Bool("json", false, "print one JSON object a line, with the names of the API, for programs")
	c.flags(cmd.Flags())
	completes(cmd, "store", stores[:4]...)
	completes(cmd, "url", "https://", "unix:")
	_ = cmd.RegisterFlagCompletionFunc("profile", profileNames) // it is there
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		at, err := c.open(cmd.Context(), cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, at.close()) }()
		o := &operation{connected: at, cmd: cmd, args: args, out: newPrinter(cmd.OutOrStdout()), json: *asJSON}
		o.actor, _ = cmd.Flags().GetString("actor") // not every command has it
		o.yes, _ = cmd.Flags().GetBool("yes")
		if err := act(cmd.Context(), o); err != nil {
			return errors.Join(c.said(err), quiet(o.out.flush()))
		}
		return quiet(o.out.flush())
	}
}

// quiet returns nil for an output that its reader has closed, as head does.
func quiet(err error) error {
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe) {
		return nil
	}
	return err
}

// changing gives a command what one needs that changes something.
func changing(cmd *cobra.Command, asks bool) {
	if asks {
		cmd.Flags().Bool("yes", false, "do it without asking. A script needs this flag: without a terminal to ask on, nothing is done")
	}
	cmd.Flags().String("actor", loginName(), "`NAME` who does it, for the events (default: your login name)")
}

// arguments checks how many arguments there are.
func arguments(least, most int, want string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < least || most >= 0 && len(args) > most {
			return &usageError{errors.New(want)}
		}
		return nil
	}
}

// confirm asks a question, after what it is about was said on stderr. It returns an
// error unless the answer is yes.
func (o *operation) confirm(question string) error {
	if o.yes {
		return nil
	}
	said, err := o.ask(question+" [y/N] ", "--yes: there is no terminal to ask on, so nothing was done. With --yes it is done without a question")
	if err != nil {
		return err
	}
	if a := strings.ToLower(said); a != "y" && a != "yes" {
		return errNo
	}
	return nil
}

var errNo = &codedError{errors.New("nothing was done"), exitUsage}

// ask asks on the terminal. Without one its error says what to set.
func (o *operation) ask(question, without string) (string, error) {
	in, is := o.cmd.InOrStdin().(*os.File)
	if _, _, ok := terminal(o.cmd.ErrOrStderr()); !ok || !is || !term.IsTerminal(int(in.Fd())) {
		return "", &usageError{errors.New(without)}
	}
	fmt.Fprint(o.cmd.ErrOrStderr(), question)
	line := make(chan string, 1)
	go func() { // ends with the line, or with the process
		text, err := bufio.NewReader(in).ReadString('\n')
		if err != nil { // the end of the input is no yes
			fmt.Fprintln(o.cmd.ErrOrStderr())
		}
		line <- strings.TrimSpace(text)
	}()
	select {
	case text := <-line:
		return text, nil
	case <-o.cmd.Context().Done():
		fmt.Fprintln(o.cmd.ErrOrStderr())
		return "", o.cmd.Context().Err()
	}
}

// aside writes for people on stderr, beside what stdout has for programs.
func (o *operation) aside() *printer { return newPrinter(o.cmd.ErrOrStderr()) }

// account reads an account. It returns an error if nothing is known of it.
func (o *operation) account(ctx context.Context, name string) (a api.AccountState, err error) {
	if err = o.Call(ctx, api.PathAccount, api.Account{Account: name}, &a); err != nil {
		return a, err
	}
	o.own(&a)
	if isUnknown(a) {
		return a, &codedError{fmt.Errorf("nothing is known of an account %s in the realm %s", word(name), word(o.Config().Realm)), exitNotFound}
	}
	return a, nil
}

// own takes out of an account what is not known on a store: what the site allows.
func (o *operation) own(a *api.AccountState) {
	if !o.isStore {
		return
	}
	var known []api.InForce
	for _, l := range a.InForce {
		if l.From == "SetLimit" {
			known = append(known, l)
		}
	}
	a.InForce = known
}

// isUnknown reports whether nothing is known of an account.
func isUnknown(a api.AccountState) bool {
	return len(a.Sessions)+len(a.Streams)+len(a.Endings) == 0 && a.Limits == nil && a.Block == nil && a.Takeover.IsZero()
}

// plural is a number of things.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
