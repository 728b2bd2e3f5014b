// Command adminapp is for the support of firstapp: it lists accounts, ends sessions,
// blocks accounts, and prints what happened to them. It works beside the running
// site, on the same file.
//
//	go run ./adminapp accounts
//	go run ./adminapp account ada
//	go run ./adminapp end ada 7Q2M-KZ4A
//	go run ./adminapp block ada 24h
//	go run ./adminapp unblock ada
//	go run ./adminapp events ada
//	go run ./adminapp follow
//
// It asks for no password: anybody who can run it may do all of this.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"os/user"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/sqlitestore"
)

func main() {
	store, err := sqlitestore.Open("firstapp.db")
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	seats, err := oneseat.New(store, oneseat.Config{}) // the same configuration as in the site
	if err != nil {
		log.Fatal(err)
	}
	defer seats.Close()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	desk := desk{seats: seats, actor: "support", out: os.Stdout}
	if me, err := user.Current(); err == nil {
		desk.actor = "support: " + me.Username
	}
	if err := desk.run(ctx, os.Args[1:]); err != nil {
		log.Print(err)
	}
}

// desk is the work of one member of staff.
type desk struct {
	seats *oneseat.Registry
	actor string // the name that is recorded
	out   io.Writer
}

var errUsage = errors.New("adminapp accounts | account NAME | end NAME REFERENCE | block NAME [FOR] | unblock NAME | events NAME | follow")

func (d desk) run(ctx context.Context, args []string) error {
	arg := func(n int) string {
		if n < len(args) {
			return args[n]
		}
		return ""
	}
	switch account := arg(1); arg(0) {
	case "accounts":
		return d.accounts(ctx)
	case "account":
		return d.account(ctx, account)
	case "end":
		return d.end(ctx, account, arg(2))
	case "block":
		return d.block(ctx, account, arg(2))
	case "unblock":
		return d.seats.Unblock(ctx, account, d.actor)
	case "events":
		return d.events(ctx, account)
	case "follow":
		return d.follow(ctx, "", time.Second)
	}
	return errUsage
}

// accounts lists all accounts that are signed in, with their live sessions.
func (d desk) accounts(ctx context.Context) error {
	after := ""
	for {
		page, err := d.seats.Accounts(ctx, oneseat.AccountQuery{After: after})
		if err != nil || len(page) == 0 {
			return err
		}
		for _, a := range page {
			for _, s := range a.Sessions {
				fmt.Fprintln(d.out, a.Name, s.ID.Reference(), s.Device.Label, s.LastSeen.Format(time.DateTime))
			}
		}
		after = page[len(page)-1].Name
	}
}

// account shows what is known of one account.
func (d desk) account(ctx context.Context, name string) error {
	a, err := d.seats.Account(ctx, name)
	if err != nil {
		return err
	}
	for _, bound := range a.InForce {
		fmt.Fprintln(d.out, "limit:", bound.Name, bound.Limit, "from", bound.Source)
	}
	for _, s := range a.Sessions {
		fmt.Fprintln(d.out, "signed in:", s.ID.Reference(), s.Device.Label, s.Created.Format(time.DateTime))
	}
	for _, e := range a.Endings {
		fmt.Fprintln(d.out, "ended:", e.Reference(), e.Device.Label, e.Reason, e.ByDevice.Label, e.Actor)
	}
	if a.Block != nil {
		fmt.Fprintln(d.out, "blocked by", a.Block.Actor)
	}
	return nil
}

// end ends the live session of an account that has this reference.
func (d desk) end(ctx context.Context, account, reference string) error {
	live, err := d.seats.Sessions(ctx, account)
	if err != nil {
		return err
	}
	for _, s := range live {
		if s.ID.Reference() == reference {
			n, err := d.seats.End(ctx, account, oneseat.EndOptions{Actor: d.actor}, s.ID)
			fmt.Fprintln(d.out, n, "ended")
			return err
		}
	}
	return fmt.Errorf("%s has no live session %s", account, reference)
}

// block ends all sessions of an account and keeps it out. howLong is a time such as
// 24h; without one the account is blocked until it is unblocked.
func (d desk) block(ctx context.Context, account, howLong string) error {
	var until time.Time // zero: until Unblock
	if howLong != "" {
		span, err := time.ParseDuration(howLong)
		if err != nil {
			return err
		}
		until = time.Now().Add(span)
	}
	return d.seats.Block(ctx, account, until, d.actor)
}

// events prints what happened to an account, the newest first.
func (d desk) events(ctx context.Context, account string) error {
	q := oneseat.EventQuery{Account: account}
	for {
		page, err := d.seats.Events(ctx, q)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, e := range page {
			d.print(e.Event)
		}
		q.Before = page[len(page)-1].Seq
	}
}

// follow prints what happens in the realm from a place in the log on, until ctx ends.
// At the end of the log it pauses, and then reads on.
func (d desk) follow(ctx context.Context, place oneseat.Place, pause time.Duration) error {
	for {
		page, err := d.seats.EventsSince(ctx, place)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if page.Gap {
			fmt.Fprintln(d.out, "events may be missing here: read the accounts anew")
		}
		for _, e := range page.Events {
			d.print(e)
		}
		place = page.Next // keep it, together with what was done about the events, to go on after a restart
		if page.End {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(pause):
			}
		}
	}
}

func (d desk) print(e oneseat.Event) {
	fmt.Fprintln(d.out, e.At.Format(time.DateTime), e.Type, e.Account, e.Session.Reference(), e.Device.Label, e.Reason, e.ByDevice.Label, e.Actor)
}
