//go:build !unix

package main

import (
	"context"
	"io"
)

// untilClosed returns a context that ends with ctx: a pipe that nobody reads is noticed
// when it is written to.
func untilClosed(ctx context.Context, _ io.Writer) (context.Context, func()) {
	return context.WithCancel(ctx)
}
