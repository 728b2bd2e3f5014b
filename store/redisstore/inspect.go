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
// acknowledge, it logs a warning, or returns an error if require is set.
func (s *Store) inspect(ctx context.Context, require bool) error {
	var found []string
	for addr, node := range s.client.Nodes() {
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
	slices.Sort(found)
	if require && len(found) > 0 {
		return failed(oneseat.FailureNotDurable, "", errors.New(strings.Join(found, "; ")))
	}
	for _, f := range found {
		s.log.Warn("redisstore: " + f)
	}
	return nil
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
