package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/oneseat/oneseat/api"
	"github.com/oneseat/oneseat/client"
)

func asked() {
	remembered()
	polls(10_000)
	idle(100, 10*time.Second)
}

// remembered compares two checks: one that a client answers from what it has proven, and
// one of a registry in this process.
func remembered() {
	c := newChild("memory")
	defer c.close()
	k := must(client.New(context.Background(), client.Config{URL: c.URL, Key: c.Key, MaxStale: time.Second, Logger: quiet}))
	defer k.Close()
	seats, tokens := members(connections)
	defer seats.Close()
	ctx, i := context.Background(), 0
	for _, token := range c.Tokens {
		must(k.Check(ctx, token))
	}
	time.Sleep(2 * time.Second) // by then the client has had news
	compare(fmt.Sprintf("A check that a client has the answer to, %d sessions, MaxStale 1 s", connections),
		side{"Registry.Check", func() { i++; must(seats.Check(ctx, tokens[i%connections])) }},
		side{"Client.Check", func() { i++; must(k.Check(ctx, c.Tokens[i%connections])) }})
}

// polls states what a call that waits for changes takes in the server, beside a request
// that is held by a bare handler.
func polls(n int) (bytes, held float64) {
	c := newChild("memory")
	defer c.close()
	wait := func(path, body string) float64 {
		before, running := c.number("/memory"), c.number("/goroutines")
		post := c.post(path, body)
		callers := make([]*caller, n)
		for i := range callers {
			callers[i] = c.dial()
			must(callers[i].conn.Write(post))
		}
		for c.number("/goroutines") < running+float64(n) {
			time.Sleep(time.Millisecond)
		}
		used := (c.number("/memory") - before) / float64(n)
		for _, k := range callers {
			_ = k.conn.Close()
		}
		for c.number("/goroutines") > running+float64(n)/100 {
			time.Sleep(time.Millisecond)
		}
		return used
	}
	held = wait("/held", "{}")
	w := c.do(api.PathChanges, "{}")
	var at api.Changes
	must(0, json.Unmarshal(w.Body.Bytes(), &at))
	bytes = wait(api.PathChanges, string(must(json.Marshal(api.ChangesQuery{After: at.Cursor, Wait: 30_000}))))
	fmt.Printf("%d calls that wait for changes take %.0f bytes each in the server, %.2f times a request that a bare handler holds (%.0f)\n", n, bytes, bytes/held, held)
	return bytes, held
}

// do makes a call, as a client that is in no hurry.
func (c *child) do(path, body string) *httptest.ResponseRecorder {
	resp := must(http.DefaultClient.Do(ask(c.URL+path, c.Key, body))) //nolint:bodyclose // the next line does
	defer resp.Body.Close()
	w := httptest.NewRecorder()
	must(w.Body.ReadFrom(resp.Body))
	return w
}

// idle states how much of the processor clients take that wait for news while there is
// none.
func idle(clients int, lasts time.Duration) (server, here float64) {
	c := newChild("memory")
	defer c.close()
	for range clients {
		k := must(client.New(context.Background(), client.Config{URL: c.URL, Key: c.Key, MaxStale: time.Second, Logger: quiet}))
		defer k.Close()
		must(k.Check(context.Background(), c.Tokens[0]))
	}
	time.Sleep(lasts / 10) // then all wait
	before, mine := c.number("/processor"), own()
	time.Sleep(lasts)
	server, here = (c.number("/processor")-before)/float64(lasts), (own()-mine)/lasts.Seconds()
	fmt.Printf("%d idle clients, MaxStale 1 s: %.1f %% of a processor in the server, %.1f %% in all clients\n", clients, 100*server, 100*here)
	return server, here
}
