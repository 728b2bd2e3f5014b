package main

import (
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/oneseat/oneseat/server"
)

const keysUsage = `oneseat keys create makes a key of the API. It adds what the server has to know of the
key to a file, which is for "oneseat serve --keys", and prints the key: it is shown only
here. To take a key back, remove its part of the file.

Usage:

	oneseat keys create --file FILE [flags]

Flags:

	--file FILE        the file of keys, made if it is missing
	--scopes SCOPES    what the key allows, with commas between (default check,sessions):
	                   check: look sessions up by their tokens
	                   sessions: sign in and out, list and end sessions
	                   admin: read, limit and block accounts
	--realm REALM      the population of accounts that it is for (default "default")
`

// keyFile is a file of keys. It has their hashes, and no key.
type keyFile struct {
	Key []keyEntry `toml:"key"`
}

type keyEntry struct {
	ID     string   `toml:"id"`
	SHA256 string   `toml:"sha256"` // of the whole key, in hexadecimal
	Realm  string   `toml:"realm"`
	Scopes []string `toml:"scopes"`
}

// readKeys returns the keys of a file. The error says what is wrong with which of them.
func readKeys(file string) ([]server.Key, error) {
	var in keyFile
	meta, err := toml.DecodeFile(file, &in)
	if err != nil {
		return nil, fmt.Errorf("--keys: %w", err)
	}
	var errs []error
	for _, unknown := range meta.Undecoded() {
		errs = append(errs, fmt.Errorf("--keys: %s: %q is not known: a [[key]] has id, sha256, realm and scopes", file, unknown.String()))
	}
	var keys []server.Key
	for i, e := range in.Key {
		k := server.Key{ID: e.ID, Realm: e.Realm}
		sum, err := hex.DecodeString(e.SHA256)
		if err != nil || len(sum) != len(k.Hash) {
			errs = append(errs, fmt.Errorf("--keys: %s: key %d (%q): sha256 is not 64 hexadecimal digits", file, i+1, e.ID))
		}
		copy(k.Hash[:], sum)
		for _, s := range e.Scopes {
			k.Scopes = append(k.Scopes, server.Scope(s))
		}
		if len(k.Scopes) == 0 || k.Realm == "" {
			errs = append(errs, fmt.Errorf("--keys: %s: key %d (%q): it needs a realm, and scopes", file, i+1, e.ID))
		}
		keys = append(keys, k)
	}
	if len(in.Key) == 0 && len(errs) == 0 {
		errs = append(errs, fmt.Errorf(`--keys: %s has no [[key]]: "oneseat keys create --file %s" makes one`, file, file))
	}
	return keys, errors.Join(errs...)
}

// runKeys runs "oneseat keys".
func runKeys(args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "create" {
		args = args[1:]
	} else if !slices.Contains([]string{"-h", "-help", "--help"}, strings.Join(args, " ")) {
		fmt.Fprint(stderr, keysUsage)
		return exitUsage
	}
	set := flag.NewFlagSet("oneseat keys create", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	file := set.String("file", "", "")
	scopes := set.String("scopes", "check,sessions", "")
	realm := set.String("realm", "default", "")
	err := set.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, keysUsage)
		return exitOK
	case err == nil && *file == "":
		err = errors.New("--file: name the file of keys")
	case err == nil && set.NArg() > 0:
		err = fmt.Errorf("%q is not a flag", set.Arg(0))
	}
	var list []server.Scope
	for s := range strings.SplitSeq(*scopes, ",") {
		if k := server.Scope(s); err == nil && !slices.Contains([]server.Scope{server.ScopeCheck, server.ScopeSessions, server.ScopeAdmin}, k) {
			err = fmt.Errorf("--scopes: %q is neither check, sessions nor admin", s)
		} else {
			list = append(list, k)
		}
	}
	if err != nil {
		fmt.Fprintf(stderr, "oneseat keys create: %v\nSee \"oneseat keys -h\".\n", err)
		return exitUsage
	}
	secret, key := server.NewKey(*realm, list...)
	if err := addKey(*file, key); err != nil {
		fmt.Fprintf(stderr, "oneseat keys create: %v\n", err)
		return exitFailed
	}
	fmt.Fprintln(stdout, secret)
	return exitOK
}

// addKey adds a key to a file.
func addKey(file string, k server.Key) error {
	e := keyEntry{ID: k.ID, SHA256: hex.EncodeToString(k.Hash[:]), Realm: k.Realm}
	for _, s := range k.Scopes {
		e.Scopes = append(e.Scopes, string(s))
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(toml.NewEncoder(f).Encode(keyFile{[]keyEntry{e}}), f.Close())
}
