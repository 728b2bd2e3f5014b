package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
)

func newAccountsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "accounts",
		Short:   "list, limit, block and erase accounts",
		Long:    "oneseat accounts lists accounts, shows their sessions, gives them limits of their own, blocks and erases them.",
		GroupID: groupOperate,
	}
	cmd.AddCommand(newAccountsListCommand(), newAccountsShowCommand(), newAccountsLimitCommand(), newAccountsBlockCommand(), newAccountsUnblockCommand(), newAccountsForgetCommand())
	parent(cmd)
	return cmd
}

// How many accounts, or events, are read at a time. The first page is smaller, so that
// something is shown at once.
const (
	firstPage = 100
	nextPages = 500
)

func newAccountsListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list [flags]",
		Short:   "list accounts, in the order of their names",
		Long:    "oneseat accounts list lists the accounts of which anything is known, in the order of their names.",
		Example: "oneseat accounts list\noneseat accounts list --prefix team- --json",
		Args:    noArguments,
	}
	prefix := cmd.Flags().String("prefix", "", "`TEXT` only accounts whose names begin with this")
	most := cmd.Flags().Int("limit", 0, "`N` how many at most (default 0, which is all)")
	operating(cmd, new(connection), func(ctx context.Context, o *operation) error {
		t := o.out.table(0, column{name: "ACCOUNT", least: 16}, column{name: "SESSIONS"}, column{name: "OWN LIMIT"}, column{name: "LAST SEEN"}, column{name: "BLOCKED"})
		return o.accounts(ctx, *prefix, *most, func(a api.AccountState) {
			if o.json {
				o.out.json(a)
			} else {
				t.add(accountRow(a))
			}
		}, t)
	})
	return cmd
}

// accounts calls f with accounts, in the order of their names, and writes what was
// printed after each page.
func (o *operation) accounts(ctx context.Context, prefix string, most int, f func(api.AccountState), t *table) error {
	if most < 0 {
		return &usageError{fmt.Errorf("--limit: %d is less than 0", most)}
	}
	after, size := "", firstPage
	for shown := 0; ; {
		if most > 0 {
			size = min(size, most-shown)
		}
		var page api.Accounts
		if err := o.Call(ctx, api.PathAccounts, api.AccountQuery{Prefix: prefix, After: after, Limit: size}, &page); err != nil {
			return err
		}
		t.hold()
		for _, a := range page.Accounts {
			o.own(&a)
			f(a)
		}
		t.release()
		if shown += len(page.Accounts); shown == 0 && !o.json {
			o.out.lines(o.noAccounts(prefix))
		}
		if o.out.flush() != nil || page.Next == "" || most > 0 && shown >= most {
			return nil
		}
		after, size = page.Next, nextPages
	}
}

func (o *operation) noAccounts(prefix string) string {
	if prefix != "" {
		return fmt.Sprintf("There is no account in the realm %s whose name begins with %s.", word(o.Config().Realm), word(prefix))
	}
	return fmt.Sprintf("There are no accounts in the realm %s.", word(o.Config().Realm))
}

func accountRow(a api.AccountState) []cell {
	var seen time.Time
	for _, s := range a.Sessions {
		if s.LastSeen.After(seen) {
			seen = s.LastSeen
		}
	}
	limit := ""
	if a.Limits != nil {
		limit = limitWords(a.Limits)
	}
	blocked := cell{style: red}
	if a.Block != nil {
		blocked.text = "until unblocked"
		if !a.Block.Until.IsZero() {
			blocked.text = "until " + minute(a.Block.Until)
		}
	}
	return []cell{{text: plain(a.Account)}, {text: strconv.Itoa(len(a.Sessions))}, {text: limit}, {text: minute(seen)}, blocked}
}

func number(m api.Max) string {
	if m == api.Unlimited {
		return "unlimited"
	}
	return strconv.Itoa(int(m))
}

func newAccountsShowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show ACCOUNT",
		Short:   "show what is known of an account",
		Long:    "oneseat accounts show shows what is known of an account: its limits, its live sessions and streams, and how its last sessions ended.",
		Example: "oneseat accounts show ada@example.com",
		Args:    arguments(1, 1, "name one account"),
	}
	operating(cmd, new(connection), func(ctx context.Context, o *operation) error {
		a, err := o.account(ctx, o.args[0])
		if err != nil {
			return err
		}
		o.show(a)
		return nil
	})
	return cmd
}

