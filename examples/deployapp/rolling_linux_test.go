package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var lasts = flag.Duration("for", 0, "how long the nodes are restarted in turn; 0: twice each. If it is given, shutdowns have to be done within a second of their last request")

// world is what is under load, and what came of it.
type world struct {
	t     *testing.T
	nodes []*node
	front *balancer
	data  string
	ctx   context.Context // ends the load

	callers []*caller
	pages   []*page

	mu          sync.Mutex
	last        map[string]time.Time // when each node was last seen to end an answer
	orders      map[string]string    // what each was answered
	signIns     int
	lost        []string // sign-ins that were answered, and are not good
	failed      []string // what was answered as failed, or not at all
	downloads   int
	broken      []string // downloads
	closing     int      // event streams of pages that ended with this event
	told        []string // what no page should have been told
	shutdowns   []time.Duration
	ordersAtEnd int // orders in flight when their node was told to end
}

// note does something to what came of the load.
func (w *world) note(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// answered notes that the answer of a node has ended, and returns the node.
func (w *world) answered(resp *http.Response) string {
	tried := strings.Split(resp.Header.Get("X-Node"), ", ")
	at := tried[len(tried)-1]
	w.note(func() { w.last[at] = time.Now() })
	return at
}

// caller is one browser that does one thing again and again.
type caller struct {
	*http.Client
	w       *world
	account string
	tr      *http.Transport
	rounds  atomic.Int64 // that are over
	ordered atomic.Bool  // an order is in flight
}

func (w *world) caller(account string) *caller {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	c := &caller{w: w, account: account}
	c.Client = &http.Client{Jar: jar, Transport: w.front.transport(w.t, false), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return c
}

// send sends a request, and reads the answer into to. It returns the status, 0 for no
// answer.
func (c *caller) send(method, path string, form url.Values, to io.Writer, header ...string) (int, error) {
	r, err := http.NewRequestWithContext(context.WithoutCancel(c.w.ctx), method, c.w.front.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, err
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := c.Do(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(to, resp.Body)
	c.w.answered(resp)
	return resp.StatusCode, err
}

func (c *caller) signIn() (int, error) {
	return c.send("POST", "/login", url.Values{"account": {c.account}, "password": {c.account}}, io.Discard)
}

func (c *caller) mustSignIn() {
	c.w.t.Helper()
	if status, err := c.signIn(); status != http.StatusSeeOther || err != nil {
		c.w.t.Fatalf("sign-in: %d, %v", status, err)
	}
}

// again does something until the load ends.
func (c *caller) again(do func(n int)) func() {
	return func() {
		for n := 0; c.w.ctx.Err() == nil; n++ {
			do(n)
			c.rounds.Add(1)
			time.Sleep(5 * time.Millisecond) // a person, however quick
		}
	}
}

// order orders, once for each key.
func (c *caller) order(n int) {
	key := fmt.Sprint(c.account, "-", n)
	c.ordered.Store(true)
	status, err := c.send("POST", "/order", url.Values{"key": {key}}, io.Discard)
	c.ordered.Store(false)
	c.w.note(func() {
		c.w.orders[key] = fmt.Sprint(status)
		if status != http.StatusOK || err != nil {
			c.w.failed = append(c.w.failed, fmt.Sprintf("order %s: %d, %v", key, status, err))
		}
	})
}

// signInAnew signs in in a new browser, which has to be good afterwards.
func (c *caller) signInAnew(int) {
	c.Jar, _ = cookiejar.New(nil)
	status, err := c.signIn()
	if status != http.StatusSeeOther || err != nil {
		c.w.note(func() { c.w.failed = append(c.w.failed, fmt.Sprintf("sign-in of %s: %d, %v", c.account, status, err)) })
		return
	}
	c.w.note(func() { c.w.signIns++ })
	var said strings.Builder
	if status, err := c.send("GET", "/", nil, &said); status != http.StatusOK || err != nil {
		c.w.note(func() { c.w.lost = append(c.w.lost, fmt.Sprintf("%s: %d, %v: %.300s", c.account, status, err, &said)) })
	}
}

// download downloads some of the report.
func (c *caller) download(int) {
	const part = 2 << 20
	var n counted
	status, err := c.send("GET", "/report.csv", nil, &n, "Range", fmt.Sprint("bytes=0-", part-1))
	c.w.note(func() {
		c.w.downloads++
		if status != http.StatusPartialContent || err != nil || n != part {
			c.w.broken = append(c.w.broken, fmt.Sprintf("%d bytes: %d, %v", n, status, err))
		}
	})
}

type counted int

func (n *counted) Write(b []byte) (int, error) {
	*n += counted(len(b))
	return len(b), nil
}

// page is a page that listens, as an EventSource does.
type page struct {
	*caller
	at    atomic.Value // the node that its event stream is from, "" while there is none
	opens atomic.Int64
}

// listen listens until the load ends.
func (p *page) listen() {
	for p.w.ctx.Err() == nil {
		p.open()
		p.at.Store("")
		select {
		case <-p.w.ctx.Done():
		case <-time.After(50 * time.Millisecond): // "retry" says a second or more: the test is in a hurry
		}
	}
}

// open reads one event stream to its end.
func (p *page) open() {
	r, err := http.NewRequestWithContext(p.w.ctx, "GET", p.w.front.url+"/oneseat/events", nil)
	if err != nil {
		p.w.t.Error(err)
		return
	}
	r.Header.Set("Accept", "text/event-stream")
	resp, err := p.Do(r)
	if err != nil {
		return // it comes back
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		if resp.StatusCode < 500 {
			p.w.note(func() { p.w.told = append(p.w.told, resp.Status) })
		}
		return
	}
	event := ""
	for lines := bufio.NewScanner(resp.Body); ; {
		if !lines.Scan() {
			if err := lines.Err(); p.w.ctx.Err() == nil && (err != nil || event != "closing") {
				p.w.note(func() { p.w.told = append(p.w.told, fmt.Sprintf("a stream broke after %q: %v", event, err)) })
			}
			break
		}
		name, ok := strings.CutPrefix(lines.Text(), "event: ")
		if !ok {
			continue
		}
		switch event = name; event {
		case "session":
			tried := strings.Split(resp.Header.Get("X-Node"), ", ")
			p.at.Store(tried[len(tried)-1])
			p.opens.Add(1)
		case "closing":
			p.w.note(func() { p.w.closing++ })
		default:
			p.w.note(func() { p.w.told = append(p.w.told, event) })
		}
	}
	if p.w.ctx.Err() == nil {
		p.w.answered(resp)
	}
}

// held is a large download that a node has begun, and cannot end because its client
// does not read.
type held struct {
	w    *world
	resp *http.Response
}

// hold begins downloads until one is of the node.
func (w *world) hold(c *caller, n *node) held {
	w.t.Helper()
	for {
		r, err := http.NewRequestWithContext(w.t.Context(), "GET", w.front.url+"/report.csv", nil)
		if err != nil {
			w.t.Fatal(err)
		}
		resp, err := c.Do(r)
		if err != nil || resp.StatusCode != http.StatusOK {
			w.t.Fatalf("the report: %v, %v", resp, err)
		}
		if resp.Header.Get("X-Node") == n.addr {
			return held{w, resp}
		}
		_ = resp.Body.Close()
	}
}

// finish reads the rest.
func (h held) finish(want [32]byte) {
	h.w.t.Helper()
	defer h.resp.Body.Close()
	sum := sha256.New()
	if n, err := io.Copy(sum, h.resp.Body); err != nil || [32]byte(sum.Sum(nil)) != want {
		h.w.t.Errorf("the report has %d bytes: %v", n, err)
	}
	h.w.answered(h.resp)
}

// restart restarts a node while a download of it is under way. told says that nginx is
// told before.
func (w *world) restart(n *node, c *caller, report [32]byte, told bool) {
	w.t.Helper()
	h := w.hold(c, n)
	if told {
		w.front.takeOut(n)
		w.anew()
	}
	for _, c := range w.callers {
		if c.ordered.Load() {
			w.ordersAtEnd++
		}
	}
	asked := time.Now()
	n.Terminate()
	until(w.t, "the node takes no connections", func() bool { return !n.listens() })
	until(w.t, "no page listens to the node", func() bool {
		for _, p := range w.pages {
			if at, _ := p.at.Load().(string); at == n.addr || at == "" {
				return false
			}
		}
		return true
	})
	h.finish(report)
	if err := n.Wait(); err != nil {
		w.t.Fatalf("the node has ended with %v\n%s", err, n.Said())
	}
	over := time.Now()
	w.note(func() {
		last := w.last[n.addr]
		if last.Before(asked) {
			last = asked
		}
		w.shutdowns = append(w.shutdowns, over.Sub(last))
	})
	n.Start()
	n.awaitReady(w.t)
	if told {
		w.front.putBack(n)
	}
}

// anew returns when each caller has begun another request since anew was called.
func (w *world) anew() {
	for _, c := range w.callers {
		before := c.rounds.Load()
		until(w.t, "all callers go on", func() bool { return c.rounds.Load() > before })
	}
}

// recorded returns how often each order was recorded.
func (w *world) recorded() map[string]int {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(w.data, "order-*"))
	if err != nil {
		w.t.Fatal(err)
	}
	all := map[string]int{}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			w.t.Fatal(err)
		}
		all[strings.TrimPrefix(filepath.Base(file), "order-")] = strings.Count(string(b), "\n")
	}
	return all
}

// C9: two nodes behind nginx are restarted in turn under load.
func TestARollingRestartLosesNothing(t *testing.T) {
	for name, told := range map[string]bool{"nginx is told before": true, "nginx is not told": false} {
		t.Run(name, func(t *testing.T) { rolling(t, told) })
	}
}

func rolling(t *testing.T, told bool) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	w := &world{t: t, data: t.TempDir(), ctx: ctx, last: map[string]time.Time{}, orders: map[string]string{}}
	report := writeReport(t, w.data)
	w.nodes = []*node{newNode(t, w.data), newNode(t, w.data)}
	for _, n := range w.nodes {
		n.awaitReady(t)
	}
	w.front = newBalancer(t, w.nodes)

	var load []func()
	for _, account := range []string{"ada", "alan", "barbara", "donald", "edsger", "frances", "grace", "john"} {
		c := w.caller(account)
		w.callers = append(w.callers, c)
		switch i := len(w.callers); {
		case i <= 3:
			load = append(load, c.again(c.signInAnew))
			continue
		case i <= 6:
			load = append(load, c.again(c.order))
		default:
			load = append(load, c.again(c.download))
		}
		c.mustSignIn()
		p := &page{caller: c}
		w.pages = append(w.pages, p)
		load = append(load, p.listen)
	}
	holder := w.caller("ken")
	holder.mustSignIn()
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	for _, f := range load {
		running.Go(f)
	}
	until(t, "all pages listen", func() bool {
		for _, p := range w.pages {
			if p.opens.Load() == 0 {
				return false
			}
		}
		return true
	})

	began := time.Now()
	for round := 0; round < 2 || time.Since(began) < *lasts; round++ {
		for _, n := range w.nodes {
			w.restart(n, holder, report, told)
		}
	}
	took := time.Since(began)
	stop()
	running.Wait()
	w.judge(told, took)
}

