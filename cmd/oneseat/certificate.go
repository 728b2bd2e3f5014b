package main

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"
)

// lookEvery is how often, at most, the files of a certificate are looked at.
const lookEvery = time.Second

// certificate is a TLS certificate in two files. They are read again at the first
// connection after they have changed, or at once by reread. Files that do not belong
// together, as when only one of them is written yet, leave the certificate as it is. A
// certificate is safe for concurrent use.
type certificate struct {
	cert, key string // the files
	logger    *slog.Logger

	mu     sync.Mutex // guards what follows
	looked time.Time
	read   [2]stamp // of the files when they were last read
	good   *tls.Certificate
}

// stamp shows whether a file has changed.
type stamp struct {
	changed time.Time
	size    int64
}

func stampOf(file string) stamp {
	info, err := os.Stat(file)
	if err != nil {
		return stamp{} // the reading of the file says why
	}
	return stamp{info.ModTime(), info.Size()}
}

// readCertificate reads a certificate and its key.
func readCertificate(cert, key string, logger *slog.Logger) (*certificate, error) {
	c := &certificate{cert: cert, key: key, logger: logger}
	return c, c.load()
}

// load reads both files. The caller holds the lock, or nobody else has c.
func (c *certificate) load() error {
	c.looked = time.Now()
	c.read = [2]stamp{stampOf(c.cert), stampOf(c.key)} // before they are read: what changes meanwhile is read again
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return errors.Join(errors.New("--tls-cert, --tls-key: they cannot be read, or do not belong together"), err)
	}
	c.good = &pair
	return nil
}

// reread reads both files now.
func (c *certificate) reread() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tell(c.load())
}

func (c *certificate) tell(err error) {
	if err != nil {
		c.logger.Error("the certificate could not be read again; the old one stays in use", "error", err)
		return
	}
	c.logger.Info("the certificate was read again", "until", c.good.Leaf.NotAfter)
}

// now returns the certificate for a connection.
func (c *certificate) now(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) >= lookEvery {
		c.looked = time.Now()
		if c.read != [2]stamp{stampOf(c.cert), stampOf(c.key)} {
			c.tell(c.load())
		}
	}
	return c.good, nil
}

// over returns a listener whose connections begin with TLS.
func (c *certificate) over(l net.Listener) net.Listener {
	return tls.NewListener(l, &tls.Config{GetCertificate: c.now, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}})
}
