// Command deployapp is a site that is restarted while people use it. Several of its
// processes serve it, behind a proxy:
//
//	LISTEN=127.0.0.1:8081 DATA=/srv/app go run ./deployapp
//
// docs/howto/deploy.md shows it, and what nginx in front of it needs. The test runs two
// of them behind a real nginx, and restarts them in turn.
package main

import (
	"context"
	"log"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/sqlitestore"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Getenv("LISTEN"), os.Getenv("DATA")); err != nil {
		log.Fatal(err)
	}
}

// patience is how long requests in flight may take to end when the process is to end.
const patience = 30 * time.Second

// run serves the site until ctx ends.
func run(ctx context.Context, listen, data string) error {
	store, err := sqlitestore.Open(filepath.Join(data, "oneseat.db")) // of all nodes on this machine
	if err != nil {
		return err
	}
	defer store.Close() // last
	seats, err := oneseat.New(store, oneseat.Config{})
	if err != nil {
		return err
	}
	defer seats.Close() // after the server: what is still in flight is cut
	site, err := newSite(seats, data)
	if err != nil {
		return err
	}
	defer site.close()

	server := &http.Server{
		Addr: listen, Handler: site.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute, // longer than the proxy keeps a connection that is idle
	}
	server.RegisterOnShutdown(site.guard.Drain) // pages that listen go to another node
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }() // ends with Shutdown
	select {
	case err := <-failed:
		return err // the address is taken
	case <-ctx.Done(): // SIGTERM, or Ctrl-C
	}
	late, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return server.Shutdown(late) // when the last request has been answered
}
