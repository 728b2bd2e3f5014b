package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/oneseat/oneseat"
	"github.com/redis/rueidis"
)

// inspect looks at the settings of the servers. If they may lose what they
// acknowledge, it logs a warning, or returns an error if require is set. It also logs a
// warning if the user may not follow keys that move.
func (s *Store) inspect(ctx context.Context, require bool) error {
	var found, denied []string
	for addr, node := range s.client.Nodes() {
		if s.client.Mode() == rueidis.ClientModeCluster && !s.mayAsk(ctx, node) {
			denied = append(denied, addr)
		}
		short, cancel := s.trip(ctx)
		set, err := node.Do(short, node.B().ConfigGet().Parameter("maxmemory", "maxmemory-policy", "appendonly", "save").Build()).AsStrMap()
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if _, answered := rueidis.IsRedisErr(err); err != nil && !answered {
			found = append(found, addr+" does not answer, so it is not known what it keeps")
			continue
		}
		if err != nil {
			found = append(found, fmt.Sprintf("%s does not show its settings (%v): check that maxmemory-policy is noeviction and appendonly is yes, or it may evict keys or keep nothing on disk", addr, err))
			continue
		}
		for _, p := range risks(set) {
			found = append(found, addr+" "+p)
		}
	}
	if slices.Sort(denied); len(denied) > 0 {
		s.log.Warn("redisstore: the user may not send ASKING: while a slot of the cluster moves, calls for keys that have moved get no answer; give the user +asking on every server",
			"servers", strings.Join(denied, ", "))
	}
	slices.Sort(found)
	if require && len(found) > 0 {
		return failed(oneseat.FailureNotDurable, "", errors.New(strings.Join(found, "; ")))
	}
	for _, f := range found {
		s.log.Warn("redisstore: a server may forget what it acknowledged, or that is not known", "found", f)
	}
	return nil
}

// mayAsk reports whether the user may send ASKING to a node, by which a client follows
// a key that has moved. A node that does not answer says nothing about that.
func (s *Store) mayAsk(ctx context.Context, node rueidis.Client) bool {
	short, cancel := s.trip(ctx)
	defer cancel()
	return failureOf(node.Do(short, node.B().Asking().Build()).Error()) != oneseat.FailureDenied
}

// risks returns what may be lost under a server's settings.
func risks(set map[string]string) (found []string) {
	if set["maxmemory"] != "0" && strings.HasPrefix(set["maxmemory-policy"], "allkeys-") {
		found = append(found, fmt.Sprintf("evicts keys when its memory is full (maxmemory-policy %s): that signs out some accounts and may let in others that were refused; set it to noeviction", set["maxmemory-policy"]))
	}
	if set["appendonly"] != "yes" && set["save"] == "" {
		found = append(found, "keeps nothing on disk (appendonly no, save \"\"): a restart signs everybody out; set appendonly to yes")
	}
	return found
}
