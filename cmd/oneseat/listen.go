package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// unixPrefix begins an address that is the path of a Unix socket.
const unixPrefix = "unix:"

// isLocal reports whether the address of a flag is of this machine alone. It returns an error
// for what is no address.
func isLocal(flag, address string) (bool, error) {
	if path, ok := strings.CutPrefix(address, unixPrefix); ok {
		if path == "" {
			return false, fmt.Errorf("%s: %q has no path, such as unix:/run/oneseat/socket", flag, address)
		}
		return true, nil
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false, fmt.Errorf("%s: %q is not an address with a port, such as 127.0.0.1:7300, and not unix:PATH", flag, address)
	}
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback(), nil
}

// listen listens at the address of a flag, and returns the URL of what listens there by
// plain http.
func listen(ctx context.Context, flag, address string) (l net.Listener, at string, err error) {
	if path, ok := strings.CutPrefix(address, unixPrefix); ok {
		l, err = listenUnix(ctx, path)
		return l, address, err
	}
	l, err = new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, "", fmt.Errorf("cannot listen: %w; %s 127.0.0.1:0 takes any free port", err, flag)
	}
	return l, siteURL(l.Addr()), nil
}

// socket is a Unix socket that listens. Close removes it.
type socket struct {
	net.Listener
	path  string
	file  fs.FileInfo
	close func() error
}

func (s *socket) Close() error { return s.close() }

func (s *socket) remove() error {
	if now, err := os.Lstat(s.path); err == nil && os.SameFile(now, s.file) { // and not another server's
		_ = os.Remove(s.path) // before it stops listening: a server that starts now finds no socket that looks dead
	}
	return s.Listener.Close()
}

// listenUnix listens at a path. Only the user that the process runs as may connect. A
// socket that a dead server has left is replaced.
//
// The socket is made in a folder of its own, that nobody else may enter, and gets its
// name when it is ready, so at no time may others connect. Servers that start at once
// take turns at the folder of the path.
func listenUnix(ctx context.Context, path string) (_ net.Listener, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("cannot listen: %w", err)
		}
	}()
	unlock, err := lockFolder(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := isFree(ctx, path); err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp(filepath.Dir(path), ".oneseat-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(folder) }() // what is left is an empty folder
	made := filepath.Join(folder, "s")
	l, err := new(net.ListenConfig).Listen(ctx, "unix", made)
	if err != nil {
		return nil, fmt.Errorf("%w; the path of a socket has to be short, 80 bytes at most", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // it would remove the name that the socket was made under
	s := &socket{Listener: l, path: path}
	s.close = sync.OnceValue(s.remove)
	if err = os.Chmod(made, 0o600); err == nil {
		s.file, err = os.Lstat(made)
	}
	if err == nil {
		err = os.Rename(made, path)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return s, nil
}

// isFree returns an error if a server listens at a path, or if what is there is no
// socket.
func isFree(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is no socket: move it away, or name another path", path)
	}
	c, err := new(net.Dialer).DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		_ = c.Close()
		return fmt.Errorf("another process listens at %s: end it first, or name another path", path)
	case !errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("it cannot be told whether another process listens at %s: %w", path, err)
	}
	return nil
}
