package oneseathttp_test

import (
	"context"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

// direct serves one request of a session without a server, and returns what the
// handler panicked with. wrap is what the guard is given of the recorder.
func direct(t *testing.T, seats *oneseat.Registry, guard *oneseathttp.Guard, wrap func(http.ResponseWriter) http.ResponseWriter, h http.HandlerFunc) (rec *httptest.ResponseRecorder, panicked any) {
	t.Helper()
	grant, err := seats.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "https://members.example/", nil)
	r.AddCookie(&http.Cookie{Name: "__Host-oneseat", Value: string(grant.Token)})
	rec = httptest.NewRecorder()
	defer func() { panicked = recover() }()
	guard.Require(h).ServeHTTP(wrap(rec), r)
	return rec, nil
}

func bare(w http.ResponseWriter) http.ResponseWriter { return w }

func newGuard(t *testing.T) (*oneseat.Registry, *oneseathttp.Guard) {
	t.Helper()
	seats := registry(t)
	guard, err := oneseathttp.New(seatsOver(t, seats), oneseathttp.Config{SignInPath: "/login"})
	if err != nil {
		t.Fatal(err)
	}
	return seats, guard
}

// displace signs ada in, from a device without a browser. A handler calls it, and
// its client may be gone before it returns.
func displace(t *testing.T, seats *oneseat.Registry) {
	if _, err := seats.SignIn(context.Background(), "ada", oneseat.SignInRequest{}); err != nil {
		t.Error(err)
	}
}

// kernel is a ResponseWriter that can send files, as net/http's can over TCP.
type kernel struct {
	http.ResponseWriter
	took func(part io.Reader) int64
}

func (k kernel) ReadFrom(src io.Reader) (int64, error) { return k.took(src), nil }

func TestAFileIsSentByTheKernelAndCutBetweenPieces(t *testing.T) {
	film, err := os.Create(filepath.Join(t.TempDir(), "film"))
	if err != nil {
		t.Fatal(err)
	}
	defer film.Close()
	const whole = 1<<20 + 5
	if err := film.Truncate(whole); err != nil {
		t.Fatal(err)
	}
	seats, guard := newGuard(t)
	for name, of := range map[string]func() io.Reader{
		"a file":                 func() io.Reader { return film },
		"all of a file":          func() io.Reader { return io.LimitReader(film, whole) },
		"more than a file holds": func() io.Reader { return io.LimitReader(film, 2*whole) },
	} {
		for _, cutAt := range []int{0, 3} {
			var parts int
			var sum, n int64
			took := func(part io.Reader) int64 {
				if parts++; parts == cutAt {
					displace(t, seats)
				}
				limited, ok := part.(*io.LimitedReader)
				if !ok || limited.N > 256<<10 {
					t.Fatalf("%s: a part is %T %+v", name, part, part)
				}
				if _, ok := limited.R.(interface { // as package net asks
					fs.File
					io.Seeker
					syscall.Conn
				}); !ok {
					t.Errorf("%s: the kernel cannot send %T", name, limited.R)
				}
				n, _ := io.Copy(io.Discard, limited)
				sum += n
				return n
			}
			if _, err := film.Seek(0, io.SeekStart); err != nil {
				t.Fatal(err)
			}
			var err error
			_, panicked := direct(t, seats, guard, func(w http.ResponseWriter) http.ResponseWriter { return kernel{w, took} }, func(w http.ResponseWriter, _ *http.Request) {
				n, err = io.Copy(w, of())
			})
			switch {
			case cutAt == 0 && (n != whole || sum != whole || err != nil || panicked != nil):
				t.Errorf("%s: %d of %d, %d were sent; %v", name, n, whole, sum, err)
			case cutAt != 0 && (parts != cutAt || n != sum || !isEnded(err) || panicked != http.ErrAbortHandler): //nolint:errorlint // net/http compares it so
				t.Errorf("%s: cut in part %d, and %d were sent; %d of %d, %v, panic %v", name, cutAt, parts, n, sum, err, panicked)
			}
		}
	}
}

// reads is a source whose every read is a function.
type reads []func(b []byte) (int, error)

func (r *reads) Read(b []byte) (int, error) {
	next := (*r)[0]
	*r = (*r)[1:]
	return next(b)
}

func TestWhatASlowSourceHoldsAfterTheCutIsNotSent(t *testing.T) {
	seats, guard := newGuard(t)
	before := func(b []byte) (int, error) { return copy(b, "before"), nil }
	after := func(b []byte) (int, error) { displace(t, seats); return copy(b, "after"), nil }
	for _, c := range []struct {
		src    reads
		status int
		body   string
		broken any
	}{
		{reads{before, after}, 200, "before", http.ErrAbortHandler},
		{reads{after}, 401, `"reason":"displaced"`, nil}, // nothing was sent: the refusal is
	} {
		rec, panicked := direct(t, seats, guard, bare, func(w http.ResponseWriter, _ *http.Request) {
			if _, err := io.Copy(w, &c.src); !isEnded(err) {
				t.Error(err)
			}
		})
		if got := rec.Body.String(); rec.Code != c.status || !strings.Contains(got, c.body) || strings.Contains(got, "after") || panicked != c.broken {
			t.Errorf("%d %q, panic %v", rec.Code, got, panicked)
		}
	}
}

// warnings counts what a logger says at level Warn.
type warnings struct {
	slog.Handler
	mu   sync.Mutex
	said []string
}

func (w *warnings) Handle(_ context.Context, r slog.Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := r.Message
	r.Attrs(func(a slog.Attr) bool { text += " " + a.String(); return true })
	w.said = append(w.said, text)
	return nil
}

func (w *warnings) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.said)
}

func (w *warnings) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }

func TestAConnectionThatIsHiddenIsWarnedOfOnce(t *testing.T) {
	for _, c := range []struct {
		outside middleware
		want    int
	}{{plain, 0}, {hide(new(atomic.Int64)), 1}} {
		said := &warnings{Handler: slog.DiscardHandler}
		s := unstarted(t, oneseat.Config{Logger: slog.New(said)}, oneseathttp.Config{})
		s.Config.Handler = c.outside(s.Config.Handler)
		s.Start()
		s.browser(t, firefox).want("/", 200, "") // nobody is signed in: nothing is to be cut
		if all := said.all(); len(all) != 0 {
			t.Errorf("before anybody is signed in: %q", all)
		}
		b := s.browser(t, firefox)
		b.signIn("ada")
		b.want("/me", 200, "ada")
		b.want("/me", 200, "ada")
		if all := said.all(); len(all) != c.want {
			t.Errorf("%d warnings, want %d: %q", len(all), c.want, all)
		}
		for _, text := range said.all() {
			for _, part := range []string{"Unwrap() http.ResponseWriter", "oneseathttp_test.hiding"} {
				if !strings.Contains(text, part) {
					t.Errorf("%q does not say %q", text, part)
				}
			}
		}
	}
}
