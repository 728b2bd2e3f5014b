package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/demo"
	"github.com/oneseat/oneseat/oneseathttp"
)

const demoLong = `oneseat demo serves a members' site with a live picture. Sign in from a second browser: the first one is signed out, and its picture stops.

The first line printed has the site's address. The second has that of the stage, which shows two devices side by side. Ctrl-C (interrupt) ends the demo.`

func newDemoCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "demo [flags]",
		Short:   "serve a members' site to try it with, in a browser",
		Long:    demoLong,
		Example: "oneseat demo\noneseat demo --limit 2 --policy ask --store memory:",
		GroupID: groupRun,
	}
	flags := demoFlags(cmd.Flags())
	completes(cmd, "policy", policies...)
	completes(cmd, "store", stores...)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := flags(args)
		if err != nil {
			return &usageError{err}
		}
		return serveDemo(cmd.Context(), c, cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	return cmd
}

// goodbye is how long the program waits at its end for requests that are being
// answered.
const goodbye = 5 * time.Second

// demoStreamIdle is how long a player may be silent. It is short, so that nobody has to
// wait to see what happens.
const demoStreamIdle = 15 * time.Second

// demoConfig is what the demo's command line says.
type demoConfig struct {
	listen  string
	store   storeSpec
	limit   int
	policy  oneseat.Policy
	streams int      // 0: not counted
	hosts   []string // of the stage
}

// demoFlags defines the flags. It returns a function that reads them once they are parsed.
// The error of that function joins everything that is wrong with their values.
func demoFlags(set *pflag.FlagSet) func(args []string) (demoConfig, error) {
	listen := set.String("listen", "127.0.0.1:8080", "`ADDRESS` where to listen (default 127.0.0.1:8080); port 0 takes a free one")
	store := set.String("store", "sqlite:oneseat-demo.db", "`STORE` where sessions are kept (default sqlite:oneseat-demo.db); several demos on one are nodes of one system:\n"+storesText)
	limit := set.String("limit", "1", "`N` sessions that an account may have at a time, 1 to 256 (default 1)")
	policy := set.String("policy", string(oneseat.PolicyDisplace), "`POLICY` what happens at a sign-in beyond the limit (default displace):\n"+policiesText)
	streams := set.String("streams", "0", "`N` how many pictures an account may watch at a time, 1 to 64 (default: they are not counted)")
	hosts := set.String("hosts", "", "`NAMES` host names, with commas between them, under which the stage is shown too (default: only those of this machine, and that of --listen)")
	return func(args []string) (demoConfig, error) {
		c := demoConfig{listen: *listen}
		var errs []error
		bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
		host, port, err := net.SplitHostPort(c.listen)
		if err != nil {
			bad("--listen: %q is not an address with a port, such as 127.0.0.1:8080", c.listen)
		} else if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			bad("--listen: port %q is not a number from 0 to 65535", port)
		}
		if host != "" && host != "0.0.0.0" && host != "::" { // these two are every address, and no name
			c.hosts = append(c.hosts, host)
		}
		for name := range strings.FieldsFuncSeq(*hosts, func(c rune) bool { return c == ',' || c == ' ' }) {
			if strings.ContainsAny(name, ":/[]") && !isAddress(name) {
				bad("--hosts: %q is not a host name: write it without a scheme and without a port", name)
			}
			c.hosts = append(c.hosts, name)
		}
		if c.store, err = parseStore(*store); err != nil {
			errs = append(errs, err)
		}
		c.limit, err = limitFlag(*limit)
		errs = append(errs, err)
		c.policy, err = policyFlag(*policy)
		errs = append(errs, err)
		if c.streams, err = strconv.Atoi(*streams); err != nil || c.streams < 0 || c.streams > oneseat.MaxStreams {
			bad("--streams: %q is not a number from 1 to %d", *streams, oneseat.MaxStreams)
		}
		errs = append(errs, noArguments(nil, args))
		return c, errors.Join(errs...)
	}
}

// policiesText says what policies there are, in the help.
const policiesText = "displace: the session used least recently ends\nrefuse: the new sign-in is refused\nask: the user who signs in chooses which session ends"

// limitFlag reads the flag --limit.
func limitFlag(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > oneseat.MaxSeats {
		return 0, fmt.Errorf("--limit: %q is not a number from 1 to %d", s, oneseat.MaxSeats)
	}
	return n, nil
}

// policyFlag reads the flag --policy.
func policyFlag(s string) (oneseat.Policy, error) {
	p, err := policyOf(s)
	if err != nil {
		return "", fmt.Errorf("--policy: %w", err)
	}
	return p, nil
}

// policyOf returns the policy of that name.
func policyOf(s string) (oneseat.Policy, error) {
	p := oneseat.Policy(s)
	if !slices.Contains([]oneseat.Policy{oneseat.PolicyDisplace, oneseat.PolicyRefuse, oneseat.PolicyAsk}, p) {
		return "", fmt.Errorf("%q is neither displace, refuse nor ask", s)
	}
	return p, nil
}

