package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/oneseat/oneseat/server"
)

const keysLong = `oneseat keys makes keys of the API and takes them back. Their file, for "oneseat serve --keys", has what the server has to know of them, and no key. After a change the server reads it again at SIGHUP.`

const keysRevokeLong = `oneseat keys revoke takes a key back: the key is not in the file any more.

The ID of a key is what follows oneseat_key_ in it, to the next line below (_). The server's log has it too. A server accepts the key until it reads the file again, at SIGHUP.`

// revoked says what has to be done after a key was taken back.
const revoked = `The key %s is out of %s (realm %q, scopes %s).

A server accepts it until it reads the file again: send it SIGHUP.

Did the key leak? Then end the sessions of its realm too: with the key, and a log that
has the Idempotency-Keys and the bodies of its calls, their tokens can be computed. With
another key, of all scopes:

	oneseat end-realm %s --url URL --key-file FILE

The page docs/operations.md has the steps.
`

func newKeysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "keys",
		Short:   "make keys for the API, and take them back",
		Long:    keysLong,
		GroupID: groupRun,
	}
	cmd.AddCommand(newKeysCreateCommand(), newKeysRevokeCommand())
	parent(cmd)
	return cmd
}

func newKeysCreateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "create --file FILE [flags]",
		Short:   "make a key, and print it",
		Long:    "oneseat keys create makes a key, and prints it: it is shown only here.",
		Example: "oneseat keys create --file keys.toml\noneseat keys create --file keys.toml --scopes admin --realm staff",
	}
	set := cmd.Flags()
	file := set.String("file", "", "`FILE` the file of keys, made if it is missing")
	scopes := set.String("scopes", "check,sessions", "`SCOPES` what the key allows, with commas between (default check,sessions):\ncheck: look sessions up by their tokens\nsessions: sign in and out, list and end sessions\nadmin: read, limit and block accounts")
	realm := set.String("realm", "default", "`REALM` the population of accounts that it is for (default \"default\")")
	completes(cmd, "scopes", "check,sessions", "check,sessions,admin", "check", "sessions", "admin")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		errs := []error{noArguments(cmd, args)}
		if *file == "" {
			errs = append(errs, errors.New("--file: name the file of keys"))
		}
		var list []server.Scope
		for s := range strings.SplitSeq(*scopes, ",") {
			k := server.Scope(s)
			if !slices.Contains([]server.Scope{server.ScopeCheck, server.ScopeSessions, server.ScopeAdmin}, k) {
				errs = append(errs, fmt.Errorf("--scopes: %q is neither check, sessions nor admin", s))
			}
			list = append(list, k)
		}
		if err := errors.Join(errs...); err != nil {
			return &usageError{err}
		}
		secret, key := server.NewKey(*realm, list...)
		if err := addKey(*file, key); err != nil {
			return err
		}
		_, err := fmt.Fprintln(cmd.OutOrStdout(), secret)
		return err
	}
	return cmd
}

func newKeysRevokeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "revoke --file FILE ID",
		Short:   "take the key with that ID back",
		Long:    keysRevokeLong,
		Example: "oneseat keys revoke --file keys.toml abcdefgh",
	}
	file := cmd.Flags().String("file", "", "`FILE` the file of keys")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var errs []error
		if *file == "" {
			errs = append(errs, errors.New("--file: name the file of keys"))
		}
		if len(args) != 1 {
			errs = append(errs, errors.New("name the id of one key"))
		}
		if err := errors.Join(errs...); err != nil {
			return &usageError{err}
		}
		e, err := removeKey(*file, args[0])
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), revoked, e.ID, *file, e.Realm, strings.Join(e.Scopes, ", "), shellWord(e.Realm))
		return err
	}
	return cmd
}

// shellWord returns a text as a shell has to have it.
func shellWord(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(plain(s), "'", `'\''`) + "'"
}
