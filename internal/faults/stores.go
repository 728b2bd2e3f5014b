package faults

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/rueidis"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/pgstore"
	"github.com/oneseat/oneseat/store/redisstore"
	"github.com/oneseat/oneseat/store/sqlitestore"
)

// store is what a round needs of a store.
type store interface {
	oneseat.Store
	oneseat.History
}

// dialer connects to one of the store's servers.
type dialer func(ctx context.Context, server string) (net.Conn, error)

// straight connects without a proxy.
func straight(ctx context.Context, server string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "tcp", server)
}

// open opens the store at a URL. shut ends it. within is how long one answer of Redis
// may take.
func open(ctx context.Context, url string, dial dialer, within time.Duration) (s store, shut func(), err error) {
	scheme, rest, _ := strings.Cut(url, ":")
	switch scheme {
	case "sqlite": // a file is reached without a connection
		s, err := sqlitestore.Open(rest)
		if err != nil {
			return nil, nil, err
		}
		return s, func() { _ = s.Close() }, nil
	case "postgres":
		return openPostgres(ctx, url, dial)
	case "redis", "redis-cluster":
		return openRedis(ctx, strings.Split(strings.TrimPrefix(rest, "//"), ","), scheme == "redis-cluster", dial, within)
	}
	return nil, nil, fmt.Errorf("there is no store %q", scheme)
}

func openPostgres(ctx context.Context, url string, dial dialer) (store, func(), error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, nil, err
	}
	// The address that pgx asks for may be the proxy's, because pgx cancels a statement
	// where its connection leads to.
	server := fmt.Sprintf("%s:%d", config.ConnConfig.Host, config.ConnConfig.Port)
	config.ConnConfig.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, server) }
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, nil, err
	}
	s, err := pgstore.Open(ctx, pool, pgstore.Options{})
	if err != nil {
		pool.Close()
		return nil, nil, err
	}
	return s, func() { _ = s.Close(); pool.Close() }, nil
}

// openRedis makes the client that redisstore.Open would make, with another dialer.
func openRedis(ctx context.Context, addrs []string, cluster bool, dial dialer, within time.Duration) (store, func(), error) {
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: addrs, ForceSingleClient: !cluster, DisableRetry: true, AlwaysPipelining: true, DisableCache: true,
		Dialer: net.Dialer{Timeout: within}, ConnWriteTimeout: 2 * within,
		DialCtxFn: func(ctx context.Context, addr string, _ *net.Dialer, _ *tls.Config) (net.Conn, error) {
			return dial(ctx, addr)
		},
	})
	if err != nil {
		return nil, nil, err
	}
	s, err := redisstore.New(ctx, client, redisstore.Options{Timeout: within})
	if err != nil {
		client.Close()
		return nil, nil, err
	}
	return s, func() { _ = s.Close(); client.Close() }, nil
}
