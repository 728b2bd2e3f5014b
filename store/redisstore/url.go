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

// buffer is the size of a connection's buffer, one for reading and one for writing.
// The client's default is half a megabyte for each, and it makes eight connections
// to a server.
const buffer = 64 << 10

// CheckURL returns an error if Connect could not use the URL. It does not connect.
func CheckURL(url string) error {
	_, err := parse(url)
	return err
}

// parse reads the URL of a server or of a cluster.
func parse(raw string) (rueidis.ClientOption, error) {
	bad := func(why string) (rueidis.ClientOption, error) {
		return rueidis.ClientOption{}, failed(oneseat.FailureAddress, "", errors.New(why)) // without the URL, which may hold a password
	}
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return bad("it has no scheme")
	}
	plain, cluster := strings.CutSuffix(scheme, "-cluster")
	if plain != "redis" && plain != "rediss" {
		return bad(fmt.Sprintf("scheme %q", scheme))
	}
	// A URL has room for one host only: the others are cut out and added again.
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
		o.TLSConfig.ServerName = "" // each node has its own
	}
	o.ForceSingleClient = !cluster
	o.DisableRetry = true     // the registry decides what to do after a lost reply
	o.AlwaysPipelining = true // otherwise the deadline of one caller would end the connection of all callers
	o.ReadBufferEachConn, o.WriteBufferEachConn = buffer, buffer
	o.DisableCache = true    // every read goes to the server
	o.ClientName = "oneseat" // in CLIENT LIST
	o.ClientSetInfo = rueidis.DisableClientSetInfo
	return o, nil
}

// Connect returns a client with the settings that a store needs, for the server at
// a URL: redis://user:password@host:port/0, rediss:// for TLS,
// redis-cluster://host:port,host:port or rediss-cluster:// for a cluster. timeout
// is how long connecting may take; 0 means 1 s. Use the Timeout of [Options].
//
// Its error is a *[oneseat.StoreError]. It contains the address but never the
// password.
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
	o.ConnWriteTimeout = 2 * timeout // an answer that is not there by then never comes
	c, err := rueidis.NewClient(o)
	if err != nil {
		return nil, failed(failureOf(err), strings.Join(o.InitAddress, ", "), err)
	}
	return c, nil
}
