package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/client"
	"github.com/oneseat/oneseat/server"
)

// local is a server of the API within this process, on a store. So a command does the
// same on a store as on a server, and says the same.
type local struct {
	handler http.Handler
	close   func() error
}

// ample is longer than any time that a site sets. A command on a store does not know the
// times of the site. With ample no command makes a session time out, or forgets an ending.
const ample = 100 * 365 * 24 * time.Hour

// openLocal opens a realm of a store. limit and policy are what a sign-in is explained
// by.
func openLocal(ctx context.Context, spec storeSpec, realm string, limit int, policy oneseat.Policy, logger *slog.Logger) (l local, secret string, err error) {
	data, err := spec.open(ctx, logger)
	if err != nil {
		return local{}, "", err
	}
	seats, err := oneseat.New(data.store, oneseat.Config{
		Realm: realm, Limit: limit, WhenFull: policy, Streams: oneseat.Unlimited, LimitFor: server.LimitFor, Logger: logger,
		Idle: oneseat.NoTimeout, Absolute: oneseat.NoTimeout, StreamIdle: ample, KeepEndings: ample, AdoptUntil: time.Now().Add(ample),
	})
	if err != nil {
		return local{}, "", errors.Join(err, data.close())
	}
	l.close = func() error { return errors.Join(seats.Close(), data.close()) }
	secret, key := server.NewKey(realm, server.ScopeCheck, server.ScopeSessions, server.ScopeAdmin)
	quiet := slog.New(slog.DiscardHandler) // the registry's logger says what the store's failures are
	l.handler, err = server.New(server.Config{Realms: map[string]*oneseat.Registry{realm: seats}, Keys: []server.Key{key}, Version: version(), Logger: quiet})
	if err != nil {
		return local{}, "", errors.Join(err, l.close())
	}
	return l, secret, nil
}

// RoundTrip has the handler answer a call.
func (l local) RoundTrip(r *http.Request) (*http.Response, error) {
	w := &answer{header: make(http.Header), status: http.StatusOK}
	l.handler.ServeHTTP(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()), Request: r,
	}, nil
}

var _ http.RoundTripper = local{}

// answer is a response that is kept in memory.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

// client returns a client of a local server.
func (l local) client(ctx context.Context, secret string) (*client.Client, error) {
	return client.New(ctx, client.Config{URL: "http://store", Key: secret, Transport: l, Logger: slog.New(slog.DiscardHandler)})
}

// causes is the log of a local server. It keeps the last cause of a failure, for the
// error of the command, and says nothing itself. It is safe for concurrent use.
type causes struct {
	mu   sync.Mutex
	last string
}

// Enabled reports whether a failure may be logged at that level.
func (c *causes) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }

// Handle keeps what a line says of a failure.
func (c *causes) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "error" {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.last = a.Value.String()
		}
		return true
	})
	return nil
}

// WithAttrs returns c: none of its users has attributes that matter here.
func (c *causes) WithAttrs([]slog.Attr) slog.Handler { return c }

// WithGroup returns c.
func (c *causes) WithGroup(string) slog.Handler { return c }

// cause is what failed last; "": nothing did.
func (c *causes) cause() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}
