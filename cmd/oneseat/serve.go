package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/server"
)

const serveUsage = `oneseat serve serves the API for programs in any language.

Usage:

	oneseat serve --dev [flags]
	oneseat serve --keys FILE [flags]

Flags:

	--dev              to develop with: the key of the API is made, and kept in
	                   oneseat-dev.key in this folder. It listens on this machine only,
	                   and prints two lines: the URL of the API, and the key
	--keys FILE        the keys of the API, see "oneseat keys -h", and what is different
	                   about single realms. SIGHUP has the keys read again. Instead of the
	                   file, its text may be in the variable ONESEAT_KEY_HASHES
	--listen ADDRESS   where to listen (default 127.0.0.1:7300); port 0 takes a free one.
	                   unix:PATH is a Unix socket, for programs of the same user
	--tls-cert FILE    the certificate, and
	--tls-key FILE     its key, for https. Both are read again when they change, and at
	                   SIGHUP
	--without-tls      listen beyond this machine by plain http: everybody on the way can
	                   read the keys of the API, and take over sessions
	--store STORE      as that of "oneseat demo" (default sqlite:oneseat.db)
	--limit N          sessions that an account may have at a time, 1 to 256 (default 1)
	--policy POLICY    what a sign-in beyond the limit meets: displace (default), refuse
	                   or ask
	--sign-ins-per-minute N
	                   of one account; half as many at once. What is beyond gets 429
	                   (default 120, with --dev 0: any number)
	--calls-per-second N
	                   with one key (default 0: any number)
	--cookie-name NAME of the cookie that the answer to a sign-in proposes, after its
	                   prefix __Host- (default oneseat)
	--plain-cookie     with --dev: the site is plain http on this machine, so that cookie
	                   has no prefix and is not Secure
	--log FORM         of the log, which is written to stderr: text (default) or json
	--log-level LEVEL  debug, info (default: with a line for each call), warn or error
	--drain DURATION   how long it goes on at its end while /readyz says no, so that what
	                   stands in front sends no more (default 500ms)

Interrupt (Ctrl-C) and SIGTERM end it, after the calls that are being answered.
`

// serveConfig is what the command line says.
type serveConfig struct {
	dev       bool
	keys      keySource
	listen    string
	cert, key string // files of TLS; "": plain http
	store     storeSpec
	limit     int
	policy    oneseat.Policy
	drain     time.Duration
	signIns   float64 // a minute, of an account
	calls     float64 // a second, of a key
	cookie    string  // its name
	plain     bool    // for a site on plain http
	json      bool    // the form of the log
	level     slog.Level
}