func isAddress(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

// serveDemo serves until ctx ends. Then it ends what it has started, in the opposite
// order: pictures, requests, registry, store.
func serveDemo(ctx context.Context, c demoConfig, stdout, stderr io.Writer) (err error) {
	logger := slog.New(slog.NewTextHandler(stderr, nil))
	data, err := c.store.open(ctx, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, data.close()) }()

	hashes, err := data.hashes(ctx)
	if err != nil {
		return err
	}
	users, err := demo.NewUsers(ctx, hashes)
	if err != nil {
		return err
	}
	seats, err := oneseat.New(data.store, oneseat.Config{Limit: c.limit, WhenFull: c.policy, Streams: c.streams, StreamIdle: demoStreamIdle, Logger: logger})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, seats.Close()) }()
	listeners, err := listenDemo(ctx, c.listen)
	if err != nil {
		return err
	}
	defer listeners.close() // the server, if there was one, has closed them
	site, err := newSite(seats, users, c, listeners, logger)
	if err != nil {
		return err
	}

	at := siteURL(listeners.site.Addr())
	fmt.Fprintf(stdout, "%s is the site. Sign in as %s (password: the same).\n", at, strings.Join(demo.Names(), ", "))
	fmt.Fprintf(stdout, "Open this: %s/stage, two devices on one account.\n", at)
	fmt.Fprintf(stdout, "Sessions are kept in %s; limit %d, policy %s. Ctrl-C ends it.\n", c.store.name, c.limit, c.policy)

	doors := map[string]http.Handler{
		portOf(listeners.site): site, portOf(listeners.phone): site.Phone(), portOf(listeners.laptop): site.Laptop(),
	}
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, port, _ := net.SplitHostPort(r.Context().Value(http.LocalAddrContextKey).(net.Addr).String())
			doors[port].ServeHTTP(w, r)
		}),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(demo.Seldom(logger.Handler()), slog.LevelWarn), // clients can cause any number of these lines
	}
	server.RegisterOnShutdown(site.Close)
	return serve(ctx, server, listeners.site, listeners.phone, listeners.laptop)
}

// newSite makes the site, and a guard for each of its three ports. Browsers share
// cookies between ports, so each guard has cookie names of its own.
func newSite(seats *oneseat.Registry, users *demo.Users, c demoConfig, at demoListeners, logger *slog.Logger) (*demo.Site, error) {
	var guards [3]*oneseathttp.Guard
	for i, g := range []oneseathttp.Config{
		{},
		{CookieName: "oneseat-phone", Device: demo.StagePhone},
		{CookieName: "oneseat-laptop", Device: demo.StageLaptop},
	} {
		g.SignInPath = demo.SignInPath
		var err error
		if guards[i], err = oneseathttp.New(seats, g); err != nil {
			return nil, err
		}
	}
	return demo.New(demo.Config{
		Registry: seats, Guard: guards[0], Users: users,
		Limit: c.limit, WhenFull: c.policy, Streams: c.streams, Logger: logger,
		Stage: &demo.Stage{
			Phone: guards[1], Laptop: guards[2],
			Hosts: c.hosts, SitePort: portOf(at.site), PhonePort: portOf(at.phone), LaptopPort: portOf(at.laptop),
		},
	})
}

// demoListeners listen for the site, and for the two devices of its stage.
type demoListeners struct{ site, phone, laptop net.Listener }

// listenDemo listens at an address, and at two free ports of the same host.
func listenDemo(ctx context.Context, address string) (l demoListeners, err error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return l, err
	}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	var config net.ListenConfig
	if l.site, err = config.Listen(ctx, "tcp", address); err != nil {
		return l, fmt.Errorf("cannot listen: %w; --listen 127.0.0.1:0 takes any free port", err)
	}
	for _, device := range []*net.Listener{&l.phone, &l.laptop} {
		if *device, err = config.Listen(ctx, "tcp", net.JoinHostPort(host, "0")); err != nil {
			return l, fmt.Errorf("cannot listen for the devices of the stage: %w", err)
		}
	}
	return l, nil
}

// close closes the listeners that are still open.
func (l demoListeners) close() {
	for _, one := range []net.Listener{l.site, l.phone, l.laptop} {
		if one != nil {
			_ = one.Close()
		}
	}
}

func portOf(l net.Listener) string {
	_, port, _ := net.SplitHostPort(l.Addr().String()) // the address of a listener has a port
	return port
}

// serve runs a server until ctx ends, and then shuts it down. Requests that are being
// answered have some time to end.
func serve(ctx context.Context, server *http.Server, listeners ...net.Listener) error {
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { failed <- server.Serve(l) }() // ends with Shutdown or Close
	}
	left := len(listeners)
	var broken error
	select {
	case broken = <-failed:
		left--
	case <-ctx.Done():
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
	defer cancel()
	err := server.Shutdown(late)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close() // they have had their time
	}
	for range left {
		<-failed //nolint:errcheck // it is http.ErrServerClosed
	}
	return errors.Join(broken, err)
}

// siteURL returns the URL of an address for a browser on this machine.
func siteURL(addr net.Addr) string {
	a, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return "http://" + addr.String()
	}
	if a.Addr().IsUnspecified() {
		a = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), a.Port())
	}
	return "http://" + a.String()
}