// show writes an account.
func (o *operation) show(a api.AccountState) {
	if o.json {
		o.out.json(a)
		return
	}
	o.out.printf("%s\n", o.out.styled(bold, word(a.Account)))
	if a.Block != nil {
		text := "blocked since " + when(a.Block.Since)
		if !a.Block.Until.IsZero() {
			text += " until " + when(a.Block.Until)
		}
		if a.Block.Actor != "" {
			text += " by " + word(a.Block.Actor)
		}
		o.out.printf("%s\n", o.out.styled(red, text))
	}
	for _, l := range a.InForce {
		o.out.printf("at most %s, %s\n", boundWords(l.Of, l.Max), sourceWords(l.From))
	}
	if !a.Takeover.IsZero() {
		o.out.lines("takeover: " + when(a.Takeover) + " it was noticed that devices throw each other out in turn")
	}
	o.out.printf("\n%s\n", o.out.styled(bold, plural(len(a.Sessions), "live session")))
	o.out.sessions(2, a.Sessions)
	if len(a.Streams) > 0 {
		o.out.printf("\n%s\n", o.out.styled(bold, plural(len(a.Streams), "live stream")))
		t := o.out.table(2, column{name: "STREAM"}, column{name: "SESSION"}, column{name: "DEVICE", least: 12}, column{name: "STARTED"})
		var rows [][]cell
		for _, s := range a.Streams {
			rows = append(rows, []cell{{text: plain(s.ID)}, {text: plain(s.Session)}, {text: deviceWords(s.Device)}, {text: minute(s.Started)}})
		}
		t.add(rows...)
	}
	if len(a.Endings) > 0 {
		o.out.printf("\n%s\n", o.out.styled(bold, plural(len(a.Endings), "session")+" ended lately"))
		t := o.out.table(2, column{name: "DEVICE", least: 12}, column{name: "ENDED"}, column{name: "REASON"}, column{name: "BY", least: 12}, column{name: "SESSION", spare: true})
		var rows [][]cell
		for _, e := range a.Endings {
			rows = append(rows, []cell{{text: deviceWords(e.Device)}, {text: minute(e.At)}, {text: plain(e.Reason)}, {text: byWords(e.Actor, e.ByDevice)}, {text: plain(e.Session)}})
		}
		t.add(rows...)
	}
}

// boundWords says how many there may be of what a limit is about.
func boundWords(of string, most api.Max) string {
	thing, class := "session", of
	if on, ok := strings.CutPrefix(of, "streams"); ok {
		thing, class = "stream", strings.TrimPrefix(on, "_")
	}
	switch of {
	case "total":
		class = ""
	case "programs":
		thing, class = "program", ""
	}
	if most != 1 {
		thing += "s"
	}
	words := number(most) + " " + thing
	if class != "" {
		words += " on " + plain(class)
	}
	return words
}

// sourceWords says where a limit was set.
func sourceWords(from string) string {
	switch oneseat.Source(from) {
	case oneseat.SourceSetLimit:
		return "set for this account"
	case oneseat.SourceLimitFor:
		return "from the application"
	case oneseat.SourceConfig:
		return "as for everybody"
	}
	return plain(from)
}

func deviceWords(d api.SeenDevice) string {
	if d.Label == "" {
		return plain(d.Class)
	}
	return plain(d.Label)
}

// byWords says by whom, or on which device, something was done.
func byWords(actor string, device api.SeenDevice) string {
	if actor != "" {
		return plain(actor)
	}
	return deviceWords(device)
}

const newText = "accept an account of which nothing is known yet. Without this flag such a name is taken for a mistake"

// changed reads the account that is to be changed.
func (o *operation) changed(ctx context.Context, isNew bool) (api.AccountState, error) {
	a, err := o.account(ctx, o.args[0])
	if coded, ok := errors.AsType[*codedError](err); ok && coded.code == exitNotFound {
		if isNew {
			return a, nil
		}
		return a, &codedError{fmt.Errorf("%w. If the name is right, and the account will sign in for the first time later, write --new", coded.error), exitNotFound}
	}
	return a, err
}

// now says what was done: for programs, by the account as it is now.
func (o *operation) now(ctx context.Context, a api.AccountState, say func(now api.AccountState)) error {
	var now api.AccountState
	if err := o.Call(ctx, api.PathAccount, api.Account{Account: a.Account}, &now); err != nil {
		return err
	}
	o.own(&now)
	if o.json {
		o.out.json(now)
	} else {
		say(now)
	}
	return nil
}
