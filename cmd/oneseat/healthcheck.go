package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const healthcheckLong = `oneseat healthcheck asks a server whether it is alive. It exits with 0 and prints nothing if the server answers 200 within 2 s. Otherwise it exits with 1, and a line says why. It is for containers that have no shell, and needs no key. At 127.0.0.1 and localhost it accepts any certificate.`

// healthWithin is how long healthcheck waits for the whole answer.
const healthWithin = 2 * time.Second

func newHealthcheckCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "healthcheck [flags]",
		Short:   "exit with 0 if a server is alive",
		Long:    healthcheckLong,
		Example: "oneseat healthcheck\noneseat healthcheck --url unix:/run/oneseat/socket --ready",
		GroupID: groupRun,
	}
	set := cmd.Flags()
	at := set.String("url", "http://127.0.0.1:7300", "`URL` the server, as http://HOST:PORT, https://HOST:PORT or unix:PATH (default http://127.0.0.1:7300)")
	ready := set.Bool("ready", false, "ask whether the server's store answers too (/readyz instead of /healthz)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := noArguments(cmd, args); err != nil {
			return err
		}
		path := "/healthz"
		if *ready {
			path = "/readyz"
		}
		return healthy(cmd.Context(), *at, path)
	}
	return cmd
}

// healthy returns nil if a server answers 200 at a path. An address that is none is a
// *usageError.
func healthy(ctx context.Context, at, path string) error {
	transport := &http.Transport{DisableKeepAlives: true} // and through no proxy
	if socket, ok := strings.CutPrefix(at, unixPrefix); ok {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}
		at = "http://unix"
	}
	u, err := url.Parse(at)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return &usageError{errors.New("--url: write http://HOST:PORT, https://HOST:PORT or unix:PATH")}
	}
	if ip := net.ParseIP(u.Hostname()); ip != nil && ip.IsLoopback() || u.Hostname() == "localhost" {
		transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} // the certificate has another name, and nothing secret is sent or believed
	}
	ctx, cancel := context.WithTimeout(ctx, healthWithin)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.Scheme+"://"+u.Host+path, nil)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(r)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // it names the address
		}
		if ctx.Err() == context.DeadlineExceeded {
			return fmt.Errorf("there was no answer to %s within %v", path, healthWithin)
		}
		return fmt.Errorf("the server cannot be asked: %w", err)
	}
	_ = resp.Body.Close() // it has none
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answers %s to %s", resp.Status, path)
	}
	return nil
}
