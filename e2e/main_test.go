package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// patience is how long something may take before a test calls it hanging. It is long
// because the machine may be busy. No test waits for it to pass.
const patience = 2 * time.Minute

var screenshots = flag.String("screenshots", "", "write pictures of all pages to this directory")

// lab is what the tests share. It has the program, built once, and one Chromium, in
// which every profile has cookies, connections, storage and locks of its own.
type lab struct {
	program string
	scratch string

	chromium func() (context.Context, error)
	close    []func() // called in the opposite order
}

var the = &lab{}

func TestMain(m *testing.M) {
	flag.Parse()
	code := 1
	if err := the.open(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	for i := range the.close {
		the.close[len(the.close)-1-i]()
	}
	os.Exit(code)
}

func (l *lab) open() error {
	dir, err := os.MkdirTemp("", "oneseat-e2e")
	if err != nil {
		return err
	}
	l.scratch = dir
	l.close = append(l.close, func() { _ = os.RemoveAll(dir) }) // in the system's temporary directory; the browser may still be writing a last file
	l.program = filepath.Join(dir, "oneseat")
	build := exec.Command("go", "build", "-o", l.program, "./cmd/oneseat")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("the program does not compile: %w\n%s", err, out)
	}
	l.chromium = sync.OnceValues(l.startChromium)
	return nil
}

// startChromium starts the one browser, without a page.
func (l *lab) startChromium() (context.Context, error) {
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, _ = exec.LookPath(name); path != "" {
			break
		}
	}
	if path == "" {
		return nil, errors.New("there is no chromium: make e2e installs it where it may, and else says how to")
	}
	alloc, stop := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(path), chromedp.WSURLReadTimeout(patience), chromedp.UserDataDir(filepath.Join(l.scratch, "chromium")),
		chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("lang", "en-GB"),
		chromedp.Flag("host-resolver-rules", "MAP *.test 127.0.0.1"), // *.members.test are hosts of one site
		chromedp.Flag("ignore-certificate-errors", true),             // the tests make their own
	)
	ctx, cancel := chromedp.NewContext(alloc)
	l.close = append(l.close, stop, cancel)
	if err := chromedp.Do(ctx); err != nil {
		return nil, fmt.Errorf("chromium does not start: %w", err)
	}
	return ctx, nil
}
