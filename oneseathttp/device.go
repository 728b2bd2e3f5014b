package oneseathttp

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/device"
)

// Recognise returns what can be told of a device from the headers of its request,
// User-Agent and the hints that Chromium sends, and from its address. A guard calls
// Recognise by itself. Recognise is exported for a program that signs people in on behalf
// of others.
func Recognise(h http.Header, ip string) oneseat.Device {
	d := device.Of(h)
	d.IP = ip
	return d
}

// deviceOf returns the device that a request comes from.
func (g *Guard) deviceOf(r *http.Request) oneseat.Device {
	d := Recognise(r.Header, g.clientIP(r))
	if g.config.Device != nil {
		return g.config.Device(r, d)
	}
	return d
}

// clientIP returns the address that a request comes from: the peer's, or, where
// the peer is a trusted proxy, the last one in X-Forwarded-For that is none.
func (g *Guard) clientIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	if !g.trusts(host) {
		g.notTrusted(r, host)
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		if hop = trim(hop); hop == "" || !g.trusts(host) {
			break
		}
		host = hop
	}
	return host
}

// trusts says that an address is a trusted proxy's.
func (g *Guard) trusts(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && slices.ContainsFunc(g.config.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(a.Unmap()) })
}

// notTrusted logs once that a request with a proxy's header comes from an address
// that is not trusted.
func (g *Guard) notTrusted(r *http.Request, peer string) {
	header := forwarded(r)
	if header == "" {
		return
	}
	g.proxied.Do(func() {
		g.seats.Config().Logger.Warn("a request has a header that a proxy adds, and comes from an address that is not in Config.TrustedProxies. "+
			"The header is ignored, so all devices behind that address are shown with its network. If your proxy has that address, name it there. If not, the client wrote the header itself",
			"header", header, "address", peer)
	})
}
