package redisstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/redis/rueidis"
)

// buffer is what a connection has for reading and for writing; the client's own
// choice is half a megabyte for each, of which there are eight to a server.
const buffer = 64 << 10

// CheckURL says what is wrong with a URL for Connect, without connecting.
func CheckURL(url string) error {
	_, err := parse(url)
	return err
}

// parse reads the URL of a server or of a cluster.
func parse(raw string) (rueidis.ClientOption, error) {
	bad := func(why string) (rueidis.ClientOption, error) {
		return rueidis.ClientOption{}, failed(oneseat.FailureAddress, "", errors.New(why)) // never the URL, which has a password
	}
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return bad("it has no scheme")
	}
	plain, cluster := strings.CutSuffix(scheme, "-cluster")
	if plain != "redis" && plain != "rediss" {
		return bad(fmt.Sprintf("scheme %q", scheme))
	}
	// Only the first of several hosts may stand in a URL.
	path := len(rest)
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		path = i
	}
	user := strings.LastIndex(rest[:path], "@") + 1
	hosts := strings.Split(rest[user:path], ",")
	u, err := url.Parse(plain + "://" + rest[:user] + hosts[0] + rest[path:])
	if err != nil || u.Hostname() == "" {
		return bad("user, password or host are not spelt as in a URL; what is no letter or digit in a password is %-encoded")
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return bad("it has parameters")
	}
	if len(hosts) > 1 && !cluster {
		return bad("there are several hosts, and it is no redis-cluster://")
	}
	if cluster && u.Path != "" && u.Path != "/" && u.Path != "/0" {
		return bad("a cluster has no database but 0")
	}
	o, err := rueidis.ParseURL(u.String())
	if err != nil {
		return bad("what follows the host is no database number")
	}
	for _, h := range hosts[1:] {
		if _, _, err := net.SplitHostPort(h); err != nil {
			h = net.JoinHostPort(h, "6379")
		}
		o.InitAddress = append(o.InitAddress, h)
	}
	if cluster && o.TLSConfig != nil {
		o.TLSConfig.ServerName = "" // of each node its own
	}
	o.ForceSingleClient = !cluster
	o.DisableRetry = true     // what was lost on its way is for the registry to judge
	o.AlwaysPipelining = true // or one caller's deadline would end the connection of all
	o.ReadBufferEachConn, o.WriteBufferEachConn = buffer, buffer
	o.DisableCache = true    // a read is a read
	o.ClientName = "oneseat" // in CLIENT LIST
	o.ClientSetInfo = rueidis.DisableClientSetInfo
	return o, nil
}

// Connect makes a client, as a store needs it, for the server that a URL names:
// redis://user:password@host:port/0, rediss:// for TLS,
// redis-cluster://host:port,host:port or rediss-cluster:// for a cluster. timeout
// bounds how long it connects; 0 means 1 s. It is to be that of [Options].
//
// An error is a *[oneseat.StoreError]; it holds the address and never the password.
func Connect(ctx context.Context, url string, timeout time.Duration) (rueidis.Client, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	o, err := parse(url)
	if err != nil {
		return nil, err
	}
	timeout = cmp.Or(timeout, defaultTimeout)
	o.Dialer.Timeout = timeout
	o.ConnWriteTimeout = 2 * timeout // what has not come by then never comes
	c, err := rueidis.NewClient(o)
	if err != nil {
		return nil, failed(failureOf(err), strings.Join(o.InitAddress, ", "), err)
	}
	return c, nil
}
