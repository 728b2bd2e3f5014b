package main

import (
	"context"
	"fmt"
	"net"
	"os"
)

// notify tells systemd the state of the server, if the unit has Type=notify: systemd then
// sets NOTIFY_SOCKET. Without that variable notify does nothing. See sd_notify(3).
func notify(ctx context.Context, state string) error {
	name := os.Getenv("NOTIFY_SOCKET") // with @ at its front it is in no folder, as in Go
	if name == "" {
		return nil
	}
	c, err := new(net.Dialer).DialContext(ctx, "unixgram", name)
	if err != nil {
		return fmt.Errorf("NOTIFY_SOCKET is set, and cannot be told %q: %w", state, err)
	}
	defer func() { _ = c.Close() }() // what was sent has been sent
	if _, err := c.Write([]byte(state)); err != nil {
		return fmt.Errorf("NOTIFY_SOCKET is set, and cannot be told %q: %w", state, err)
	}
	return nil
}
