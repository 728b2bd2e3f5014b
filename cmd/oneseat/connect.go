package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/user"
	"strings"

	"github.com/spf13/pflag"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/client"
)

// keyVariable is the environment variable that may have a key of the API.
const keyVariable = "ONESEAT_KEY"

// connection says what a command connects to: a server, or a store.
type connection struct {
	url, key, keyFile, ca, profile string
	store, realm                   string

	// Of some commands:
	typed  string         // the realm, as somebody typed it; "": nobody did
	limit  int            // by which a sign-in is explained on a store
	policy oneseat.Policy // likewise
	rules  bool           // these two were set

	log causes // of a store
}

// groupConnection is the annotation of flags that have a part of their own in the help.
const groupConnection = "connection"

func (c *connection) flags(set *pflag.FlagSet) {
	c.limit, c.policy = oneseat.Unlimited, oneseat.PolicyDisplace
	set.StringVar(&c.url, "url", "", "`URL` the server, such as https://oneseat.internal:7300, or unix:PATH")
	set.StringVar(&c.keyFile, "key-file", "", "`FILE` a file with a key of the server's API. Without this flag the key is in the variable "+keyVariable)
	set.StringVar(&c.key, "key", "", "`KEY` the key itself, which others on this machine can then see in the list of processes")
	set.StringVar(&c.ca, "ca", "", "`FILE` the certificate of the authority that signed the server's, if it is not a public one")
	set.StringVar(&c.store, "store", "", "`STORE` instead of a server: the store, written as for \"oneseat serve\". Instead of the flag the variable "+storeVariable+" may say it: all users of the machine can see a password in a flag")
	set.StringVar(&c.realm, "realm", "", "`REALM` the realm (the accounts of one site) of the store (default \"default\"). On a server it is always the realm of the key")
	set.StringVar(&c.profile, "profile", "", "`NAME` take url, key_file, ca, store and realm from the part [profile.NAME] of the file oneseat/profiles.toml in your folder of configurations (on Linux ~/.config). Without --url, --store and --profile it is [profile.default]")
	for _, name := range []string{"url", "key-file", "key", "ca", "store", "realm", "profile"} {
		set.Lookup(name).Annotations = map[string][]string{groupConnection: nil}
	}
}

// nowhere says what to set.
const nowhere = `neither a server nor a store is named. Set one of these:
--url URL, and the key in ` + keyVariable + ` or --key-file
--store STORE, or the variable ` + storeVariable + `
--profile NAME, or write [profile.default] into `

// complete takes what the flags leave open from a profile and from the environment. Its
// error is a *usageError.
func (c *connection) complete() error {
	var errs []error
	bad := func(wrong bool, text string) {
		if wrong {
			errs = append(errs, errors.New(text))
		}
	}
	bad(c.url != "" && c.store != "", "--url, --store: name one of them")
	bad(c.profile != "" && c.url+c.store != "", "--profile: it names the server or the store: leave --url and --store out")
	if c.url+c.store+c.profile == "" {
		c.store = os.Getenv(storeVariable)
	}
	if c.url == "" && c.store == "" {
		p, err := readProfile(c.profile)
		if err != nil {
			return &usageError{errors.Join(append(errs, err)...)}
		}
		c.url, c.store = p.URL, p.Store
		c.ca, c.realm = cmp.Or(c.ca, p.CA), cmp.Or(c.realm, p.Realm)
		if c.key == "" {
			c.keyFile = cmp.Or(c.keyFile, p.KeyFile)
		}
		bad(p.URL != "" && p.Store != "", "the profile has url and store: it needs one of them")
	}
	if c.url == "" && c.store == "" && len(errs) == 0 {
		file, _ := profilesFile() // "" if there is no such folder
		return &usageError{errors.New(nowhere + file)}
	}
	bad(c.url != "" && c.rules, "--limit, --policy: a server knows its own: leave them out")
	if c.store != "" {
		bad(c.key+c.keyFile+c.ca != "", "--key, --key-file, --ca: a store has none of these")
	} else if key, err := c.readKey(); err != nil {
		errs = append(errs, err)
	} else {
		c.key = key
	}
	if len(errs) > 0 {
		return &usageError{errors.Join(errs...)}
	}
	return nil
}

// readKey returns the key of the API.
func (c *connection) readKey() (string, error) {
	if c.key != "" && c.keyFile != "" {
		return "", errors.New("--key, --key-file: name one of them")
	}
	if c.keyFile != "" {
		b, err := os.ReadFile(c.keyFile)
		if err != nil {
			return "", fmt.Errorf("--key-file: %w", err)
		}
		key := strings.TrimSpace(string(b))
		if !strings.HasPrefix(key, "oneseat_key_") || strings.ContainsAny(key, " \n\r\t") {
			return "", fmt.Errorf("--key-file: %s has not one line with a key, such as \"oneseat keys create\" prints", c.keyFile)
		}
		return key, nil
	}
	if key := cmp.Or(c.key, strings.TrimSpace(os.Getenv(keyVariable))); key != "" {
		return key, nil
	}
	return "", fmt.Errorf("the server wants a key: set %s or --key-file. \"oneseat keys create --file FILE --scopes check,sessions,admin\" makes one in the server's file of keys; that of \"oneseat serve --dev\" is in oneseat-dev.key", keyVariable)
}

