package main

import (
	"context"
	"errors"
	"fmt"
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
	streamClasses := cmd.Flags().StringSlice("stream-class", nil, "`CLASS=N` how many of these may be on one class of device, as --class")
	programs := cmd.Flags().String("programs", "", "`N` how many programs (API keys of the account) may have a session beside those of people, or unlimited")
	remove := cmd.Flags().Bool("remove", false, "take all limits of its own away, so that those of the site count again. With --store no session ends by that, because a store does not know what the site allows")
	isNew := cmd.Flags().Bool("new", false, newText)
	var some []string
	for _, class := range classNames() {
		some = append(some, class+"=")
	}
	completes(cmd, "class", some...)
	completes(cmd, "stream-class", some...)
	changing(cmd, true)
	c := new(connection)
	operating(cmd, c, func(ctx context.Context, o *operation) error {
		limits, err := limitsOf(limitFlags{o.args[1:], *classes, *streams, *streamClasses, *programs, *remove})
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

// limitFlags are what the command line says of limits.
type limitFlags struct {
	total, classes []string
	streams        string
	streamClasses  []string
	programs       string
	remove         bool
}

// limitsOf reads limits.
func limitsOf(in limitFlags) (l oneseat.Limits, err error) {
	if in.remove {
		if len(in.total)+len(in.classes)+len(in.streamClasses) > 0 || in.streams+in.programs != "" {
			return l, errors.New("--remove takes all limits away: leave the others out")
		}
		return l, nil
	}
	if len(in.total) == 0 && in.streams+in.programs == "" {
		return l, errors.New("say how many sessions the account may have, such as 2 or unlimited")
	}
	if len(in.total) > 0 {
		if l.Total, err = countOf(in.total[0], oneseat.MaxSeats); err != nil {
			return l, err
		}
	}
	if l.Classes, err = classesOf("--class", in.classes, oneseat.MaxSeats); err != nil {
		return l, err
	}
	if l.StreamClasses, err = classesOf("--stream-class", in.streamClasses, oneseat.MaxStreams); err != nil {
		return l, err
	}
	if in.streams != "" {
		if l.Streams, err = countOf(in.streams, oneseat.MaxStreams); err != nil {
			return l, fmt.Errorf("--streams: %w", err)
		}
	}
	if in.programs != "" {
		if l.Programs, err = countOf(in.programs, oneseat.MaxPrograms); err != nil {
			return l, fmt.Errorf("--programs: %w", err)
		}
	}
	return l, l.Check()
}

// classesOf reads limits of classes, each CLASS=N.
func classesOf(flag string, in []string, most int) (classes map[oneseat.Class]int, err error) {
	for _, c := range in {
		class, n, _ := strings.Cut(c, "=")
		if classes == nil {
			classes = make(map[oneseat.Class]int)
		}
		if !slices.Contains(oneseat.Classes(), oneseat.Class(class)) {
			return nil, fmt.Errorf("%s: %q is no class of device and a number, such as tv=1%s", flag, c, didYouMean(class, classNames(), ""))
		}
		if n == "" {
			return nil, fmt.Errorf("%s: \"\" is neither a number nor unlimited: write %s=1", flag, class)
		}
		if classes[oneseat.Class(class)], err = countOf(n, most); err != nil {
			return nil, fmt.Errorf("%s: %w", flag, err)
		}
	}
	return classes, nil
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
	people, programs := map[oneseat.Class]int{}, 0
	for _, s := range a.Sessions {
		if s.Program {
			programs++
		} else {
			people[oneseat.Class(s.Device.Class)]++
		}
	}
	playing := map[oneseat.Class]int{}
	for _, s := range a.Streams {
		playing[oneseat.Class(s.Device.Class)]++
	}
	sessions, streams := above(people, l.Total, l.Classes), above(playing, l.Streams, l.StreamClasses)
	if l.Programs > 0 {
		sessions += max(programs-l.Programs, 0)
	}
	switch {
	case sessions > 0:
		return plural(sessions, "session") + " or more"
	case streams > 0:
		return plural(streams, "stream")
	}
	return ""
}

// above returns by how many at least what there is of each class is above limits.
func above(there map[oneseat.Class]int, total int, classes map[oneseat.Class]int) (most int) {
	all := 0
	for class, n := range there {
		all += n
		if limit := classes[class]; limit > 0 {
			most = max(most, n-limit)
		}
	}
	if total > 0 {
		most = max(most, all-total)
	}
	return most
}
