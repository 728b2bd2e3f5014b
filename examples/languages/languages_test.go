// Package languages has what a site in another language needs to use a oneseat server,
// in thirty to fifty lines each. Its test runs them all, over TCP and over a Unix socket.
package languages

import (
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/server"
	"github.com/oneseat/oneseat/store/memstore"
)

// What each program does with its functions: two browsers sign in, one after the other,
// and each is checked. Then the second one signs out.
var programs = map[string]struct{ file, interpreter, text string }{
	"Python": {"try.py", "python3", `
from oneseat import *
token = lambda cookie: cookie.split(";")[0].split("=", 1)[1]
first = token(sign_in("ada", "", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "192.0.2.7")[0])
print(check(first)[0])
second = token(sign_in("ada", "", "", "")[0])
print(check(first)[1])
print(check(second)[0])
print(sign_out(second), check("nonsense")[1], sign_in("", "", "", "")[1], sep="\n")
`},
	"Node": {"try.mjs", "node", `
import { signIn, check, signOut } from "./oneseat.mjs";
const token = (cookie) => cookie.split(";")[0].split("=")[1];
const first = token((await signIn("ada", "", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "192.0.2.7"))[0]);
console.log((await check(first))[0]);
const second = token((await signIn("ada", "", "", ""))[0]);
console.log((await check(first))[1]);
console.log((await check(second))[0]);
console.log((await signOut(second)) ? "True" : "False");
console.log((await check("nonsense"))[1]);
console.log((await signIn("", "", "", ""))[1]);
`},
	"PHP": {"try.php", "php", `<?php
require 'oneseat.php';
$token = fn(string $cookie) => explode('=', explode(';', $cookie)[0], 2)[1];
$first = $token(sign_in('ada', '', 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', '192.0.2.7')[0]);
echo check($first)[0], "\n";
$second = $token(sign_in('ada', '', '', '')[0]);
echo check($first)[1], "\n";
echo check($second)[0], "\n";
echo sign_out($second) ? 'True' : 'False', "\n", check('nonsense')[1], "\n", sign_in('', '', '', '')[1], "\n";
`},
}

func TestASecondSignInEndsTheFirstInEveryLanguage(t *testing.T) {
	for name, p := range programs {
		t.Run(name, func(t *testing.T) {
			interpreter, err := exec.LookPath(p.interpreter)
			if err != nil {
				t.Fatalf("this test runs %s: scripts/prepare installs it where it may", p.interpreter)
			}
			seats, err := oneseat.New(memstore.New(), oneseat.Config{Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
			if err != nil {
				t.Fatal(err)
			}
			defer seats.Close()
			secret, key := server.NewKey("default", server.ScopeCheck, server.ScopeSessions)
			api, err := server.New(server.Config{Realms: map[string]*oneseat.Registry{"default": seats}, Keys: []server.Key{key}})
			if err != nil {
				t.Fatal(err)
			}
			at := httptest.NewServer(api)
			defer at.Close()
			beside := httptest.NewUnstartedServer(api)
			socket := filepath.Join(t.TempDir(), "s")
			if beside.Listener, err = net.Listen("unix", socket); err != nil {
				t.Fatal(err)
			}
			beside.Start()
			defer beside.Close()

			dir := t.TempDir()
			library := "oneseat" + filepath.Ext(p.file)
			b, err := os.ReadFile(library)
			if err != nil {
				t.Fatal(err)
			}
			for file, text := range map[string]string{library: string(b), p.file: p.text} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for _, url := range []string{at.URL, "unix:" + socket} {
				run := exec.CommandContext(t.Context(), interpreter, p.file)
				run.Dir = dir
				run.Env = append(os.Environ(), "ONESEAT_URL="+url, "ONESEAT_KEY="+secret)
				out, err := run.CombinedOutput()
				const want = "ada\nThis account signed in on another device\nada\nTrue\nThere is no such session\nThis cannot name an account\n"
				if err != nil || string(out) != want {
					t.Errorf("%s: %v, it printed %q, want %q", url, err, out, want)
				}
			}
		})
	}
}
