package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

func TestHealthcheckExitsWithZeroOnlyIfTheServerAnswers200(t *testing.T) {
	t.Chdir(t.TempDir())
	createKey(t, "--file", "keys.toml")
	alive := startProcess(t)
	socket := filepath.Join(t.TempDir(), "s")
	startProcess(t, "--listen", "unix:"+socket)
	secure := httptest.NewTLSServer(http.NotFoundHandler()) // of an authority that nobody knows
	defer secure.Close()
	hangs, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer hangs.Close()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	moved := httptest.NewServer(http.RedirectHandler(alive.url+"/healthz", http.StatusFound))
	defer moved.Close()
	for flags, c := range map[string]struct {
		code int
		want string
	}{
		"--url " + alive.url:                         {exitOK, ""},
		"--url " + alive.url + "/ --ready":           {exitOK, ""},
		"--url unix:" + socket:                       {exitOK, ""},
		"--url " + secure.URL:                        {exitFailed, "404 Not Found to /healthz"},
		"--url " + moved.URL:                         {exitFailed, "302 Found to /healthz"},
		"--url http://" + gone.Addr().String():       {exitFailed, "refused"},
		"--url http://" + hangs.Addr().String():      {exitFailed, "no answer to /healthz within 2s"},
		"--url unix:/nonexistent/s":                  {exitFailed, "no such file"},
		"--url 127.0.0.1:7300":                       {exitUsage, "http://HOST:PORT"},
		"--url http://127.0.0.1:7300 now":            {exitUsage, `"now" is not a flag`},
		"--url ftp://ada:hunter2@127.0.0.1 --ready":  {exitUsage, "http://HOST:PORT"},
		"--url http://ada:hunter2@127.0.0.1:1/where": {exitFailed, "refused"},
	} {
		args := append([]string{"healthcheck"}, strings.Fields(flags)...)
		code, stdout, stderr := ran(t, args...)
		for range 10 { // an answer has two seconds, which is little on a machine that is busy
			if code == c.code && strings.Contains(stderr, c.want) {
				break
			}
			code, stdout, stderr = ran(t, args...)
		}
		if code != c.code || stdout != "" || !strings.Contains(stderr, c.want) || (stderr == "") != (code == exitOK) || strings.Contains(stderr, "hunter2") || code == exitFailed && strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: %d %q %q", flags, code, stdout, stderr)
		}
	}
}
