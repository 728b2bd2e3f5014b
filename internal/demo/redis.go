package demo

import (
	"context"

	"github.com/redis/rueidis"
)

// RedisHashes keeps hashes in Redis, each under a key that begins with
// oneseat-demo:user:. The caller opens client, and closes it after the last use.
func RedisHashes(client rueidis.Client) Hashes { return redisHashes{client} }

type redisHashes struct{ client rueidis.Client }

func hashKey(name string) string { return "oneseat-demo:user:" + name }

// replaceHash sets a key if it still has its old value.
var replaceHash = rueidis.NewLuaScript(`if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1`)

func (h redisHashes) Get(ctx context.Context, name string) (string, error) {
	hash, err := h.client.Do(ctx, h.client.B().Get().Key(hashKey(name)).Build()).ToString()
	if rueidis.IsRedisNil(err) {
		return "", nil
	}
	return hash, err
}

func (h redisHashes) Replace(ctx context.Context, name, old, hash string) (bool, error) {
	n, err := replaceHash.Exec(ctx, h.client, []string{hashKey(name)}, []string{old, hash}).AsInt64()
	return n == 1, err
}