// judge says what came of it, and what should not have.
func (w *world) judge(told bool, took time.Duration) {
	t, recorded := w.t, w.recorded()
	wrong, unclear := 0, 0
	for key, status := range w.orders {
		switch n := recorded[key]; {
		case n > 1:
			t.Errorf("order %s was done %d times", key, n)
		case n == 0 && status == "200":
			t.Errorf("order %s was acknowledged, and is not there", key)
		case n == 1 && status == "0":
			unclear++
		case n == 1 && status != "200":
			wrong++
			t.Errorf("order %s was done, and answered with %s", key, status)
		}
	}
	// What a caller has just sent may meet a connection that the node closes: one request
	// of each caller at a restart. If nginx is told before, none.
	if most := len(w.shutdowns) * len(w.callers); told && len(w.failed) > 0 || len(w.failed) > most {
		t.Errorf("%d were answered as failed, and not done: %.2000q", len(w.failed), w.failed)
	}
	for what, list := range map[string][]string{"sign-ins lost": w.lost, "downloads broken off": w.broken, "pages were told": w.told} {
		if len(list) > 0 {
			t.Errorf("%s: %q", what, list)
		}
	}
	var longest, sum time.Duration
	slow := 0
	for _, d := range w.shutdowns {
		longest, sum = max(longest, d), sum+d
		if d > time.Second {
			slow++
		}
	}
	if longest > patience/3 { // a page that keeps a node waiting does so for all of its patience
		t.Errorf("a shutdown took %v after its last request", longest)
	}
	if *lasts > 0 && slow*20 > len(w.shutdowns) { // now and then another program has the processor
		t.Errorf("%d of %d shutdowns took more than a second after their last request", slow, len(w.shutdowns))
	}
	if len(w.orders) == 0 || w.signIns == 0 || w.downloads == 0 || w.closing == 0 {
		t.Errorf("there was no load")
	}
	reconnects := int64(0)
	for _, p := range w.pages {
		reconnects += p.opens.Load() - 1
	}
	t.Logf("%d restarts in %v, 8 callers:\n"+
		"  %d orders (%d under way when a node was told to end): %d done and answered as failed, %d done and not answered\n"+
		"  %d sign-ins: %d lost\n  %d downloads, and %d of %d MB held over a restart: %d broken off\n"+
		"  not done and answered as failed: %d\n  event streams of pages that ended with \"closing\": %d; opened again: %d\n"+
		"  from the last request to the end of the process: %v on average, %v at most, %d beyond a second",
		len(w.shutdowns), took.Round(100*time.Millisecond), len(w.orders), w.ordersAtEnd, wrong, unclear,
		w.signIns, len(w.lost), w.downloads, len(w.shutdowns), reportSize>>20, len(w.broken),
		len(w.failed), w.closing, reconnects,
		(sum / time.Duration(len(w.shutdowns))).Round(time.Millisecond), longest.Round(time.Millisecond), slow)
}
