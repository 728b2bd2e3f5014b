// Command load asks a site for one page over several connections, for some time, and
// prints how many answers there were, how many of them were not what was wanted, and the
// median and the 99th percentile of their times in milliseconds.
//
//	load -url http://127.0.0.1:8000/ -cookie sessionid=… -want 'content="ada"' -for 4s
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"
)

func main() {
	url := flag.String("url", "", "the page")
	cookie := flag.String("cookie", "", "what is sent as the header Cookie")
	want := flag.String("want", "", "what stands in a good answer")
	long := flag.Duration("for", 4*time.Second, "how long")
	connections := flag.Int("connections", 16, "how many at a time")
	flag.Parse()
	client := &http.Client{
		Timeout:       30 * time.Second, // it happens that a threaded worker of gunicorn stops reading
		Transport:     &http.Transport{MaxIdleConnsPerHost: *connections},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	var mu sync.Mutex // of the two that follow
	var times []time.Duration
	bad := 0
	var wg sync.WaitGroup
	end := time.Now().Add(*long)
	for range *connections {
		wg.Go(func() {
			var mine []time.Duration
			wrong := 0
			for time.Now().Before(end) {
				began := time.Now()
				if !good(client, *url, *cookie, []byte(*want)) {
					wrong++
				}
				mine = append(mine, time.Since(began))
			}
			mu.Lock()
			defer mu.Unlock()
			times, bad = append(times, mine...), bad+wrong
		})
	}
	wg.Wait()
	if len(times) == 0 {
		fmt.Fprintln(os.Stderr, "load: there was no answer")
		os.Exit(1)
	}
	slices.Sort(times)
	ms := func(part float64) float64 {
		return float64(times[int(part*float64(len(times)-1))]) / float64(time.Millisecond)
	}
	fmt.Printf("%d %d %.2f %.2f\n", len(times), bad, ms(0.5), ms(0.99))
}

// good reports whether a page is what was wanted.
func good(client *http.Client, url, cookie string, want []byte) bool {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	r.Header.Set("Cookie", cookie)
	resp, err := client.Do(r)
	if err != nil {
		return false
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	return err == nil && resp.StatusCode == http.StatusOK && bytes.Contains(body, want)
}
