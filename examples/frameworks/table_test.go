package frameworks

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/CAFxX/httpcompression"
	"github.com/NYTimes/gziphandler"
	sentryhttp "github.com/getsentry/sentry-go/http"
	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/gorilla/handlers"
	"github.com/gorilla/mux"
	"github.com/klauspost/compress/gzhttp"
	"github.com/labstack/echo/v5"
	echomiddleware "github.com/labstack/echo/v5/middleware"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	"github.com/oneseat/oneseat/examples/frameworks/ginapp"
	"github.com/oneseat/oneseat/oneseathttp"
)

type middlewareFunc = func(http.Handler) http.Handler

// around returns a stack with m around the guard; inside returns one with m inside it.
func around(name string, m middlewareFunc, limits ...limit) stack {
	return stack{name: name, limit: first(limits), build: func(_ testing.TB, g *oneseathttp.Guard, all routes) http.Handler { return m(g.Require(all.mux())) }}
}

func inside(name string, m middlewareFunc, limits ...limit) stack {
	return stack{name: name, limit: first(limits), build: func(_ testing.TB, g *oneseathttp.Guard, all routes) http.Handler { return g.Require(m(all.mux())) }}
}

func first(all []limit) limit {
	if len(all) == 0 {
		return limit{hijacks: true}
	}
	return all[0]
}

// hiding is an access log such as many people write. It hides the connection.
type hiding struct{ http.ResponseWriter }

func (w hiding) Flush() { w.ResponseWriter.(http.Flusher).Flush() }

func hide(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(hiding{w}, r) })
}

func show(next http.Handler) http.Handler { return AccessLog(slog.New(slog.DiscardHandler), next) }

func recovers(next http.Handler) http.Handler { return Recover(slog.New(slog.DiscardHandler), next) }

// swallow recovers from everything, also from http.ErrAbortHandler, and moves the
// deadlines.
func swallow(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() != nil {
				c := http.NewResponseController(w)
				_ = c.SetReadDeadline(time.Time{})
				_ = c.SetWriteDeadline(time.Time{})
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// rolling is a connection that sets its own deadline before each write.
type rolling struct{ net.Conn }

func (c rolling) Write(b []byte) (int, error) {
	_ = c.SetWriteDeadline(time.Now().Add(time.Hour))
	return c.Conn.Write(b)
}

func compress(t testing.TB) middlewareFunc {
	t.Helper()
	m, err := httpcompression.DefaultAdapter()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func count(next http.Handler) http.Handler {
	metrics := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "answers"}, []string{"code"})
	return promhttp.InstrumentHandlerCounter(metrics, next)
}

func trace(next http.Handler) http.Handler { return otelhttp.NewHandler(next, "site") }

func accessLog(next http.Handler) http.Handler {
	return handlers.CombinedLoggingHandler(io.Discard, next)
}

func patience(next http.Handler) http.Handler { return http.TimeoutHandler(next, time.Hour, "") }

func none(next http.Handler) http.Handler { return next }

// chain returns what a router of chi serves.
func chain(all routes, use ...middlewareFunc) http.Handler {
	r := chi.NewRouter()
	r.Use(use...)
	r.Mount("/", all.mux())
	return r
}

func onGin(all routes, wrap func(http.Handler) http.Handler, use ...gin.HandlerFunc) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	app := gin.New()
	app.Use(gin.CustomRecoveryWithWriter(io.Discard, func(c *gin.Context, _ any) { c.AbortWithStatus(http.StatusInternalServerError) }))
	app.Use(use...)
	app.Any("/*path", gin.WrapH(wrap(all.mux())))
	return app
}

func onEcho(all routes, wrap func(http.Handler) http.Handler, use ...echo.MiddlewareFunc) http.Handler {
	app := echo.New()
	app.Logger = slog.New(slog.DiscardHandler)
	app.Use(echomiddleware.Recover())
	app.Use(use...)
	app.Any("/*", echo.WrapHandler(wrap(all.mux())))
	return app
}

