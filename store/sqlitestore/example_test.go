package sqlitestore_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/sqlitestore"
)

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "oneseat")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	store, err := sqlitestore.Open(filepath.Join(dir, "oneseat.db"))
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	seats, err := oneseat.New(store, oneseat.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer seats.Close()

	ctx := context.Background()
	first, err := seats.SignIn(ctx, "ada", oneseat.SignInRequest{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := seats.SignIn(ctx, "ada", oneseat.SignInRequest{}); err != nil {
		log.Fatal(err)
	}
	_, err = seats.Check(ctx, string(first.Token))
	if ended, ok := errors.AsType[*oneseat.EndedError](err); ok {
		fmt.Println("the first browser is out:", ended.Ending.Reason)
	}
	// Output: the first browser is out: displaced
}

// What cannot work is refused, and the error says what to do.
func ExampleOpen_inMemory() {
	_, err := sqlitestore.Open(":memory:")
	fmt.Println(err)
	// Output: sqlitestore: ":memory:": not the path of a file: give one on a local file system, no URI, not ":memory:" (package memstore keeps rosters in memory)
}
