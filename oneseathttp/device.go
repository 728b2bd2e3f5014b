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

// deviceOf is what is kept of the device that asks.
func (g *Guard) deviceOf(r *http.Request) oneseat.Device {
	d := device.Of(r.Header)
	d.IP = g.clientIP(r)
	if g.config.Device != nil {
		return g.config.Device(r, d)
	}
	return d
}

// clientIP is the address that a request comes from: the peer's, or, where the
// peer is a trusted proxy, the last one in X-Forwarded-For that is none.
func (g *Guard) clientIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		if a, err := netip.ParseAddr(host); err != nil || !slices.ContainsFunc(g.config.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(a.Unmap()) }) {
			break
		}
		if hop = strings.TrimSpace(hop); hop == "" {
			break
		}
		host = hop
	}
	return host
}