// behindProxy puts a reverse proxy in front of the site.
func behindProxy(t testing.TB, g *oneseathttp.Guard, all routes) http.Handler {
	site := httptest.NewServer(g.Require(all.mux()))
	site.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	t.Cleanup(func() {
		site.CloseClientConnections()
		site.Close()
	})
	return proxyTo(site.URL)
}

// beforeProxy puts the site's handlers behind a reverse proxy that is guarded.
func beforeProxy(t testing.TB, g *oneseathttp.Guard, all routes) http.Handler {
	site := httptest.NewServer(all.mux())
	site.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	t.Cleanup(func() {
		site.CloseClientConnections()
		site.Close()
	})
	return g.Require(proxyTo(site.URL))
}

func proxyTo(site string) http.Handler {
	to, err := url.Parse(site)
	if err != nil {
		panic(err)
	}
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }, FlushInterval: -1,
		Transport: &http.Transport{DisableCompression: true},
		ErrorLog:  slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo),
	}
}

func stacks(t *testing.T) []stack {
	whole := limit{whole: true}
	noHijack := limit{}
	return []stack{
		around("nothing", none),
		around("a wrapper without `Unwrap` around the guard", hide, noHijack),
		around("a wrapper with `Unwrap`", show),
		around("a recovery that lets `http.ErrAbortHandler` through", recovers),
		around("a recovery that swallows everything and moves the deadlines", swallow),
		around("the same, and a wrapper without `Unwrap`", func(next http.Handler) http.Handler { return swallow(hide(next)) }, limit{ends: "HTTP/3"}),
		{name: "a listener whose connections move their own deadlines", build: around("", none).build, conn: func(c net.Conn) net.Conn { return rolling{c} }, limit: limit{no: "HTTP/3", hijacks: true}},
		around("`http.TimeoutHandler` around the guard", patience, whole),
		inside("`http.TimeoutHandler` inside", patience, whole),
		around("access log of gorilla/handlers", accessLog),
		around("recovery of gorilla/handlers", handlers.RecoveryHandler()),
		around("compression of gorilla/handlers", handlers.CompressHandler),
		around("klauspost/compress/gzhttp around the guard", func(next http.Handler) http.Handler { return gzhttp.GzipHandler(next) }),
		inside("klauspost/compress/gzhttp inside", func(next http.Handler) http.Handler { return gzhttp.GzipHandler(next) }),
		around("NYTimes/gziphandler around the guard", gziphandler.GzipHandler),
		inside("NYTimes/gziphandler inside", gziphandler.GzipHandler),
		around("CAFxX/httpcompression around the guard", compress(t)),
		inside("CAFxX/httpcompression inside", compress(t)),
		around("otelhttp", trace),
		around("promhttp", count),
		around("sentryhttp", sentryhttp.New(sentryhttp.Options{Repanic: true}).Handle),
		around("sentryhttp that does not panic again", sentryhttp.New(sentryhttp.Options{}).Handle),
		{name: "chi, with its logger, recoverer, compression and timeout", limit: limit{hijacks: true}, build: func(_ testing.TB, g *oneseathttp.Guard, all routes) http.Handler {
			log := middleware.RequestLogger(&middleware.DefaultLogFormatter{Logger: slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo), NoColor: true})
			return chain(all, log, middleware.Recoverer, middleware.Compress(5), middleware.Timeout(time.Hour), g.Require)
		}},
		{name: "gorilla/mux", limit: limit{hijacks: true}, build: func(_ testing.TB, g *oneseathttp.Guard, all routes) http.Handler {
			r := mux.NewRouter()
			r.Use(g.Require)
			r.PathPrefix("/").Handler(all.mux())
			return r
		}},
		{name: "gin inside of the guard", limit: limit{hijacks: true}, build: func(_ testing.TB, g *oneseathttp.Guard, all routes) http.Handler {
			return g.Require(onGin(all, none))
		}},
		{name: "gin, `gin.WrapH(guard.Require(h))`", limit: limit{hijacks: true}, build: func(_ testing.TB, g *oneseathttp.Guard, all routes) http.Handler {
			return onGin(all, g.Require)
		}},
		{name: "gin, `Adapt(guard.Require)`", limit: limit{hijacks: true}, build: func(_ testing.TB, g *oneseathttp.Guard, all routes) http.Handler {
			return onGin(all, none, ginapp.Adapt(g.Require))
		}},
		{name: "echo inside of the guard", limit: limit{hijacks: true}, build: func(_ testing.TB, g *oneseathttp.Guard, all routes) http.Handler {
			return g.Require(onEcho(all, none))
		}},
		{name: "echo, `echo.WrapMiddleware(guard.Require)`", limit: limit{hijacks: true}, build: func(_ testing.TB, g *oneseathttp.Guard, all routes) http.Handler {
			return onEcho(all, none, echo.WrapMiddleware(g.Require))
		}},
		{name: "`httputil.ReverseProxy` before the site", limit: limit{hijacks: true, ends: "HTTP/3"}, build: behindProxy},
		{name: "`httputil.ReverseProxy` that is guarded", limit: limit{hijacks: true, far: true}, build: beforeProxy},
	}
}

