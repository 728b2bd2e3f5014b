package oneseat

import "context"

// CheckAndWatchLate is [Registry.CheckAndWatch] with something in between: after
// memory has said yes, and before the session is watched. It says whether memory
// did.
func (r *Registry) CheckAndWatchLate(ctx context.Context, token string, w *Watch, by Watcher, between func()) bool {
	key, secret, _ := decodeToken(token)
	m, answered, err := r.checkMemory(claim{key: key, secret: secret}, useActive)
	if !answered || err != nil {
		return false
	}
	between()
	r.watch(ctx, claim{key: key, id: m.session().ID}, w, by, m)
	return true
}

// LoadsUnderWay counts the loads that are registered in the cache.
func (r *Registry) LoadsUnderWay() (n int) {
	for i := range r.cache.shards {
		for _, l := range r.cache.shards[i].loads {
			n += l.loads
		}
	}
	return n
}
