package main

import (
	"cmp"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/oneseat/oneseat/internal/doctor"
)

const doctorLong = `oneseat doctor looks at a running system, and says what is wrong with it and how to cure that. It examines what its flags name, and changes nothing.

It exits with 0 if nothing is wrong, and with 1 if something is. The page docs/operations.md lists what it finds.`

const doctorExample = `oneseat doctor --url http://127.0.0.1:7300 --key-file oneseat-dev.key
oneseat doctor --url https://a.internal:7300 --url https://b.internal:7300 --key-file admin.key --keys /etc/oneseat/keys.toml
oneseat doctor --store sqlite:/var/lib/oneseat/oneseat.db
oneseat doctor --app https://shop.example.com/account --app-direct http://10.0.0.7:8000/account`

// doctorConfig is what the command line says.
type doctorConfig struct {
	urls, keys       []string
	key, keyFile, ca string
	realm, store     string
	profile          string
	app, direct      string
	header           string
	json, strict     bool
}

func newDoctorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "doctor [flags]",
		Short:   "say what is wrong with a running system, and how to cure it",
		Long:    doctorLong,
		Example: doctorExample,
		GroupID: groupRun,
	}
	var c doctorConfig
	set := cmd.Flags()
	set.StringArrayVar(&c.urls, "url", nil, "`URL` a server, such as https://oneseat.internal:7300, or unix:PATH. Write the flag once for each server")
	set.StringVar(&c.keyFile, "key-file", "", "`FILE` a file with a key of the servers' API. Without this flag the key is in the variable "+keyVariable)
	set.StringVar(&c.key, "key", "", "`KEY` the key itself, which others on this machine can then see in the list of processes")
	set.StringVar(&c.ca, "ca", "", "`FILE` the certificate of the authority that signed those of the servers, if it is not a public one")
	set.StringVar(&c.realm, "realm", "", "`REALM` the realm that the key should be of")
	set.StringVar(&c.store, "store", "", "`STORE` the store of the servers, written as for \"oneseat serve\". Instead of the flag the variable "+storeVariable+" may say it")
	set.StringVar(&c.profile, "profile", "", "`NAME` take url, key_file, ca, store and realm from the part [profile.NAME] of a file (see \"oneseat accounts list -h\"). If no flag says what to examine, [profile.default] does")
	set.StringArrayVar(&c.keys, "keys", nil, "`FILE` the file of \"oneseat serve --keys\", or another one with keys in it. Write the flag once for each file")
	set.StringVar(&c.app, "app", "", "`URL` a page of the application that needs a sign-in, as visitors reach it")
	set.StringVar(&c.direct, "app-direct", "", "`URL` the same page at the application itself, past its proxy. The doctor asks for it in the name of the account oneseat-doctor")
	set.StringVar(&c.header, "app-header", "X-Account", "`NAME` the header in which the proxy tells the application the account (default X-Account)")
	set.BoolVar(&c.strict, "strict", false, "a warning counts as wrong too: if there is one, the exit code is 1")
	set.BoolVar(&c.json, "json", false, "print the report as one JSON object, for programs")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		subject, err := c.subject()
		if err = errors.Join(err, noArguments(cmd, args)); err != nil {
			return &usageError{err}
		}
		report := doctor.Examine(cmd.Context(), subject)
		if err := cmd.Context().Err(); err != nil {
			return err
		}
		out := cmd.OutOrStdout()
		if c.json {
			err = report.WriteJSON(out)
		} else {
			err = report.Write(out, styleOf(out))
		}
		if err == nil && report.Wrong(c.strict) {
			err = &codedError{nil, exitFailed}
		}
		return err
	}
	return cmd
}

// complete takes what the flags leave open from a profile and from the environment.
func (c *doctorConfig) complete() error {
	none := len(c.urls)+len(c.keys) == 0 && c.store+c.app+c.direct == ""
	if c.profile != "" || none && os.Getenv(storeVariable) == "" {
		p, err := readProfile(c.profile)
		if err != nil {
			return err
		}
		if p.URL != "" {
			c.urls = append(c.urls, p.URL)
		}
		if c.key == "" {
			c.keyFile = cmp.Or(c.keyFile, p.KeyFile)
		}
		c.ca, c.store, c.realm = cmp.Or(c.ca, p.CA), cmp.Or(c.store, p.Store), cmp.Or(c.realm, p.Realm)
	}
	c.store = cmp.Or(c.store, os.Getenv(storeVariable))
	if len(c.urls)+len(c.keys) == 0 && c.store+c.app+c.direct == "" {
		return errors.New("there is nothing to examine: name a server (--url), a store (--store), a file of keys (--keys), or an application (--app, --app-direct)")
	}
	return nil
}

// subject is what the doctor is to examine. The error joins everything that is wrong with
// the flags.
func (c *doctorConfig) subject() (doctor.Subject, error) {
	errs := []error{c.complete()}
	bad := func(err error) { errs = append(errs, err) }
	s := doctor.Subject{Servers: c.urls, Realm: c.realm, Store: c.store, App: c.app, Direct: c.direct, Header: c.header}
	if s.Store != "" {
		_, err := parseStore(s.Store)
		bad(err)
	}
	switch {
	case len(s.Servers) > 0 && c.key+c.keyFile+strings.TrimSpace(os.Getenv(keyVariable)) != "":
		key, err := (&connection{key: c.key, keyFile: c.keyFile}).readKey()
		s.Key = key
		bad(err)
	case len(s.Servers) == 0 && c.key+c.keyFile+c.ca != "":
		bad(errors.New("--key, --key-file, --ca: they are for a server: name one by --url"))
	}
	if c.keyFile != "" {
		s.Files = append(s.Files, doctor.File{Path: c.keyFile})
	}
	if c.ca != "" {
		pool, err := authorities(c.ca)
		s.Trusted = pool
		bad(err)
	}
	for _, path := range c.keys {
		s.Files = append(s.Files, doctor.File{Path: path, Keys: keysIn(path)})
	}
	return s, errors.Join(errs...)
}

// keysIn returns the keys of a file of keys; none if it is no such file, or cannot be
// read, which the doctor says.
func keysIn(path string) (list []doctor.Key) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	_, keys, err := readKeyFile(string(b), path)
	if err != nil {
		return nil
	}
	for _, k := range keys {
		list = append(list, doctor.Key{ID: k.ID, Realm: k.Realm, Hash: k.Hash})
	}
	return list
}

// styleOf is how a report looks where it is written to. The locale says whether that
// shows UTF-8.
func styleOf(w io.Writer) doctor.Style {
	p := newPrinter(w)
	locale := cmp.Or(os.Getenv("LC_ALL"), os.Getenv("LC_CTYPE"), os.Getenv("LANG"))
	return doctor.Style{
		Width: min(cmp.Or(p.columns, helpWidth), 120),
		UTF8:  strings.Contains(strings.ToLower(strings.ReplaceAll(locale, "-", "")), "utf8"),
		Color: p.colour,
	}
}
