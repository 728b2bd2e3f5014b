package sqlitestore_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/sqlitestore"
)

// P7 holds for the database, and for the files beside it while it is in use.
func TestACopyOfTheFilesSignsNobodyIn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "oneseat.db")
	store, err := sqlitestore.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	seats, err := oneseat.New(store, oneseat.Config{Limit: 2, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer seats.Close()
	const device = "canary-device-id"
	var tokens []string
	for range 3 { // live, displaced, and rotated away
		g, err := seats.SignIn(t.Context(), "ada", oneseat.SignInRequest{DeviceID: device})
		if err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, string(g.Token))
	}
	g, err := seats.Rotate(t.Context(), tokens[2])
	if err != nil {
		t.Fatal(err)
	}
	tokens = append(tokens, string(g.Token))

	secrets := [][]byte{[]byte(device)}
	for _, token := range tokens {
		spelt := token[len(oneseat.TokenPrefix):]
		raw, err := base64.RawURLEncoding.DecodeString(spelt)
		if err != nil {
			t.Fatal(err)
		}
		secret := raw[16:48] // after the key, which is no secret
		secrets = append(secrets, secret, fmt.Appendf(nil, "%x", secret), fmt.Appendf(nil, "%X", secret),
			[]byte(base64.RawURLEncoding.EncodeToString(secret)), []byte(base64.StdEncoding.EncodeToString(secret)), []byte(spelt[24:]))
	}
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) < 3 {
		t.Fatalf("the files are %q (%v), want the log of writes too", files, err)
	}
	var all []byte
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text...)
		for i, secret := range secrets {
			if bytes.Contains(text, secret) {
				t.Errorf("%s has secret %d", filepath.Base(file), i)
			}
		}
	}
	if !bytes.Contains(all, []byte(g.Session.ID)) {
		t.Error("the session is in no file, so nothing was looked at")
	}
}
