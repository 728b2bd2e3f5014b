package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
	"github.com/oneseat/oneseat/internal/testservers"
)

// commands compares how soon commands of an operator print their first row, and how soon
// a server says its first yes, over few accounts and over many.
func commands() {
	dir := must(os.MkdirTemp("", "oneseat-bench-"))
	defer os.RemoveAll(dir)
	program := builtTo(filepath.Join(dir, "oneseat"))
	few, many := newDatabase(fewAccounts), newDatabase(accounts)
	defer few.close()
	defer many.close()
	firstRows(program, "SQLite", "sqlite:"+few.file, "sqlite:"+many.file, 15)
	firstYes(program, few, many, 15)

	var s servers
	defer s.close()
	urls := [2]string{}
	for i, n := range []int{fewAccounts, accounts} {
		server := testservers.StartPostgres(&s, "shared_buffers=256MB")
		node := newPgNode(server.URL)
		must(node.seats.SignIn(context.Background(), account(0), oneseat.SignInRequest{}))
		node.fill(1, n-1)
		node.close()
		urls[i] = server.URL
	}
	firstRows(program, "PostgreSQL", urls[0], urls[1], 15)
}

// builtTo builds the program.
func builtTo(file string) string {
	build := exec.Command("go", "build", "-o", file, "github.com/oneseat/oneseat/cmd/oneseat")
	build.Dir, build.Stderr = "..", os.Stderr // the module of the program has what it stands on
	must(0, build.Run())
	return file
}

// firstRows compares two stores: from the start of a command to its first row.
func firstRows(program, store, few, many string, rounds int) (most float64) {
	fmt.Printf("From the start of a command to its first row, %s\n", store)
	some := account(fewAccounts / 2)
	for _, line := range [][]string{{"accounts", "list"}, {"accounts", "show", some}, {"sessions", "list", some}} {
		var a, b []float64
		for range rounds {
			a = append(a, untilRow(program, few, line))
			b = append(b, untilRow(program, many, line))
		}
		r := ratio(b, a)
		most = max(most, r)
		fmt.Printf("  %-22s %7.0f ms, of %d accounts  %5.2f times that\n", strings.Join(line[:2], " "), median(a), accounts, r)
	}
	return most
}

// untilRow runs a command, and returns the milliseconds until it has printed its second
// line: the first one has the names of columns, or of the account.
func untilRow(program, store string, args []string) float64 {
	cmd := exec.Command(program, append(args, "--store", store)...)
	cmd.Stderr = os.Stderr
	out := must(cmd.StdoutPipe())
	began := time.Now()
	must(0, cmd.Start())
	r := bufio.NewReader(out)
	for range 2 {
		must(r.ReadString('\n'))
	}
	took := time.Since(began)
	_ = out.Close() // it ends with that
	must(0, cmd.Wait())
	return float64(took) / 1e6
}

// firstYes compares two databases: from the start of a server to its first yes.
func firstYes(program string, few, many *database, rounds int) float64 {
	dir := must(os.MkdirTemp("", "oneseat-bench-"))
	defer os.RemoveAll(dir)
	keys := filepath.Join(dir, "keys.toml")
	key := strings.TrimSpace(string(must(exec.Command(program, "keys", "create", "--file", keys).Output())))
	var a, b []float64
	for range rounds {
		a = append(a, untilYes(program, keys, key, few))
		b = append(b, untilYes(program, keys, key, many))
	}
	r := ratio(b, a)
	fmt.Printf("From the start of a server to its first yes, SQLite\n  %27.0f ms, of %d accounts  %5.2f times that: %.0f ms\n", median(a), accounts, r, median(b))
	return r
}

func untilYes(program, keys, key string, d *database) float64 {
	token := must(d.seats.SignIn(context.Background(), account(0), oneseat.SignInRequest{})).Token
	cmd := exec.Command(program, "serve", "--keys", keys, "--store", "sqlite:"+d.file, "--listen", "127.0.0.1:0", "--drain", "0s", "--log-level", "error")
	cmd.Stderr = os.Stderr
	out := must(cmd.StdoutPipe())
	began := time.Now()
	must(0, cmd.Start())
	url := strings.TrimSpace(must(bufio.NewReader(out).ReadString('\n')))
	for {
		r := must(http.NewRequest(http.MethodPost, url+api.PathCheck, bytes.NewReader([]byte(`{"token":"`+string(token)+`"}`))))
		r.Header.Set("Authorization", "Bearer "+key)
		r.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			continue
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			break
		}
	}
	took := time.Since(began)
	must(0, cmd.Process.Signal(os.Interrupt))
	must(0, cmd.Wait())
	return float64(took) / 1e6
}
