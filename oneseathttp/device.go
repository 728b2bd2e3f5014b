package oneseathttp

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/oneseat/oneseat"
)

// deviceOf is what is kept of the device that asks.
func (g *Guard) deviceOf(r *http.Request) oneseat.Device {
	d := recognise(r.UserAgent())
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

// recognise makes a coarse label from what the browser says of itself: enough
// for its owner to know it again. It is the client's word, and only ever shown.
func recognise(ua string) oneseat.Device {
	if len(ua) > 1024 {
		ua = ua[:1024]
	}
	browser := first(ua, [][2]string{
		{"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser", "Samsung Internet"}, {"FxiOS", "Firefox"}, {"Firefox/", "Firefox"},
		{"CriOS", "Chrome"}, {"HeadlessChrome", "Chrome"}, {"Chrome/", "Chrome"}, {"Chromium", "Chromium"}, {"Safari/", "Safari"},
		{"curl/", "curl"}, {"Wget", "Wget"}, {"Go-http-client", "Go program"}, {"python", "Python program"}, {"okhttp", "Android app"},
	})
	system := first(ua, [][2]string{
		{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android TV", "Android TV"}, {"SmartTV", "smart TV"}, {"SMART-TV", "smart TV"}, {"AppleTV", "Apple TV"},
		{"Android", "Android"}, {"CrOS", "ChromeOS"}, {"Windows", "Windows"}, {"Macintosh", "Mac"}, {"Linux", "Linux"},
	})
	d := oneseat.Device{Class: classOf(ua, browser, system)}
	switch {
	case browser != "" && system != "":
		d.Label = browser + " on " + system
	case browser+system != "":
		d.Label = browser + system
	default:
		d.Label = "Unknown device"
	}
	return d
}

func first(ua string, table [][2]string) string {
	for _, row := range table {
		if strings.Contains(ua, row[0]) {
			return row[1]
		}
	}
	return ""
}

func classOf(ua, browser, system string) oneseat.Class {
	switch {
	case strings.Contains(system, "TV"):
		return "tv"
	case system == "iPad", system == "Android" && !strings.Contains(ua, "Mobile"):
		return "tablet"
	case system == "iPhone", system == "Android":
		return "mobile"
	case strings.HasPrefix(ua, "Mozilla/") && system != "":
		return "desktop"
	case browser != "":
		return "api"
	}
	return "other"
}