// parseServe reads the flags. The error joins everything that is wrong with their
// values. It is flag.ErrHelp if help was asked for.
func parseServe(args []string) (serveConfig, error) {
	set := flag.NewFlagSet("oneseat serve", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	var c serveConfig
	set.BoolVar(&c.dev, "dev", false, "")
	keys := set.String("keys", "", "")
	set.StringVar(&c.listen, "listen", "127.0.0.1:7300", "")
	set.StringVar(&c.cert, "tls-cert", "", "")
	set.StringVar(&c.key, "tls-key", "", "")
	plain := set.Bool("without-tls", false, "")
	store := set.String("store", "sqlite:oneseat.db", "")
	limit := set.String("limit", "1", "")
	policy := set.String("policy", string(oneseat.PolicyDisplace), "")
	set.Float64Var(&c.signIns, "sign-ins-per-minute", 120, "")
	set.Float64Var(&c.calls, "calls-per-second", 0, "")
	set.StringVar(&c.cookie, "cookie-name", "oneseat", "")
	set.BoolVar(&c.plain, "plain-cookie", false, "")
	form := set.String("log", "text", "")
	set.TextVar(&c.level, "log-level", slog.LevelInfo, "")
	set.DurationVar(&c.drain, "drain", 500*time.Millisecond, "")
	if err := set.Parse(args); err != nil {
		return serveConfig{}, err
	}
	var errs []error
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	var err error
	c.keys, err = sourceOfKeys(c.dev, *keys)
	errs = append(errs, err)
	bad((c.cert == "") != (c.key == ""), "--tls-cert, --tls-key: they belong together")
	bad(*plain && c.cert != "", "--without-tls: there is TLS")
	bad(strings.HasPrefix(c.listen, unixPrefix) && c.cert != "", "--tls-cert: a Unix socket is of this machine alone, and needs no TLS")
	local, err := isLocal(c.listen)
	errs = append(errs, err)
	bad(err == nil && !local && c.dev, "--listen: %q is not an address of this machine alone: --dev is for that only", c.listen)
	bad(err == nil && !local && !c.dev && c.cert == "" && !*plain, "--listen: %q is beyond this machine, where the keys of the API need TLS: set --tls-cert and --tls-key. Where something else in front has TLS, write --without-tls", c.listen)
	c.store, err = parseStore(*store)
	errs = append(errs, err)
	c.limit, err = limitFlag(*limit)
	errs = append(errs, err)
	c.policy, err = policyFlag(*policy)
	errs = append(errs, err)
	c.json = *form == "json"
	bad(!c.json && *form != "text", "--log: %q is neither text nor json", *form)
	const most = 1e6
	bad(!(c.signIns >= 0 && c.signIns <= most && c.calls >= 0 && c.calls <= most), "--sign-ins-per-minute, --calls-per-second: they are 0 to %d", int(most)) // NaN is not
	if !slices.Contains(visited(set), "sign-ins-per-minute") && c.dev {
		c.signIns = 0
	}
	bad((&http.Cookie{Name: c.cookie, Value: "x"}).Valid() != nil || strings.HasPrefix(c.cookie, "__"), "--cookie-name: %q cannot name a cookie, or begins with a prefix", c.cookie)
	bad(c.plain && !c.dev, "--plain-cookie: it is for --dev: anybody on the way could read the cookie")
	bad(c.drain < 0, "--drain: %v is less than nothing", c.drain)
	bad(set.NArg() > 0, "%q is not a flag", set.Arg(0))
	return c, errors.Join(errs...)
}

// visited are the names of the flags that were written.
func visited(set *flag.FlagSet) (names []string) {
	set.Visit(func(f *flag.Flag) { names = append(names, f.Name) })
	return names
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
// order: requests, registries, store.
func serveAPI(ctx context.Context, c serveConfig, stdout, stderr io.Writer) (err error) {
	logger := c.log(stderr)
	keys, err := c.keys.read()
	if err != nil {
		return err
	}
	data, err := c.store.open(ctx, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, data.close()) }()
	realms := make(map[string]*oneseat.Registry)
	for _, realm := range keys.file.realms() {
		seats, wrong := oneseat.New(data.store, keys.file.Realm[realm].config(oneseat.Config{Realm: realm, Limit: c.limit, WhenFull: c.policy, LimitFor: server.LimitFor, Logger: logger}))
		if wrong != nil {
			return fmt.Errorf("realm %q: %w", realm, wrong)
		}
		defer func() { err = errors.Join(err, seats.Close()) }()
		realms[realm] = seats
	}
	handler, err := server.New(server.Config{Realms: realms, Keys: keys.keys, Version: version(), Logger: logger, SignInRate: c.signIns, KeyRate: c.calls, CookieName: c.cookie, PlainCookie: c.plain})
	if err != nil {
		return err
	}
	listener, at, err := listen(ctx, c.listen)
	if err != nil {
		return err
	}
	var pair *certificate
	if c.cert != "" {
		if pair, err = readCertificate(c.cert, c.key, logger); err != nil {
			return errors.Join(err, listener.Close())
		}
		listener = pair.over(listener)
		at = "https" + strings.TrimPrefix(at, "http")
	}
	stop := onHangup(func() {
		c.keys.reread(handler, keys.file, logger)
		if pair != nil {
			pair.reread()
		}
	})
	defer stop()
	fmt.Fprintln(stdout, at)
	if c.dev {
		fmt.Fprintln(stdout, keys.secret)
	}
	late, cancel := after(ctx, handler.Drain, c.drain)
	defer cancel()
	return serve(late, httpServer(handler, logger), listener)
}

// log returns the logger of the server.
func (c serveConfig) log(to io.Writer) *slog.Logger {
	how := &slog.HandlerOptions{Level: c.level}
	if c.json {
		return slog.New(slog.NewJSONHandler(to, how))
	}
	return slog.New(slog.NewTextHandler(to, how))
}

// httpServer is a server of the API with all that bounds what a caller may take.
func httpServer(h http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second, // a body has 64 KiB at most
		WriteTimeout:      time.Minute,      // a call waits for half of that at most
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
}

// after returns a context that ends some time after ctx. When ctx ends, first is called.
func after(ctx context.Context, first func(), wait time.Duration) (context.Context, context.CancelFunc) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		first()
		t := time.NewTimer(wait)
		defer t.Stop()
		select {
		case <-t.C:
		case <-late.Done():
		}
		cancel()
	})
	return late, func() { stop(); cancel() }
}

// onHangup calls f at each SIGHUP, on one goroutine, which stop ends.
func onHangup(f func()) (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range signals {
			f()
		}
	}()
	return func() {
		signal.Stop(signals)
		close(signals)
		<-done
	}
}
