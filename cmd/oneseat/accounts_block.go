package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
)

func newAccountsBlockCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "block ACCOUNT [flags]",
		Short:   "end an account's sessions and keep it out",
		Long:    "oneseat accounts block ends all sessions of an account and keeps it out, until a time or until it is unblocked. The command shows the live sessions and asks first.",
		Example: "oneseat accounts block ada@example.com\noneseat accounts block ada@example.com --for 24h --yes\noneseat accounts block ada@example.com --until '2031-03-01 08:00'",
		Args:    arguments(1, 1, "name one account"),
	}
	lasts := cmd.Flags().Duration("for", 0, "`DURATION` how long, in hours and minutes, such as 24h or 1h30m (default: until it is unblocked)")
	until := cmd.Flags().String("until", "", "`TIME` until when, such as '2031-03-01 08:00' in the local zone, or 2031-03-01T08:00:00Z")
	isNew := cmd.Flags().Bool("new", false, newText)
	changing(cmd, true)
	operating(cmd, new(connection), func(ctx context.Context, o *operation) error {
		end, err := endOf(*lasts, *until, cmd.Flags().Changed("for"), o.Config().Clock)
		if err != nil {
			return &usageError{err}
		}
		a, err := o.changed(ctx, *isNew)
		if err != nil {
			return err
		}
		out := o.aside()
		if len(a.Sessions) > 0 && !o.yes {
			out.lines(fmt.Sprintf("%s of %s in the realm %s (%s) will end:", plural(len(a.Sessions), "session"), word(a.Account), word(o.Config().Realm), plain(o.where)))
			out.sessions(2, a.Sessions)
		}
		if err := errors.Join(quiet(out.flush()), o.confirm("Block "+word(a.Account)+untilWords(end)+"?")); err != nil {
			return err
		}
		if err := o.Block(ctx, a.Account, end, o.actor); err != nil {
			if _, past := errors.AsType[*oneseat.TimeError](err); past { // by the store's clock
				err = &usageError{err}
			}
			return err
		}
		return o.now(ctx, a, func(api.AccountState) {
			o.out.lines(fmt.Sprintf("%s is blocked%s. %s ended.", word(a.Account), untilWords(end), plural(len(a.Sessions), "session")))
		})
	})
	return cmd
}

func untilWords(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " until " + when(t)
}

// endOf returns when a block ends; zero: when it is lifted.
func endOf(lasts time.Duration, until string, hasFor bool, clock func() (time.Time, time.Duration)) (time.Time, error) {
	switch {
	case hasFor && until != "":
		return time.Time{}, errors.New("--for, --until: name one of them")
	case hasFor && lasts <= 0:
		return time.Time{}, fmt.Errorf("--for: %v is not more than 0", lasts)
	case hasFor:
		now, _ := clock()
		return now.Add(lasts), nil
	case until == "":
		return time.Time{}, nil
	}
	for _, form := range []string{time.RFC3339, "2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02"} {
		if t, err := time.ParseInLocation(form, until, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("--until: %q is no time such as '2031-03-01 08:00' or 2031-03-01T08:00:00Z", until)
}

func newAccountsUnblockCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "unblock ACCOUNT",
		Short:   "let a blocked account sign in again",
		Long:    "oneseat accounts unblock lets a blocked account sign in again. If the account is not blocked, the command says so and changes nothing.",
		Example: "oneseat accounts unblock ada@example.com",
		Args:    arguments(1, 1, "name one account"),
	}
	changing(cmd, false)
	operating(cmd, new(connection), func(ctx context.Context, o *operation) error {
		a, err := o.account(ctx, o.args[0])
		if err != nil {
			return err
		}
		if err := o.Unblock(ctx, a.Account, o.actor); err != nil {
			return err
		}
		return o.now(ctx, a, func(api.AccountState) {
			if a.Block == nil {
				o.out.lines(word(a.Account) + " was not blocked.")
				return
			}
			o.out.lines(word(a.Account) + " may sign in again.")
		})
	})
	return cmd
}
