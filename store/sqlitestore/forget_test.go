package sqlitestore_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/oneseat/oneseat"
)

// PRV-03: erase, then grep. Nothing that names the account is in the database file or
// in the files beside it, not even in space that is free.
func TestNothingInTheFilesNamesAForgottenAccount(t *testing.T) {
	store, path := fresh(t)
	seats, err := oneseat.New(store, oneseat.Config{Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer seats.Close()
	const account, actor = "ada.lovelace@example.org", "mallory"
	device := oneseat.Device{Label: "Hurd on a toaster", Class: oneseat.ClassOther}
	for i := range 40 { // more endings than are kept, so pages are freed and used again
		for _, a := range []string{account, fmt.Sprint("somebody ", i)} {
			if _, err := seats.SignIn(t.Context(), a, oneseat.SignInRequest{Device: device}); err != nil {
				t.Fatal(err)
			}
			device.Label = "Firefox on Linux"
		}
		device.Label = "Hurd on a toaster"
	}
	if _, err := seats.EndAll(t.Context(), account, oneseat.EndOptions{Actor: actor}); err != nil {
		t.Fatal(err)
	}
	if err := seats.Forget(t.Context(), account); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) < 3 {
		t.Fatalf("the files are %q (%v), want the log of writes too", files, err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{account, "lovelace", "toaster", actor} {
			if n := bytes.Count(b, []byte(name)); n > 0 {
				t.Errorf("%s has %q %d times", filepath.Base(file), name, n)
			}
		}
		if filepath.Base(file) == filepath.Base(path) && !bytes.Contains(b, []byte("somebody 39")) {
			t.Error("the file has nothing of the others: the test looks in the wrong place")
		}
	}
}
