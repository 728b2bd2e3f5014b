package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/oneseat/oneseat/server"
)

const keysLong = `oneseat keys makes keys of the API and takes them back. The file for "oneseat serve --keys" has a hash of each key, and never a key. After a change have the server read the file again: "systemctl reload oneseat", or the signal SIGHUP.`

const keysRevokeLong = `oneseat keys revoke takes a key back: it removes the key from the file.

The ID of a key stands in the key itself, between oneseat_key_ and the next underscore (_): that of oneseat_key_abcdefgh_XYZ is abcdefgh. The file has it as id, and the server's log as key. A server accepts the key until it reads the file again ("systemctl reload oneseat", or the signal SIGHUP).`

// revoked says what has to be done after a key was taken back.
const revoked = `The key %s is out of %s (realm %q, scopes %s).

A server accepts it until it reads the file again: "systemctl reload oneseat", or the
signal SIGHUP.

Did the key leak? Then end the sessions of its realm too. Somebody who has the key, and a
log with the Idempotency-Keys and the bodies of its calls, can compute their tokens. With
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
		Long:    "oneseat keys create makes a key, prints it, and adds its hash to a file. The key is shown only now: keep what is printed. A server that runs knows the key when it has read the file again (\"systemctl reload oneseat\", or the signal SIGHUP).",
		Example: "oneseat keys create --file keys.toml\noneseat keys create --file keys.toml --scopes check,sessions,admin > admin.key\noneseat keys create --file keys.toml --realm staff",
	}
	set := cmd.Flags()
	file := set.String("file", "", "`FILE` the file for \"oneseat serve --keys\", made if it is missing")
	scopes := set.String("scopes", "check,sessions", "`SCOPES` what the key allows, with commas between (default check,sessions; the commands that look after accounts need all three):\ncheck: look sessions up by their tokens\nsessions: sign in and out, list and end sessions\nadmin: read, limit and block accounts")
	realm := set.String("realm", "default", "`REALM` the realm (the accounts of one site) that the key is for (default \"default\")")
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
		Short:   "take a key back, by its ID",
		Long:    keysRevokeLong,
		Example: "oneseat keys revoke --file keys.toml abcdefgh",
	}
	file := cmd.Flags().String("file", "", "`FILE` the file for \"oneseat serve --keys\"")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var errs []error
		if *file == "" {
			errs = append(errs, errors.New("--file: name the file of keys"))
		}
		if len(args) != 1 {
			errs = append(errs, errors.New("name the id of one key: it stands in the key, between oneseat_key_ and the next _"))
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

// shellWord returns a text as a word of a shell's command line.
func shellWord(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(plain(s), "'", `'\''`) + "'"
}