var protocols = []string{"HTTP/1.1", "HTTP/2", "HTTP/3"}

var update = flag.Bool("update", false, "write the table into the page")

const page = "../../docs/howto/frameworks.md"

// The page has the table between these two lines.
const (
	top    = "<!-- the table: go -C examples/frameworks test -run TheCutHolds . -update -->\n"
	bottom = "<!-- end of the table -->\n"
)

func TestTheCutHoldsWhateverStandsAroundOrBeneath(t *testing.T) {
	film := shoot(t)
	table := "| around the guard, inside of it or beneath it | over HTTP/ | what waits in a write or a read | an answer of unknown length looks complete | a hijacked connection is |\n|---|---|---|---|---|\n"
	for _, s := range stacks(t) {
		t.Run(s.name, func(t *testing.T) { table += s.row(t, film) })
	}
	text, err := os.ReadFile(page)
	before, rest, begins := strings.Cut(string(text), top)
	old, after, ends := strings.Cut(rest, bottom)
	switch {
	case err != nil || !begins || !ends:
		t.Fatal(page, "has no place for the table:", err)
	case *update:
		if err := os.WriteFile(page, []byte(before+top+table+bottom+after), 0o644); err != nil {
			t.Fatal(err)
		}
	case old != table && !t.Failed():
		t.Errorf("%s shows another table: run this test with -update, to get\n%s", page, table)
	}
}

// row tries a stack over every protocol and returns what was found.
func (s stack) row(t *testing.T, film string) string {
	var over []string
	hidden := false
	for _, proto := range protocols {
		if proto == s.no {
			continue
		}
		over = append(over, strings.TrimPrefix(proto, "HTTP/"))
		run := func(name string, judge func(*trial)) {
			t.Run(proto+"/"+name, func(t *testing.T) {
				tr := s.serve(t, proto, film)
				judge(tr)
				hidden = hidden || tr.hidden.Load()
			})
		}
		run("a handler that ignores everything", (*trial).judgeWrites)
		run("nothing sent yet", (*trial).judgeWaits)
		run("an upload", (*trial).judgeUpload)
		if !s.whole {
			run("a file", (*trial).judgeFilm)
			run("a write that waits", (*trial).judgeFull)
		}
		if proto == "HTTP/1.1" && s.hijacks {
			run("hijacked", (*trial).judgeHijack)
		}
	}
	stops, ends, hijacked := "ends at once", "never", "closed"
	if hidden {
		stops = "ends when its client goes on"
	}
	if s.ends != "" {
		ends = "over " + s.ends
	}
	if !s.hijacks {
		hijacked = "not to be had"
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s |\n", s.name, strings.Join(over, ", "), stops, ends, hijacked)
}
