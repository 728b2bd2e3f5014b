package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/oneseat/oneseat/api"
)

func newAccountsForgetCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "forget ACCOUNT [flags]",
		Short: "erase what is known of an account",
		Long: "oneseat accounts forget ends all sessions of an account, and then erases what is known of the account: its endings, its limits, a block, " +
			"and its events. The command shows the live sessions and asks first. This cannot be undone, and a blocked account may sign in again after it. " +
			"So delete the account in the application first. An account of which only events are left is erased too.",
		Example: "oneseat accounts forget ada@example.com\noneseat accounts forget ada@example.com --yes",
		Args:    arguments(1, 1, "name one account"),
	}
	changing(cmd, true)
	operating(cmd, new(connection), func(ctx context.Context, o *operation) error {
		a, err := o.account(ctx, o.args[0])
		if coded, ok := errors.AsType[*codedError](err); ok && coded.code == exitNotFound {
			a.Account = o.args[0]
			events, found := o.Events(ctx, api.EventQuery{Account: a.Account, Limit: 1})
			if found != nil {
				return found
			}
			if len(events.Events) > 0 {
				err = nil
			}
		}
		if err != nil {
			return err
		}
		out := o.aside()
		if !o.yes {
			if len(a.Sessions) > 0 {
				out.lines(fmt.Sprintf("%s of %s in the realm %s (%s) will end:", plural(len(a.Sessions), "session"), word(a.Account), word(o.Config().Realm), plain(o.where)))
				out.sessions(2, a.Sessions)
			}
			if a.Block != nil {
				out.lines(word(a.Account) + " is blocked. The block will be erased too.")
			}
		}
		if err := errors.Join(quiet(out.flush()), o.confirm("Erase what is known of "+word(a.Account)+"?")); err != nil {
			return err
		}
		if err := o.Forget(ctx, a.Account); err != nil {
			return err
		}
		return o.now(ctx, a, func(api.AccountState) {
			o.out.lines(fmt.Sprintf("What was known of %s is erased. %s ended.", word(a.Account), plural(len(a.Sessions), "session")))
		})
	})
	return cmd
}
