package faults

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// weather is the state of the way between a node and the store.
type weather int

const (
	fair   weather = iota
	cut            // connections are closed, and no new one can be made
	slow           // everything takes longer
	silent         // half-open: connections stay, and nothing goes through them
	deaf           // requests arrive; when the reply comes, the connection is reset
)

const slowness = 40 * time.Millisecond

// proxy is the only way of a node to any server. A client names the server in the first
// line that it sends. close ends the proxy and all its connections.
type proxy struct {
	listener net.Listener
	running  sync.WaitGroup // accept, and two goroutines for each connection

	mu      sync.Mutex // guards everything below
	weather weather
	changed chan struct{} // closed when the weather changes
	conns   map[net.Conn]struct{}
	closed  bool
}

func newProxy() (*proxy, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: l, changed: make(chan struct{}), conns: make(map[net.Conn]struct{})}
	p.running.Go(p.accept)
	return p, nil
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

// dialThrough connects to a server through the proxy at addr.
func dialThrough(ctx context.Context, addr, server string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(conn, server+"\n"); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// set changes the weather. A connection that was silent is closed when the silence
// ends, because what was sent on it is lost.
func (p *proxy) set(w weather) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w == cut || p.weather == silent && w != silent {
		for c := range p.conns {
			_ = c.Close()
		}
	}
	p.weather = w
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *proxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.set(cut)
	p.running.Wait()
}

func (p *proxy) now() (weather, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.weather, p.changed
}

// keep adds a connection to those that close ends. If there may be none now, it closes
// the connection and returns false.
func (p *proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.weather == cut {
		_ = c.Close()
		return false
	}
	p.conns[c] = struct{}{}
	return true
}

func (p *proxy) drop(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	_ = c.Close()
}

func (p *proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return // the listener was closed
		}
		if p.keep(c) {
			p.running.Go(func() { p.serve(c) })
		}
	}
}

// serve connects a client to the server that its first line names.
func (p *proxy) serve(client net.Conn) {
	defer p.drop(client)
	from := bufio.NewReader(client)
	line, err := from.ReadString('\n')
	if err != nil {
		return
	}
	server, err := net.DialTimeout("tcp", strings.TrimSpace(line), 5*time.Second)
	if err != nil || !p.keep(server) {
		return
	}
	defer p.drop(server)
	var both sync.WaitGroup
	both.Go(func() {
		p.carry(server, from, false)
		_ = server.Close()
		_ = client.Close()
	})
	p.carry(client, server, true)
	_ = server.Close()
	_ = client.Close()
	both.Wait()
}

// carry copies one direction of a connection, in every weather.
func (p *proxy) carry(to net.Conn, from io.Reader, reply bool) {
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		for w, changed := p.now(); ; w, changed = p.now() {
			if w == deaf && reply {
				_ = to.(*net.TCPConn).SetLinger(0) // so that Close resets the connection
				return
			}
			if w == slow {
				time.Sleep(slowness)
			}
			if w != silent {
				break
			}
			<-changed
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}
