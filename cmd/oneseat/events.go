package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
)

func newEventsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "events [ACCOUNT] [flags]",
		Short:   "list what happened, the newest first",
		Long:    `oneseat events lists what happened in a realm, or to an account, the newest first, as far back as the store keeps it. "oneseat sessions watch" shows what happens from now on.`,
		Example: "oneseat events\noneseat events ada@example.com --limit 20\noneseat events --limit 0 --json",
		Args:    arguments(0, 1, "name one account, or none for all"),
		GroupID: groupOperate,
	}
	session := cmd.Flags().String("session", "", "`SESSION` only events of the session with this ID")
	most := cmd.Flags().Int("limit", 100, "`N` how many at most (default 100); 0 is all")
	operating(cmd, new(connection), func(ctx context.Context, o *operation) error {
		if *most < 0 {
			return &usageError{fmt.Errorf("--limit: %d is less than 0", *most)}
		}
		q := api.EventQuery{Session: *session, Limit: firstPage}
		if len(o.args) > 0 {
			q.Account = o.args[0]
		}
		for shown := 0; ; {
			if *most > 0 {
				q.Limit = min(q.Limit, *most-shown)
			}
			page, err := o.Events(ctx, q)
			if err != nil {
				return err
			}
			if shown+len(page.Events) == 0 {
				return o.noEvents(ctx, q)
			}
			for _, e := range page.Events {
				if o.json {
					o.out.json(e)
				} else {
					o.out.lines(when(e.At) + " " + eventWords(e))
				}
			}
			shown += len(page.Events)
			if o.out.flush() != nil || page.Next == "" || *most > 0 && shown >= *most {
				return nil
			}
			q.Before, q.Limit = page.Next, nextPages
		}
	})
	return cmd
}

// noEvents says that there are no events, or that the account or the session is not
// known.
func (o *operation) noEvents(ctx context.Context, q api.EventQuery) error {
	if q.Session != "" {
		return &codedError{fmt.Errorf("there is no event about a session %s", word(q.Session)), exitNotFound}
	}
	if q.Account != "" {
		if _, err := o.account(ctx, q.Account); err != nil {
			return err
		}
	}
	if !o.json {
		o.out.lines(fmt.Sprintf("There are no events in the realm %s.", word(o.Config().Realm)))
	}
	return nil
}

// eventWords says what happened, in one line.
func eventWords(e api.Event) string {
	who, on := word(e.Account), ""
	if d := deviceWords(e.Device); d != "" {
		on = " on " + d
	}
	session := " (" + plain(e.Session) + ")"
	by := ""
	switch {
	case e.Actor != "":
		by = ", by " + plain(e.Actor)
	case deviceWords(e.ByDevice) != "":
		by = ", by " + deviceWords(e.ByDevice)
	}
	switch oneseat.EventType(e.Type) {
	case oneseat.EventSessionCreated:
		return who + " signed in" + on + session
	case oneseat.EventSessionRotated:
		return who + " got a new token" + on + session
	case oneseat.EventSessionConfirmed:
		return who + " proved again who they are" + on + session
	case oneseat.EventSessionDataChanged:
		return who + ": the application changed its data of a session" + on + session
	case oneseat.EventSessionMoved:
		return who + " goes on from " + placeWords(e.ByDevice) + ", and was on " + placeWords(e.Device) + session
	case oneseat.EventSessionEnded:
		return who + " was signed out" + on + ": " + plain(e.Reason) + by + session
	case oneseat.EventSessionUsedAfterEnd:
		return who + ": a session that had ended was used again" + on + session
	case oneseat.EventSignInRefused:
		return who + " was refused" + on + ": the account is " + fullWords(e) + by
	case oneseat.EventSignInAsked:
		return who + " was asked" + on + " which session is to end: the account is " + fullWords(e)
	case oneseat.EventRealmEnded:
		return "every session of the realm ended" + by
	case oneseat.EventLimitChanged:
		return who + ": the account's limits are now " + limitWords(e.Limits) + by
	case oneseat.EventAccountBlocked:
		return who + " was blocked" + untilWords(e.Until) + by
	case oneseat.EventAccountUnblocked:
		return who + " was unblocked" + by
	case oneseat.EventTakeoverNoticed:
		return who + ": devices throw each other out in turn" + on + session
	case oneseat.EventStreamStarted:
		return who + " began a stream" + on + session
	case oneseat.EventStreamEnded:
		return who + ": a stream ended" + on + ": " + plain(e.Reason) + by + session
	case oneseat.EventSessionWouldEnd:
		return who + " would have been signed out" + on + ": " + plain(e.Reason) + by + session
	case oneseat.EventSignInWouldBeRefused:
		return who + " would have been refused" + on + ": the account is " + fullWords(e)
	}
	return who + ": " + plain(e.Type) + on + by + session // of a newer release
}

// placeWords says from where a session is used.
func placeWords(d api.SeenDevice) string {
	if d.IP == "" {
		return deviceWords(d)
	}
	return deviceWords(d) + " (" + plain(d.IP) + ")"
}

// fullWords says why an account lets nobody in.
func fullWords(e api.Event) string {
	switch {
	case e.Reason == string(oneseat.ReasonAccountBlocked):
		return "blocked"
	case e.Bound == nil: // of an older release
		return "full"
	}
	return "full (" + boundWords(e.Bound.Of, e.Bound.Max) + ")"
}

// limitWords says what the limits of an account are.
func limitWords(l *api.Limits) string {
	var parts []string
	if l == nil {
		return "those of everybody"
	}
	if l.Total != nil {
		parts = append(parts, number(*l.Total)+" in all")
	}
	for _, class := range slices.Sorted(maps.Keys(l.Classes)) {
		parts = append(parts, number(l.Classes[class])+" "+plain(class))
	}
	if l.Streams != nil {
		parts = append(parts, boundWords("streams", *l.Streams))
	}
	for _, class := range slices.Sorted(maps.Keys(l.StreamClasses)) {
		parts = append(parts, boundWords("streams_"+class, l.StreamClasses[class]))
	}
	if l.Programs != nil {
		parts = append(parts, boundWords("programs", *l.Programs))
	}
	if len(parts) == 0 {
		return "those of everybody"
	}
	return strings.Join(parts, ", ")
}
