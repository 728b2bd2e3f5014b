package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/server"
)

const serveUsage = `oneseat serve --dev serves the API for programs in any language, on this machine, to
develop with.

Usage:

	oneseat serve --dev [flags]

Flags:

	--dev              keep sessions in oneseat.db and the key of the API in
	                   oneseat-dev.key, both in this folder; required at this time
	--listen ADDRESS   where to listen (default 127.0.0.1:7300), on this machine only;
	                   port 0 takes a free one
	--limit N          sessions that an account may have at a time, 1 to 256 (default 1)
	--policy POLICY    what a sign-in beyond the limit meets: displace (default), refuse
	                   or ask

It prints two lines: the URL of the API, and the key. Interrupt (Ctrl-C) ends it.
`

// devKeyFile has the key of a developer's server.
const devKeyFile = "oneseat-dev.key"

// serveConfig is what the command line says.
type serveConfig struct {
	listen string
	limit  int
	policy oneseat.Policy
}

// parseServe reads the flags. The error joins everything that is wrong with their
// values. It is flag.ErrHelp if help was asked for.
func parseServe(args []string) (serveConfig, error) {
	set := flag.NewFlagSet("oneseat serve", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	dev := set.Bool("dev", false, "")
	listen := set.String("listen", "127.0.0.1:7300", "")
	limit := set.String("limit", "1", "")
	policy := set.String("policy", string(oneseat.PolicyDisplace), "")
	if err := set.Parse(args); err != nil {
		return serveConfig{}, err
	}
	var errs []error
	c := serveConfig{listen: *listen}
	if !*dev {
		errs = append(errs, errors.New("--dev: it is required, because there is no server for production yet"))
	}
	host, _, err := net.SplitHostPort(c.listen)
	if err != nil {
		errs = append(errs, fmt.Errorf("--listen: %q is not an address with a port, such as 127.0.0.1:7300", c.listen))
	} else if a, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !a.IsLoopback()) {
		errs = append(errs, fmt.Errorf("--listen: %q is not an address of this machine alone, and --dev has no TLS: write 127.0.0.1 or [::1]", c.listen))
	}
	c.limit, err = limitFlag(*limit)
	errs = append(errs, err)
	c.policy, err = policyFlag(*policy)
	errs = append(errs, err)
	for _, arg := range set.Args() {
		errs = append(errs, fmt.Errorf("%q is not a flag", arg))
	}
	return c, errors.Join(errs...)
}

// runServe runs "oneseat serve".
func runServe(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c, err := parseServe(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, serveUsage)
		return exitOK
	case err != nil:
		for line := range strings.Lines(err.Error()) {
			fmt.Fprintf(stderr, "oneseat serve: %s\n", strings.TrimSuffix(line, "\n"))
		}
		fmt.Fprintln(stderr, `See "oneseat serve -h".`)
		return exitUsage
	}
	if err := serveAPI(ctx, c, stdout, stderr); err != nil {
		fmt.Fprintf(stderr, "oneseat serve: %v\n", err)
		return exitFailed
	}
	return exitOK
}

// serveAPI serves until ctx ends. Then it ends what it has started, in the opposite
// order: requests, registry, store.
func serveAPI(ctx context.Context, c serveConfig, stdout, stderr io.Writer) (err error) {
	logger := slog.New(slog.NewTextHandler(stderr, nil))
	secret, err := devKey(devKeyFile)
	if err != nil {
		return err
	}
	spec, err := parseStore("sqlite:oneseat.db")
	if err != nil {
		return err
	}
	data, err := spec.open(ctx, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, data.close()) }()
	seats, err := oneseat.New(data.store, oneseat.Config{Limit: c.limit, WhenFull: c.policy, Logger: logger})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, seats.Close()) }()

	realm := seats.Config().Realm
	key, err := server.KeyOf(secret, realm, server.ScopeCheck, server.ScopeSessions, server.ScopeAdmin)
	if err != nil {
		return fmt.Errorf("%s: %w; remove the file, and a new key is made", devKeyFile, err)
	}
	handler, err := server.New(server.Config{Realms: map[string]*oneseat.Registry{realm: seats}, Keys: []server.Key{key}, Version: version(), Logger: logger})
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", c.listen)
	if err != nil {
		return fmt.Errorf("cannot listen: %w; --listen 127.0.0.1:0 takes any free port", err)
	}
	fmt.Fprintf(stdout, "%s\n%s\n", siteURL(listener.Addr()), secret)
	return serve(ctx, &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second, // a body has 64 KiB at most
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}, listener)
}

// devKey returns the key of a developer's server, from a file that is made if it is
// missing. Only its owner may read the file.
func devKey(file string) (string, error) {
	b, err := os.ReadFile(file)
	if err == nil {
		return strings.TrimSpace(string(b)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	secret, _ := server.NewKey("")
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	_, err = fmt.Fprintln(f, secret)
	return secret, errors.Join(err, f.Close())
}
