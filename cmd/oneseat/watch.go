package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/oneseat/oneseat/api"
	"github.com/oneseat/oneseat/client"
)

// How long a call waits for news, and how long is waited between calls without an
// answer.
const (
	watchWait  = 10 * time.Second
	watchBegin = 100 * time.Millisecond
	watchRetry = time.Second
)

func newSessionsWatchCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "watch [ACCOUNT]",
		Short: "show events while they happen, one a line",
		Long: `oneseat sessions watch shows what happens in a realm, or to an account, from now on, one event a line.

Ctrl-C ends it, with the exit code 0. If the server stops answering, the command says so on stderr and goes on asking. Where events may be missing, it says that on stderr too. "oneseat events" lists what happened before.`,
		Example: "oneseat sessions watch\noneseat sessions watch ada@example.com --json",
		Args:    arguments(0, 1, "name one account, or none for all"),
	}
	operating(cmd, new(connection), func(ctx context.Context, o *operation) error {
		account := ""
		if len(o.args) > 0 {
			account = o.args[0]
		}
		ctx, stop := untilClosed(ctx, o.cmd.OutOrStdout())
		defer stop()
		return o.watch(ctx, account)
	})
	return cmd
}

// watch writes events until ctx ends, or nobody reads them.
func (o *operation) watch(ctx context.Context, account string) error {
	out := o.aside()
	say := func(text string) { out.lines(inert(text)); _ = out.flush() } // without stderr it goes on
	cursor, begun, away := "", false, false
	for ctx.Err() == nil {
		wait := watchWait
		if !begun { // until the log has been read to its end
			wait = watchBegin
		}
		var a api.Changes
		err := o.Call(ctx, api.PathChanges, api.ChangesQuery{After: cursor, Wait: wait.Milliseconds()}, &a)
		switch {
		case ctx.Err() != nil:
			return nil
		case isRefusal(err): // such as of a key that was taken back
			return err
		case err != nil:
			if !away {
				say("The server gives no answer. This command goes on asking. " + lastOf(err).Error())
			}
			away = true
			select {
			case <-ctx.Done():
			case <-time.After(watchRetry):
			}
			continue
		}
		if away {
			say("There is an answer again.")
		}
		if !begun && a.Age != nil {
			begun = true
			if out.columns > 0 {
				say("Watching the realm " + word(o.Config().Realm) + ", " + plain(o.where) + ". Ctrl-C ends it.")
			}
		} else if a.Gap && begun {
			say("Events may be missing here.")
		}
		cursor, away = a.Cursor, false
		for _, e := range a.Events {
			if account != "" && e.Account != account && e.Type != "realm_ended" {
				continue
			}
			if o.json {
				o.out.json(e)
			} else {
				o.out.lines(e.At.Local().Format("15:04:05") + " " + eventWords(e))
			}
		}
		if err := o.out.flush(); err != nil {
			return nil // operating reports it, unless the reader has gone
		}
	}
	return nil
}

// isRefusal reports whether a server has answered that it will not do what it was asked,
// so that it need not be asked again.
func isRefusal(err error) bool {
	p, ok := errors.AsType[*client.Problem](err)
	return ok && p.Name() != "no-answer" && p.Name() != "outcome-unknown"
}
