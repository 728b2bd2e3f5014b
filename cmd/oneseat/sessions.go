package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
)

func newSessionsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "sessions",
		Short:   "list, end and watch sessions",
		Long:    "oneseat sessions lists live sessions, ends them, and shows what happens to them while it happens.",
		GroupID: groupOperate,
	}
	cmd.AddCommand(newSessionsListCommand(), newSessionsEndCommand(), newSessionsWatchCommand())
	parent(cmd)
	return cmd
}

func newSessionsListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list [ACCOUNT]",
		Short:   "list live sessions",
		Long:    "oneseat sessions list lists the live sessions of an account, the newest first. Without an account it lists those of all accounts, in the order of the accounts' names.",
		Example: "oneseat sessions list ada@example.com\noneseat sessions list --json",
		Args:    arguments(0, 1, "name one account, or none for all"),
	}
	operating(cmd, new(connection), func(ctx context.Context, o *operation) error {
		if len(o.args) == 0 {
			t := o.out.sessionColumns(0, true)
			accounts, live := 0, 0
			err := o.accounts(ctx, "", 0, func(a api.AccountState) {
				accounts, live = accounts+1, live+len(a.Sessions)
				for _, s := range a.Sessions {
					o.session(t, s, true)
				}
			}, t)
			if err == nil && accounts > 0 && live == 0 && !o.json {
				o.out.lines(fmt.Sprintf("No session is live in the realm %s.", word(o.Config().Realm)))
			}
			return err
		}
		a, err := o.account(ctx, o.args[0])
		if err != nil {
			return err
		}
		if len(a.Sessions) == 0 && !o.json {
			o.out.lines(word(a.Account) + " has no live session.")
		}
		t := o.out.sessionColumns(0, false)
		t.hold()
		for _, s := range a.Sessions {
			o.session(t, s, false)
		}
		t.release()
		return nil
	})
	return cmd
}

// session writes a session, as a row or for programs.
func (o *operation) session(t *table, s api.Session, named bool) {
	if o.json {
		o.out.json(s)
		return
	}
	t.add(sessionRow(s, named))
}

// sessionColumns begins a table of sessions. named: of several accounts.
func (p *printer) sessionColumns(indent int, named bool) *table {
	columns := []column{{name: "SESSION"}, {name: "DEVICE", least: 12}, {name: "NETWORK", spare: true}, {name: "SIGNED IN", spare: true}, {name: "LAST SEEN"}}
	if named {
		columns = slices.Insert(columns, 0, column{name: "ACCOUNT", least: 16})
	}
	return p.table(indent, columns...)
}

func sessionRow(s api.Session, named bool) []cell {
	device := deviceWords(s.Device)
	if s.Program {
		device = strings.TrimSpace(device + " (program)")
	}
	row := []cell{{text: plain(s.ID)}, {text: device}, {text: plain(s.Device.IP)}, {text: minute(s.Created)}, {text: minute(s.LastSeen)}}
	if named {
		row = slices.Insert(row, 0, cell{text: plain(s.Account)})
	}
	return row
}

// sessions writes a table of sessions.
func (p *printer) sessions(indent int, sessions []api.Session) {
	var rows [][]cell
	for _, s := range sessions {
		rows = append(rows, sessionRow(s, false))
	}
	p.sessionColumns(indent, false).add(rows...)
}

// endFlags say which sessions end, and why.
type endFlags struct {
	all           bool
	except, class string
	reason        string
}

func newSessionsEndCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "end ACCOUNT {SESSION... | --all | --except SESSION | --class CLASS}",
		Short:   "end sessions of an account",
		Long:    `oneseat sessions end ends live sessions of an account. The command shows them and asks first. SESSION is the ID of a session, which "oneseat sessions list ACCOUNT" shows.`,
		Example: "oneseat sessions end ada@example.com HOZ3IDWZG6DTTMQRTQMZCQ2QYK\noneseat sessions end ada@example.com --all --reason credentials_changed --yes",
		Args:    arguments(1, -1, "name one account, and which of its sessions end"),
	}
	var f endFlags
	set := cmd.Flags()
	set.BoolVar(&f.all, "all", false, "end all of them")
	set.StringVar(&f.except, "except", "", "`SESSION` end all but this one, which has to be live")
	set.StringVar(&f.class, "class", "", "`CLASS` end those on one class of device: desktop, mobile, tablet, tv, api or other")
	set.StringVar(&f.reason, "reason", string(oneseat.ReasonRevoked), "`REASON` the reason that the person is told: revoked (default), credentials_changed or signed_out")
	changing(cmd, true)
	completes(cmd, "class", classNames()...)
	completes(cmd, "reason", reasons...)
	operating(cmd, new(connection), func(ctx context.Context, o *operation) error {
		if err := f.check(o.args[1:]); err != nil {
			return &usageError{err}
		}
		a, err := o.account(ctx, o.args[0])
		if err != nil {
			return err
		}
		goes, err := f.of(a, o.args[1:])
		if err != nil {
			return err
		}
		if len(goes) == 0 {
			return o.ended(a, 0)
		}
		out := o.aside()
		if !o.yes {
			out.lines(fmt.Sprintf("%s of %s in the realm %s (%s) will end:", plural(len(goes), "session"), word(a.Account), word(o.Config().Realm), plain(o.where)))
			out.sessions(2, goes)
		}
		if err := errors.Join(quiet(out.flush()), o.confirm("Go on?")); err != nil {
			return err
		}
		n, err := o.end(ctx, a.Account, f, o.args[1:])
		if err != nil {
			return err
		}
		return o.ended(a, n)
	})
	return cmd
}

var reasons = []string{string(oneseat.ReasonRevoked), string(oneseat.ReasonCredentialsChanged), string(oneseat.ReasonSignedOut)}

func (f endFlags) check(ids []string) error {
	n := 0
	for _, is := range []bool{len(ids) > 0, f.all, f.except != "", f.class != ""} {
		if is {
			n++
		}
	}
	switch {
	case n != 1:
		return errors.New("say which sessions end: their IDs, or one of --all, --except and --class")
	case f.class != "" && !slices.Contains(classNames(), f.class):
		return fmt.Errorf("--class: %q is none of %s", f.class, strings.Join(classNames(), ", "))
	case !slices.Contains(reasons, f.reason):
		return fmt.Errorf("--reason: %q is none of %s", f.reason, strings.Join(reasons, ", "))
	}
	return nil
}

// of returns the live sessions that are meant. A session that is named has to be live.
func (f endFlags) of(a api.AccountState, ids []string) (goes []api.Session, err error) {
	named := ids
	if f.except != "" {
		named = []string{f.except}
	}
	for _, id := range named {
		if !slices.ContainsFunc(a.Sessions, func(s api.Session) bool { return s.ID == id }) {
			return nil, &codedError{fmt.Errorf("%s has no live session %s", word(a.Account), word(id)), exitNotFound}
		}
	}
	for _, s := range a.Sessions {
		if f.all || slices.Contains(ids, s.ID) || f.except != "" && s.ID != f.except || f.class != "" && s.Device.Class == f.class {
			goes = append(goes, s)
		}
	}
	return goes, nil
}

func (o *operation) end(ctx context.Context, account string, f endFlags, ids []string) (int, error) {
	how := oneseat.EndOptions{Reason: oneseat.Reason(f.reason), Actor: o.actor}
	switch {
	case f.all:
		return o.EndAll(ctx, account, how)
	case f.except != "":
		return o.EndOthers(ctx, account, oneseat.SessionID(f.except), how)
	case f.class != "":
		return o.EndClass(ctx, account, oneseat.Class(f.class), how)
	}
	var all []oneseat.SessionID
	for _, id := range ids {
		all = append(all, oneseat.SessionID(id))
	}
	return o.End(ctx, account, how, all...)
}

// ended says how many sessions have ended.
func (o *operation) ended(a api.AccountState, n int) error {
	switch {
	case o.json:
		o.out.json(api.Ended{Ended: n})
	case n == 0:
		such := "such "
		if len(a.Sessions) == 0 {
			such = ""
		}
		o.out.lines(fmt.Sprintf("%s has no %slive session, so none ended.", word(a.Account), such))
	default:
		o.out.lines(fmt.Sprintf("%s of %s ended.", plural(n, "session"), word(a.Account)))
	}
	return nil
}
