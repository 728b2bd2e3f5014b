package main

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

const usage = `oneseat keeps an account to one live session.

Usage:

	oneseat demo [flags]   a members' site to try it with, in a browser
	oneseat serve [flags]  the API for programs in any language
	oneseat keys [flags]   make keys for the API, and take them back
	oneseat version        which release this is
	oneseat help           this text

"oneseat demo -h", "oneseat serve -h" and "oneseat keys -h" list the flags.
`

// run is the program. It does what args ask for, until that is done or ctx ends, and
// returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	name := ""
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	switch name {
	case "demo":
		return runDemo(ctx, args, stdout, stderr)
	case "serve":
		return runServe(ctx, args, stdout, stderr)
	case "keys":
		return runKeys(args, stdout, stderr)
	case "version", "-version", "--version":
		if len(args) == 0 {
			fmt.Fprintln(stdout, version())
			return exitOK
		}
	case "help", "-h", "-help", "--help":
		fmt.Fprint(stdout, usage)
		return exitOK
	case "":
		fmt.Fprint(stderr, usage)
		return exitUsage
	default:
		fmt.Fprintf(stderr, "oneseat: there is no command %q\n\n%s", name, usage)
		return exitUsage
	}
	fmt.Fprintf(stderr, "oneseat: %s takes no arguments\n\n%s", name, usage)
	return exitUsage
}

// version returns what the Go tool has recorded of this build.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "oneseat, built without module support"
	}
	return fmt.Sprintf("oneseat %s, %s", info.Main.Version, info.GoVersion)
}
