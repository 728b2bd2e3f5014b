package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/oneseat/oneseat/internal/testservers"
)

func TestTwoDemosOnOnePostgresAreOneSystem(t *testing.T) {
	here, there, _ := oneSystem(t, testservers.StartPostgres(t).URL)
	here.stop()
	there.stop()
}

func TestNoPasswordOfAStoreIsEverSaid(t *testing.T) {
	for _, store := range []string{
		"postgres://ada:hunter2secret@127.0.0.1:1/shop?connect_timeout=2", "postgres://ada:hunter2secret@127.0.0.1:port/shop",
		"postgres://ada:hunter2secret@[::1/shop", "postgresql://ada:hunter2secret@127.0.0.1:1/shop?sslmode=no", "mysql://ada:hunter2secret@127.0.0.1/shop",
	} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), []string{"demo", "--listen", "127.0.0.1:0", "--store", store}, &stdout, &stderr)
		if code == exitOK || stderr.Len() == 0 || strings.Contains(stdout.String()+stderr.String(), "hunter2") {
			t.Errorf("%d, %q, %q", code, stdout.String(), stderr.String())
		}
		if strings.Contains(store, ":1/shop?connect") && !strings.Contains(stderr.String(), "127.0.0.1:1/shop") {
			t.Errorf("the address is not named: %q", stderr.String())
		}
	}
}
