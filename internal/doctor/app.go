package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
)

// claimed is the account that the doctor claims to be. An application that believes it
// may make such an account.
const claimed = "oneseat-doctor"

// pageFacts is what was seen of a page: asked for as anybody asks, and with the claim to
// be an account.
type pageFacts struct {
	url    string // without user and password
	bad    error  // it is no URL
	header string
	plain  answer
	forged []answer // in the spellings of the header

	beyond []netip.Addr // of this machine, beyond loopback, at which the port answers too
}

// app examines a site, through its proxy and past it.
func (s Subject) app(ctx context.Context) (all []Result) {
	header := s.Header
	if header == "" {
		header = "X-Account"
	}
	var through, direct pageFacts
	var probes sync.WaitGroup
	if s.App != "" {
		probes.Go(func() { through = probePage(ctx, s.App, header, nil) })
	}
	if s.Direct != "" {
		probes.Go(func() { direct = probePage(ctx, s.Direct, header, s.addresses) })
	}
	probes.Wait()
	if s.App != "" {
		all = append(all, judgeForged(through), judgeCookies(through))
	}
	if s.Direct != "" {
		all = append(all, judgeDirect(direct))
	}
	return all
}

// probePage asks for a page. addresses, if there is one, are those at which the same port
// is tried.
func probePage(ctx context.Context, address, header string, addresses func() []netip.Addr) (f pageFacts) {
	w, shown, err := newWay(address, nil)
	u, parsed := url.Parse(address)
	if err == nil && (parsed != nil || strings.HasPrefix(address, "unix:")) {
		err = errors.New("write https://HOST/PAGE")
	}
	f = pageFacts{url: shown, bad: err, header: header}
	if err != nil {
		return f
	}
	w.open.Transport.(*http.Transport).TLSClientConfig.InsecureSkipVerify = true // nothing secret is sent, and an answer is an answer
	page := w.base
	if u.RawQuery != "" {
		page += "?" + u.RawQuery
	}
	if f.plain = ask(ctx, w.open, http.MethodGet, page, nil); f.plain.err != nil {
		return f
	}
	for _, name := range spellings(header) {
		f.forged = append(f.forged, ask(ctx, w.open, http.MethodGet, page, nil, name, claimed))
	}
	if addresses != nil && f.plain.peer.IsLoopback() {
		f.beyond = answering(ctx, u, addresses(), func(a answer) bool { return a.status != 0 }, u.EscapedPath())
	}
	return f
}

// spellings are those in which an application may read one header: CGI, WSGI and PHP make
// no difference between - and _.
func spellings(header string) []string {
	list := []string{http.CanonicalHeaderKey(header)}
	if other := strings.ReplaceAll(list[0], "-", "_"); other != list[0] {
		list = append(list, other)
	}
	return list
}

// believed says that a page treats somebody as the account that was claimed. decided is
// false if the page shows nothing that could tell.
func (f pageFacts) believed() (yes, decided bool) {
	refused := f.plain.status != http.StatusOK
	for _, a := range f.forged {
		if a.err != nil {
			continue
		}
		named := bytes.Contains(a.body, []byte(claimed)) && !bytes.Contains(f.plain.body, []byte(claimed))
		if named || refused && a.status == http.StatusOK {
			return true, true
		}
		decided = true
	}
	return false, decided && refused
}

func judgeForged(f pageFacts) Result {
	const check = "forged"
	switch yes, decided := f.believed(); {
	case f.bad != nil:
		return found(check, f.url, Problem, f.bad.Error()).cured("Correct the URL.")
	case f.plain.err != nil:
		return notChecked(check, f.url, fmt.Sprintf("the page does not answer: %v", f.plain.err))
	case yes:
		return found(check, f.url, Problem, fmt.Sprintf("every request with the header %s is let in at %s", f.header, f.url))
	case !decided:
		return notChecked(check, f.url, "everybody sees this page: give the URL of one that needs a sign-in")
	}
	return fine(check, f.url, f.header+" is not believed")
}

// judgeCookies judges the cookies of oneseat that a page sets. Most pages set one at a
// sign-in only.
func judgeCookies(f pageFacts) Result {
	const check = "dangerously"
	if f.bad != nil || f.plain.err != nil {
		return notChecked(check, f.url, "the page does not answer")
	}
	seen := false
	for _, c := range (&http.Response{Header: f.plain.header}).Cookies() {
		if !strings.Contains(c.Name, "oneseat") {
			continue
		}
		seen = true
		if !c.Secure && !f.plain.peer.IsLoopback() {
			return found(check, f.url, Problem, fmt.Sprintf("the cookie %s is sent by plain http too (DangerouslyPlainHTTP)", c.Name))
		}
	}
	if !seen {
		return notChecked(check, f.url, "the page sets no cookie of oneseat; the application's log has a warning for each switch that is on")
	}
	return fine(check, f.url, "")
}

// judgeDirect judges an application at its own address. At a loopback address nothing is
// wrong: only its proxy should reach the application there.
func judgeDirect(f pageFacts) Result {
	const check = "past-proxy"
	var at []string
	for _, a := range f.beyond {
		at = append(at, a.String())
	}
	if !f.plain.peer.IsLoopback() {
		at = []string{f.plain.peer.String()}
	}
	switch yes, decided := f.believed(); {
	case f.bad != nil:
		return found(check, f.url, Problem, f.bad.Error()).cured("Correct the URL.")
	case f.plain.err != nil:
		return fine(check, f.url, fmt.Sprintf("it does not answer from here: %v", f.plain.err))
	case len(at) == 0:
		return fine(check, f.url, "on this machine only")
	case yes:
		return found(check, f.url, Problem, fmt.Sprintf("the application answers at %s, and lets in every request with the header %s", strings.Join(at, " and "), f.header))
	default:
		what := fmt.Sprintf("the application answers at %s to this machine", strings.Join(at, " and "))
		if !decided {
			what += "; whether it believes the header " + f.header + " cannot be told from this page"
		}
		r := found(check, f.url, Warning, what)
		r.Findings[0].Means = "If others can reach that address too, they get past the proxy."
		return r
	}
}
