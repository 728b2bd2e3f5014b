package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
)

func newAccountsLimitCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "limit ACCOUNT {N | unlimited | --remove} [flags]",
		Short: "give an account limits of its own, or take them away",
		Long: `oneseat accounts limit gives an account limits of its own. They count instead of those of the site, and replace all that were set before.

If more sessions are live than a limit allows, those used least recently end at once. The command then shows the live sessions and asks first.`,
		Example: "oneseat accounts limit ada@example.com 2\noneseat accounts limit ada@example.com 5 --class tv=1 --streams 2\noneseat accounts limit ada@example.com --remove",
		Args:    arguments(1, 2, "name one account, and how many sessions it may have"),
	}
	classes := cmd.Flags().StringSlice("class", nil, "`CLASS=N` how many of these may be on one class of device (desktop, mobile, tablet, tv, api or other). Write the flag once for each class")
	streams := cmd.Flags().String("streams", "", "`N` how many streams (what players of a session play) the account may have at a time, or unlimited")
	remove := cmd.Flags().Bool("remove", false, "take all limits of its own away, so that those of the site count again. With --store no session ends by that, because a store does not know what the site allows")
	isNew := cmd.Flags().Bool("new", false, newText)
	var some []string
	for _, class := range classNames() {
		some = append(some, class+"=")
	}
	completes(cmd, "class", some...)
	changing(cmd, true)
	c := new(connection)
	operating(cmd, c, func(ctx context.Context, o *operation) error {
		limits, err := limitsOf(o.args[1:], *classes, *streams, *remove)
		if err != nil {
			return &usageError{err}
		}
		a, err := o.changed(ctx, *isNew)
		if err != nil {
			return err
		}
		if goes := over(a, limits); goes != "" || *remove && !o.isStore && len(a.Sessions) > 1 {
			out := o.aside()
			if goes == "" {
				goes = "Sessions above the limit that counts for everybody"
			}
			out.lines(fmt.Sprintf("%s will end, those used least recently first. The live sessions of %s in the realm %s (%s):", goes, word(a.Account), word(o.Config().Realm), plain(o.where)))
			out.sessions(2, a.Sessions)
			if err := errors.Join(quiet(out.flush()), o.confirm("Go on?")); err != nil {
				return err
			}
		}
		if err := o.SetLimit(ctx, a.Account, limits, o.actor); err != nil {
			return err
		}
		return o.now(ctx, a, func(now api.AccountState) {
			ended := len(a.Sessions) - len(now.Sessions)
			text := fmt.Sprintf("The limits of %s are set", word(a.Account))
			if *remove {
				text = fmt.Sprintf("%s has no limits of its own any more", word(a.Account))
			}
			if ended > 0 {
				text += ". " + plural(ended, "session") + " ended"
			}
			o.out.lines(text + ".")
		})
	})
	return cmd
}

// limitsOf reads limits.
func limitsOf(total, classes []string, streams string, remove bool) (l oneseat.Limits, err error) {
	if remove {
		if len(total)+len(classes) > 0 || streams != "" {
			return l, errors.New("--remove takes all limits away: leave the others out")
		}
		return l, nil
	}
	if len(total) == 0 && streams == "" {
		return l, errors.New("say how many sessions the account may have, such as 2 or unlimited")
	}
	if len(total) > 0 {
		if l.Total, err = countOf(total[0], oneseat.MaxSeats); err != nil {
			return l, err
		}
	}
	for _, c := range classes {
		class, n, _ := strings.Cut(c, "=")
		if l.Classes == nil {
			l.Classes = make(map[oneseat.Class]int)
		}
		if !slices.Contains(oneseat.Classes(), oneseat.Class(class)) {
			return l, fmt.Errorf("--class: %q is no class of device and a number, such as tv=1%s", c, didYouMean(class, classNames(), ""))
		}
		if n == "" {
			return l, fmt.Errorf("--class: \"\" is neither a number nor unlimited: write %s=1", class)
		}
		if l.Classes[oneseat.Class(class)], err = countOf(n, oneseat.MaxSeats); err != nil {
			return l, fmt.Errorf("--class: %w", err)
		}
	}
	if streams != "" {
		if l.Streams, err = countOf(streams, oneseat.MaxStreams); err != nil {
			return l, fmt.Errorf("--streams: %w", err)
		}
	}
	return l, l.Check()
}

func classNames() (names []string) {
	for _, c := range oneseat.Classes() {
		names = append(names, string(c))
	}
	return names
}

func countOf(s string, most int) (int, error) {
	if s == "unlimited" {
		return oneseat.Unlimited, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("%q is neither a number from 1 to %d nor unlimited. To keep an account out, block it", s, most)
	}
	return n, nil
}

// over says how many of an account's sessions are above limits; "": none.
func over(a api.AccountState, l oneseat.Limits) string {
	most := 0
	if l.Total > 0 {
		most = max(most, len(a.Sessions)-l.Total)
	}
	for _, class := range slices.Sorted(maps.Keys(l.Classes)) {
		n := 0
		for _, s := range a.Sessions {
			if s.Device.Class == string(class) {
				n++
			}
		}
		if l.Classes[class] > 0 {
			most = max(most, n-l.Classes[class])
		}
	}
	streams := 0
	if l.Streams > 0 {
		streams = max(len(a.Streams)-l.Streams, 0)
	}
	switch {
	case most > 0:
		return plural(most, "session") + " or more"
	case streams > 0:
		return plural(streams, "stream")
	}
	return ""
}
