//go:build unix

package main

import (
	"context"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// untilClosed returns a context that ends when nobody reads w any more, if w is a pipe,
// as when head has read its lines. stop ends the goroutine that looks for that.
func untilClosed(ctx context.Context, w io.Writer) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	f, is := w.(*os.File)
	if !is {
		return ctx, cancel
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			fds := []unix.PollFd{{Fd: int32(f.Fd())}} // errors are always told
			n, err := unix.Poll(fds, 200)
			if err != nil && !errors.Is(err, unix.EINTR) {
				return
			}
			if n > 0 && fds[0].Revents&(unix.POLLERR|unix.POLLNVAL) != 0 {
				cancel()
			}
		}
	}()
	return ctx, func() { cancel(); <-done }
}
