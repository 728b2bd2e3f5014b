package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
)

func newExplainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "explain ACCOUNT [flags]",
		Short:   "say what would happen at a sign-in now, and why",
		Long:    "oneseat explain says what would happen if an account signed in now, and why: whether it would be let in, and which session would end. It changes nothing.",
		Example: "oneseat explain ada@example.com\noneseat explain ada@example.com --class tv\noneseat explain ada@example.com --store sqlite:oneseat.db --policy ask",
		Args:    arguments(1, 1, "name one account"),
		GroupID: groupOperate,
	}
	class := cmd.Flags().String("class", "", "`CLASS` the class of device that would sign in: desktop, mobile, tablet, tv, api or other (default other)")
	takeOver := cmd.Flags().Bool("take-over", false, "as if the application had fresh proof that this is the account's owner (take_over): under every policy an older session then ends")
	limit := cmd.Flags().String("limit", "1", "`N` with --store: the limit of the site, which a store does not know (default 1)")
	policy := cmd.Flags().String("policy", string(oneseat.PolicyDisplace), "`POLICY` with --store: the policy of the site: displace (default), refuse or ask")
	completes(cmd, "class", classNames()...)
	completes(cmd, "policy", policies...)
	c := new(connection)
	operating(cmd, c, func(ctx context.Context, o *operation) error {
		in := api.SignIn{Account: o.args[0], Device: api.Device{Class: *class}, TakeOver: *takeOver}
		var e api.Explained
		if err := o.Call(ctx, api.PathExplain, in, &e); err != nil {
			return err
		}
		if o.json {
			o.out.json(e)
			return nil
		}
		var a api.AccountState
		if err := o.Call(ctx, api.PathAccount, api.Account{Account: o.args[0]}, &a); err != nil {
			return err
		}
		o.explain(a, e)
		return nil
	})
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) (err error) {
		if *class != "" && !slices.Contains(classNames(), *class) {
			return &usageError{fmt.Errorf("--class: %q is no class of device%s. There are %s", *class, didYouMean(*class, classNames(), ""), strings.Join(classNames(), ", "))}
		}
		if c.policy, err = policyFlag(*policy); err != nil {
			return &usageError{err}
		}
		if c.limit, err = limitFlag(*limit); err != nil {
			return &usageError{err}
		}
		c.rules = cmd.Flags().Changed("limit") || cmd.Flags().Changed("policy")
		return nil
	}
	return cmd
}

// explain says what a sign-in would lead to.
func (o *operation) explain(a api.AccountState, e api.Explained) {
	who := word(a.Account)
	switch oneseat.Outcome(e.Outcome) {
	case oneseat.OutcomeAdmitted:
		o.out.lines(who + " would be let in.")
	case oneseat.OutcomeRefused:
		o.out.lines(who + " would be refused, because the account is full.")
	case oneseat.OutcomeAsked:
		o.out.lines(who + " would be asked which session is to end, because the account is full.")
	case oneseat.OutcomeBlocked:
		o.out.lines(who + " would be refused, because the account is blocked.")
	default:
		o.out.lines(who + ": " + plain(e.Outcome))
	}
	if isUnknown(a) {
		o.out.lines("Nothing is known of this account yet.")
	}
	if e.Observed {
		o.out.lines("The realm only observes: everybody is let in, and no session has to go.")
	}
	if e.Full != "" {
		source := sourceWords(e.From)
		if o.isStore && oneseat.Source(e.From) == oneseat.SourceConfig { // which a store does not know
			source = "as --limit says"
		}
		o.out.lines(fmt.Sprintf("The limit that decides: %s, %s.", boundWords(e.Full, api.Max(e.Limit)), source))
	}
	var goes []api.Session
	for _, s := range a.Sessions {
		if slices.Contains(e.Displaces, s.ID) {
			goes = append(goes, s)
		}
	}
	if len(e.Displaces) > 0 {
		o.out.printf("\n%s\n", o.out.styled(bold, plural(len(e.Displaces), "session")+" would end"))
		o.out.sessions(2, goes)
	}
}
