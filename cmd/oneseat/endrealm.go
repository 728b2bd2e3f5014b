package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
)

func newEndRealmCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "end-realm [REALM] [flags]",
		Short: "end every session of every account",
		Long: `oneseat end-realm ends every session of every account of a realm (the accounts of one site) at once. Everybody has to sign in again. It is for the time after a restore from a backup, after a failover that lost its last moment, or when a key of the API leaked.

The command asks you to type the name of the realm. A script writes it as REALM, together with --yes.`,
		Example: "oneseat end-realm\noneseat end-realm default --yes\noneseat end-realm --store sqlite:oneseat.db default --yes",
		Args:    arguments(0, 1, "name one realm"),
		GroupID: groupOperate,
	}
	changing(cmd, true)
	c := new(connection)
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if yes, _ := cmd.Flags().GetBool("yes"); yes && len(args) == 0 {
			return &usageError{errors.New("--yes: write the name of the realm too")}
		}
		if len(args) > 0 {
			if c.realm != "" && c.realm != args[0] {
				return &usageError{fmt.Errorf("--realm: %q is not %q: leave it out", c.realm, args[0])}
			}
			c.typed = args[0]
		}
		return nil
	}
	operating(cmd, c, func(ctx context.Context, o *operation) error {
		realm := o.Config().Realm
		if err := o.hasRealm(ctx); err != nil {
			return err
		}
		if len(o.args) > 0 && o.args[0] != realm {
			return &usageError{fmt.Errorf("the realm of %s is %s and not %s: nothing was done", plain(o.where), word(realm), word(o.args[0]))}
		}
		if !o.yes {
			out := o.aside()
			out.lines(fmt.Sprintf("Every session of every account of the realm %s (%s) will end. Everybody has to sign in again.", word(realm), plain(o.where)))
			if err := quiet(out.flush()); err != nil {
				return err
			}
			said, err := o.ask("Type the name of the realm to go on: ", "--yes: there is no terminal to ask on, so nothing was done. Write the name of the realm, and --yes")
			if err != nil {
				return err
			}
			if said != realm {
				return errNo
			}
		}
		if err := o.EndRealm(ctx, o.actor); err != nil {
			return err
		}
		if o.json {
			o.out.json(api.EndRealm{Realm: realm, Actor: o.actor})
		} else {
			o.out.lines(fmt.Sprintf("Every session of the realm %s has ended.", word(realm)))
		}
		return nil
	})
	return cmd
}

// hasRealm returns an error if nothing is known of the realm: then its name is a mistake.
func (o *operation) hasRealm(ctx context.Context) error {
	accounts, err := o.Accounts(ctx, oneseat.AccountQuery{Limit: 1})
	if err != nil || len(accounts) > 0 {
		return err
	}
	events, err := o.Events(ctx, api.EventQuery{Limit: 1})
	if err != nil || len(events.Events) > 0 || !o.isStore {
		return err
	}
	return &codedError{fmt.Errorf("the store has no realm %s: nothing was done", word(o.Config().Realm)), exitNotFound}
}
