package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/oneseat/oneseat/server"
)

const keysUsage = `oneseat keys makes keys of the API and takes them back. Their file, for "oneseat serve
--keys", has what the server has to know of them, and no key. After a change the server
reads it again at SIGHUP.

Usage:

	oneseat keys create --file FILE [flags]  makes a key, and prints it: it is shown only here
	oneseat keys revoke --file FILE ID       takes the key with that id back

Flags:

	--file FILE        the file of keys, made if it is missing
	--scopes SCOPES    what the key allows, with commas between (default check,sessions):
	                   check: look sessions up by their tokens
	                   sessions: sign in and out, list and end sessions
	                   admin: read, limit and block accounts
	--realm REALM      the population of accounts that it is for (default "default")

The id of a key is what follows oneseat_key_ in it, to the next line below. The server's
log has it too.
`

// revoked says what has to be done after a key was taken back.
const revoked = `The key %s is out of %s (realm %q, scopes %s).

A server accepts it until it reads the file again: send it SIGHUP.

Did the key leak? Then end the sessions of its realm too: with the key, and a log that
has the Idempotency-Keys and the bodies of its calls, their tokens can be computed. With
another key, of the scope admin:

	POST /v1/end-realm {"realm": %q}

The page docs/operations.md has the steps.
`

// runKeys runs "oneseat keys".
func runKeys(args []string, stdout, stderr io.Writer) int {
	name := ""
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	var err error
	switch {
	case name == "create":
		err = createKeys(args, stdout)
	case name == "revoke":
		err = revokeKey(args, stdout)
	case slices.Contains([]string{"-h", "-help", "--help"}, name) && len(args) == 0:
		err = flag.ErrHelp
	default:
		fmt.Fprint(stderr, keysUsage)
		return exitUsage
	}
	wrong, usage := errors.AsType[*usageError](err)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, keysUsage)
		return exitOK
	case usage:
		fmt.Fprintf(stderr, "oneseat keys %s: %v\nSee \"oneseat keys -h\".\n", name, wrong.error)
		return exitUsage
	case err != nil:
		fmt.Fprintf(stderr, "oneseat keys %s: %v\n", name, err)
		return exitFailed
	}
	return exitOK
}

// usageError is an error in a command line.
type usageError struct{ error }

// createKeys makes a key.
func createKeys(args []string, stdout io.Writer) error {
	set := flag.NewFlagSet("oneseat keys create", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	file := set.String("file", "", "")
	scopes := set.String("scopes", "check,sessions", "")
	realm := set.String("realm", "default", "")
	err := set.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return err
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
		return &usageError{err}
	}
	secret, key := server.NewKey(*realm, list...)
	if err := addKey(*file, key); err != nil {
		return err
	}
	fmt.Fprintln(stdout, secret)
	return nil
}

// revokeKey takes a key back.
func revokeKey(args []string, stdout io.Writer) error {
	set := flag.NewFlagSet("oneseat keys revoke", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	file := set.String("file", "", "")
	err := set.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err == nil && *file == "":
		err = errors.New("--file: name the file of keys")
	case err == nil && set.NArg() != 1:
		err = errors.New("name the id of one key, after the flags")
	}
	if err != nil {
		return &usageError{err}
	}
	e, err := removeKey(*file, set.Arg(0))
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, revoked, e.ID, *file, e.Realm, strings.Join(e.Scopes, ", "), e.Realm)
	return nil
}