// connected is a server, or a store as a server within this process.
type connected struct {
	*client.Client
	where   string // for people
	isStore bool
	close   func() error
}

// open connects. Warnings go to stderr.
func (c *connection) open(ctx context.Context, stderr io.Writer) (*connected, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	if c.store != "" {
		return c.openStore(ctx)
	}
	config := client.Config{URL: c.url, Key: c.key, Logger: slog.New(slog.DiscardHandler)}
	if at, err := url.Parse(c.url); err == nil && at.Scheme == "http" && !isLoopback(at.Hostname()) {
		fmt.Fprintf(stderr, "%s is plain http: everybody on the way can read the key\n", plain(c.url))
	}
	if c.ca != "" {
		pool, err := authorities(c.ca)
		if err == nil && !strings.HasPrefix(c.url, "https:") {
			err = errors.New("--ca: the server has no https")
		}
		if err != nil {
			return nil, &usageError{err}
		}
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
		config.Transport = transport
	}
	k, err := client.New(ctx, config)
	if err != nil {
		return nil, c.said(err)
	}
	if realm := k.Config().Realm; c.realm != "" && c.realm != realm {
		return nil, errors.Join(&usageError{fmt.Errorf("--realm: the key is of the realm %s, and not of %s", word(realm), word(c.realm))}, k.Close())
	}
	return &connected{k, c.url, false, k.Close}, nil
}

// authorities reads the file of the flag --ca.
func authorities(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("--ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("--ca: %s has no certificate", file)
	}
	return pool, nil
}

func (c *connection) openStore(ctx context.Context) (*connected, error) {
	spec, err := parseStore(c.store)
	if err != nil {
		return nil, &usageError{err}
	}
	if c.store == memoryStore {
		return nil, &usageError{errors.New("--store: memory: is in its process alone. Ask the server that has it: --url")}
	}
	realm := cmp.Or(c.realm, c.typed, "default")
	if file, is := strings.CutPrefix(c.store, "sqlite:"); is { // a command that looks at a store makes none
		if _, err := os.Stat(file); err != nil {
			return nil, fmt.Errorf("--store: %w", err)
		}
	}
	l, secret, err := openLocal(ctx, spec, realm, c.limit, c.policy, slog.New(&c.log))
	if _, is := errors.AsType[*oneseat.StoreError](err); is {
		return nil, &codedError{err, exitNoAnswer}
	}
	if err != nil {
		return nil, err
	}
	k, err := l.client(ctx, secret)
	if err != nil {
		return nil, errors.Join(c.said(err), l.close())
	}
	return &connected{k, spec.name, true, func() error { return errors.Join(k.Close(), l.close()) }}, nil
}

// said returns an error of a call in words for an operator.
func (c *connection) said(err error) error {
	where := "the server at " + c.url
	if c.store != "" {
		where = "the store"
	}
	if p, ok := errors.AsType[*client.Problem](err); ok {
		switch p.Name() {
		case "bad-key":
			return fmt.Errorf("%s does not know the key. It may have been taken back, or the server has not read its file of keys again (SIGHUP)", where)
		case "not-allowed":
			return fmt.Errorf("%s does not allow this with the key: %s This command needs a key of the scopes check, sessions and admin", where, p.Detail)
		case "no-answer":
			return &codedError{fmt.Errorf("%s could not do this, and nothing was done: %s", where, cmp.Or(c.log.cause(), p.Detail)), exitNoAnswer}
		case "outcome-unknown":
		default:
			return fmt.Errorf("%s refused: %s. %s", where, p.Title, p.Detail)
		}
	}
	if errors.Is(err, oneseat.ErrUnknownOutcome) {
		return &codedError{fmt.Errorf("%s gave no answer, and it may have been done. Do it once more: that does no harm (%w)", where, lastOf(err)), exitNoAnswer}
	}
	if errors.Is(err, oneseat.ErrStoreUnavailable) {
		return &codedError{fmt.Errorf("%s gave no answer: %w", where, lastOf(err)), exitNoAnswer}
	}
	return err
}

// lastOf returns the innermost error of an error.
func lastOf(err error) error {
	for {
		switch e := err.(type) { //nolint:errorlint // it walks what is wrapped
		case interface{ Unwrap() error }:
			next := e.Unwrap()
			if next == nil {
				return err
			}
			if _, is := err.(*net.OpError); is { //nolint:errorlint // its words have the address
				return err
			}
			err = next
		case interface{ Unwrap() []error }:
			all := e.Unwrap()
			err = all[len(all)-1]
		default:
			return err
		}
	}
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// loginName is the actor unless another one is named.
func loginName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return cmp.Or(os.Getenv("USER"), "unknown")
}
