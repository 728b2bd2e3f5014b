// Command oneseat keeps accounts to one live session each. It has a demo, and a server
// for programs in any language: see "oneseat help".
//
// It is the only package that puts stores, sites and configuration together, and the
// only one that reads flags and signals. It holds no rule and no page.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)   // a second signal ends the process at once
	signal.Ignore(syscall.SIGPIPE) // a reader that has gone, such as head, is an error of the write: see quiet
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}
