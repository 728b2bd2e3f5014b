package oneseathttp

import (
	"net/http"
	"net/url"
	"path"
	"strings"
)

// Path is where [Guard.Handler] is mounted, beneath [Config.Prefix].
const Path = "/oneseat/"

// path is Path as browsers see it.
func (g *Guard) path() string { return g.config.Prefix + Path[1:] }

// seen is the path, with the query, that a browser asked for. A proxy may have removed
// the prefix; http.StripPrefix leaves it in r.RequestURI.
func (g *Guard) seen(r *http.Request) string {
	uri := r.URL.RequestURI()
	if strings.HasPrefix(r.RequestURI, "/") {
		uri = r.RequestURI
	}
	if !strings.HasPrefix(uri, g.config.Prefix) {
		uri = g.config.Prefix + strings.TrimPrefix(uri, "/")
	}
	return uri
}

// atSignIn reports that a browser asked for the sign-in page.
func (g *Guard) atSignIn(r *http.Request) bool {
	if r.URL.Path == g.signInAt {
		return true
	}
	if !strings.HasSuffix(g.signInAt, r.URL.Path) { // nearly every request; a proxy may have removed a prefix
		return false
	}
	seen, _, _ := strings.Cut(g.seen(r), "?")
	return seen == g.signInAt
}

// signIn is the sign-in page with more in its query.
func (g *Guard) signIn(more url.Values) string {
	page, query, _ := strings.Cut(g.config.SignInPath, "?")
	if query != "" {
		query += "&"
	}
	return page + "?" + query + more.Encode()
}

// LocalPath says that p is a path of this site: it has no host, no scheme, no
// backslash and no control character. Call it before you redirect to a path that
// came with a request, as "next".
func LocalPath(p string) bool {
	if !strings.HasPrefix(p, "/") || strings.HasPrefix(p, "//") {
		return false
	}
	for _, c := range p {
		if c == '\\' || c < ' ' || c == 0x7f {
			return false
		}
	}
	u, err := url.Parse(p)
	return err == nil && u.Host == "" && u.Scheme == ""
}

// validPrefix says that p can be [Config.Prefix].
func validPrefix(p string) bool { return LocalPath(p) && p == asPrefix(p) }

// asPrefix returns p as a prefix: cleaned, without a query or a fragment, and with a slash
// at both ends.
func asPrefix(p string) string {
	p, _, _ = strings.Cut(p, "?")
	p, _, _ = strings.Cut(p, "#")
	if p = path.Clean("/" + p); p != "/" {
		p += "/"
	}
	return p
}
