package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/server"
)

const serveLong = `oneseat serve is the server: programs in any language ask it over HTTP to sign people in and to check their sessions. The page docs/server.md has the calls, docs/run.md how to run it as a service.

It prints the URL of its API, and writes its log to stderr. Ctrl-C (interrupt) and SIGTERM end it, after the calls that are being answered.`

const serveExample = `oneseat serve --dev
oneseat serve --keys keys.toml --store sqlite:/var/lib/oneseat/oneseat.db
oneseat serve --keys keys.toml --listen 0.0.0.0:7300 --tls-cert cert.pem --tls-key key.pem`

func newServeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "serve {--dev | --keys FILE} [flags]",
		Short:   "run the server, which programs in any language ask over HTTP",
		Long:    serveLong,
		Example: serveExample,
		GroupID: groupRun,
	}
	flags := serveFlags(cmd.Flags())
	completes(cmd, "policy", policies...)
	completes(cmd, "store", stores...)
	completes(cmd, "log", "text", "json")
	completes(cmd, "log-level", "debug", "info", "warn", "error")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := flags(args)
		if err != nil {
			return &usageError{err}
		}
		return serveAPI(cmd.Context(), c, cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	return cmd
}

// serveConfig is what the command line says.
type serveConfig struct {
	dev       bool
	keys      keySource
	listen    string
	admin     string // where operators read; "": nowhere
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

// serveFlags defines the flags. It returns a function that reads them once they are parsed.
// The error of that function joins everything that is wrong with their values.
func serveFlags(set *pflag.FlagSet) func(args []string) (serveConfig, error) {
	var c serveConfig
	set.BoolVar(&c.dev, "dev", false, "for development, on this machine only: makes a key of the API, keeps it in oneseat-dev.key in this folder, and prints it after the URL")
	keys := set.String("keys", "", "`FILE` the file of keys, which \"oneseat keys create\" makes; it may also say what is different about single realms. At the signal SIGHUP the server reads the keys again. Instead of the file, its text may be in the variable "+hashesVariable)
	set.StringVar(&c.listen, "listen", "127.0.0.1:7300", "`ADDRESS` where to listen (default 127.0.0.1:7300); port 0 takes a free one. unix:PATH is a Unix socket, for programs of the same user")
	set.StringVar(&c.cert, "tls-cert", "", "`FILE` the certificate for https")
	set.StringVar(&c.key, "tls-key", "", "`FILE` the private key of that certificate. The server reads both again when they change, and at SIGHUP")
	plain := set.Bool("without-tls", false, "allow --listen beyond this machine by plain http: everybody on the way can read the keys of the API, and use the sessions of others")
	set.StringVar(&c.admin, "admin-listen", "", "`ADDRESS` a second address, written like that of --listen, where operators and their programs read /metrics, /healthz, /readyz and /v1/openapi.json, by plain http and without a key (default: there is none)")
	open := set.Bool("admin-open", false, "allow --admin-listen beyond this machine: everybody who reaches that address can read how many sign in, and what fails")
	store := set.String("store", "sqlite:oneseat.db", "`STORE` where sessions are kept (default: what the variable "+storeVariable+" says, or sqlite:oneseat.db). All users of the machine can see a password in a flag, and not one in the variable:\n"+storesText)
	limit := set.String("limit", "1", "`N` sessions that an account may have at a time, 1 to 256 (default 1)")
	policy := set.String("policy", string(oneseat.PolicyDisplace), "`POLICY` what happens at a sign-in beyond the limit (default displace):\n"+policiesText)
	set.Float64Var(&c.signIns, "sign-ins-per-minute", 120, "`N` how often one account may sign in, in a minute; at once, half as often. More gets 429 (default 120; with --dev 0, which is no limit)")
	set.Float64Var(&c.calls, "calls-per-second", 0, "`N` how many calls one key may make in a second. More gets 429 (default 0, which is no limit)")
	set.StringVar(&c.cookie, "cookie-name", "oneseat", "`NAME` the name, after __Host-, of the cookie that the answer to a sign-in proposes (default oneseat)")
	set.BoolVar(&c.plain, "plain-cookie", false, "with --dev, for a site on plain http on this machine: that cookie has no __Host- and is not Secure")
	form := set.String("log", "text", "`FORM` how the log on stderr is written: text (default) or json")
	set.TextVar(&c.level, "log-level", slog.LevelInfo, "`LEVEL` what the log has: debug, info (default: a line for each call), warn or error")
	set.DurationVar(&c.drain, "drain", 500*time.Millisecond, "`DURATION` how long the server still answers after SIGTERM while /readyz says 503, so that a balancer in front sends calls elsewhere (default 500ms)")
	return func(args []string) (serveConfig, error) {
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
		local, err := isLocal("--listen", c.listen)
		errs = append(errs, err)
		bad(err == nil && !local && c.dev, "--listen: %q is not an address of this machine alone: --dev is for that only", c.listen)
		bad(err == nil && !local && !c.dev && c.cert == "" && !*plain, "--listen: %q is beyond this machine, where the keys of the API need TLS: set --tls-cert and --tls-key. Where something else in front has TLS, write --without-tls", c.listen)
		if c.admin != "" {
			local, err := isLocal("--admin-listen", c.admin)
			errs = append(errs, err)
			bad(err == nil && !local && !*open, "--admin-listen: %q is beyond this machine, and what is read there needs no key: in a network that only operators reach, write --admin-open", c.admin)
			bad(c.admin == c.listen && !strings.HasSuffix(c.admin, ":0"), "--admin-listen: %q is where the API listens: take another", c.admin)
		}
		bad(*open && c.admin == "", "--admin-open: there is no --admin-listen")
		c.store, err = chosenStore(set, *store)
		errs = append(errs, err)
		c.limit, err = limitFlag(*limit)
		errs = append(errs, err)
		c.policy, err = policyFlag(*policy)
		errs = append(errs, err)
		c.json = *form == "json"
		bad(!c.json && *form != "text", "--log: %q is neither text nor json", *form)
		const most = 1e6
		bad(!(c.signIns >= 0 && c.signIns <= most && c.calls >= 0 && c.calls <= most), "--sign-ins-per-minute, --calls-per-second: they are 0 to %d", int(most)) // NaN is not
		if !set.Changed("sign-ins-per-minute") && c.dev {
			c.signIns = 0
		}
		bad((&http.Cookie{Name: c.cookie, Value: "x"}).Valid() != nil || strings.HasPrefix(c.cookie, "__"), "--cookie-name: %q cannot name a cookie, or begins with a prefix", c.cookie)
		bad(c.plain && !c.dev, "--plain-cookie: it is for --dev: anybody on the way could read the cookie")
		bad(c.drain < 0, "--drain: %v is less than 0", c.drain)
		errs = append(errs, noArguments(nil, args))
		return c, errors.Join(errs...)
	}
}

// serveAPI serves until ctx ends. Then it ends what it has started, in the opposite
// order: calls, what operators read, registries, store.
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
	measured := server.Measure(data.store)
	realms := make(map[string]*oneseat.Registry)
	for _, realm := range keys.file.realms() {
		seats, wrong := oneseat.New(measured.Store(), keys.file.Realm[realm].config(oneseat.Config{Realm: realm, Limit: c.limit, WhenFull: c.policy, LimitFor: server.LimitFor, Logger: logger}))
		if wrong != nil {
			return fmt.Errorf("realm %q: %w", realm, wrong)
		}
		defer func() { err = errors.Join(err, seats.Close()) }()
		realms[realm] = seats
	}
	handler, err := server.New(server.Config{Realms: realms, Store: measured, Keys: keys.keys, Version: version(), Logger: logger, SignInRate: c.signIns, KeyRate: c.calls, CookieName: c.cookie, PlainCookie: c.plain})
	if err != nil {
		return err
	}
	listener, at, err := listen(ctx, "--listen", c.listen)
	if err != nil {
		return err
	}
	adminAt, endAdmin, err := c.serveOperators(ctx, handler.Operations(), logger)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer func() { err = errors.Join(err, endAdmin()) }() // until then it says that the server is alive, and not ready
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
	if c.admin != "" {
		fmt.Fprintln(stdout, "admin", adminAt)
	}
	tell := func(state string) {
		if err := notify(context.WithoutCancel(ctx), state); err != nil {
			logger.Error("systemd is not told", "error", err)
		}
	}
	tell("READY=1\nSTATUS=" + at)
	if c.store.name == "memory" {
		logger.Warn("the store is the memory of this process: all sessions are lost when it ends, and no other process has them")
	}
	logger.Info("serving", "version", version(), "at", at, "store", c.store.name, "realms", keys.file.realms())
	late, cancel := after(ctx, func() {
		logger.Info("ending, after the calls that have begun", "drain", c.drain)
		tell("STOPPING=1")
		handler.Drain()
	}, c.drain)
	defer cancel()
	return serve(late, httpServer(handler, logger), listener)
}

// serveOperators serves what operators read, if it was asked for, until end is called.
func (c serveConfig) serveOperators(ctx context.Context, h http.Handler, logger *slog.Logger) (at string, end func() error, err error) {
	if c.admin == "" {
		return "", func() error { return nil }, nil
	}
	l, at, err := listen(ctx, "--admin-listen", c.admin)
	if err != nil {
		return "", nil, err
	}
	serving, cancel := context.WithCancel(context.WithoutCancel(ctx))
	over := make(chan error, 1)
	go func() { // ends with end
		err := serve(serving, httpServer(h, logger), l)
		if err != nil {
			logger.Error("the listener for operators has failed", "error", err)
		}
		over <- err
	}()
	return at, func() error { cancel(); return <-over }, nil
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
