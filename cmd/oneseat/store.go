package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/demo"
	"github.com/oneseat/oneseat/store/memstore"
)

// storeSpec is what a --store flag says.
type storeSpec struct {
	name string // for people; it has no password in it
	open func(context.Context, *slog.Logger) (opened, error)
}

// opened is a store, and where a demo keeps its accounts beside it.
type opened struct {
	store  oneseat.Store
	hashes func(context.Context) (demo.Hashes, error) // makes what is missing
	close  func() error
}

// always is for accounts that need nothing made.
func always(h demo.Hashes) func(context.Context) (demo.Hashes, error) {
	return func(context.Context) (demo.Hashes, error) { return h, nil }
}

// storesText says what stores there are, in the help.
const storesText = `sqlite:FILE, made if missing
postgres://USER:PASSWORD@HOST:5432/DATABASE
redis://USER:PASSWORD@HOST:6379, rediss:// with TLS
redis-cluster://HOST:PORT,HOST:PORT
memory:, lost at the end`

// storeVariable is the environment variable that may say what the flag --store does.
const storeVariable = "ONESEAT_STORE"

// chosenStore reads the flag, or the variable, or what the flag is by default.
func chosenStore(set *pflag.FlagSet, flag string) (storeSpec, error) {
	variable := os.Getenv(storeVariable)
	if set.Changed("store") || variable == "" {
		return parseStore(flag)
	}
	spec, err := parseStore(variable)
	if err != nil {
		err = fmt.Errorf("%s is set, and is read as the flag is: %w", storeVariable, err)
	}
	return spec, err
}

// memoryStore is the flag of a store that ends with its process.
const memoryStore = "memory:"

// parseStore reads the flag. It opens nothing.
func parseStore(s string) (storeSpec, error) {
	kind, rest, _ := strings.Cut(s, ":")
	switch {
	case s == memoryStore:
		return storeSpec{"memory", openMemory}, nil
	case kind == "sqlite" && rest != "" && !strings.ContainsRune(rest, 0):
		return storeSpec{rest, openSQLite(rest)}, nil
	case kind == "postgres", kind == "postgresql":
		return parsePostgres(s)
	case kind == "redis", kind == "rediss", kind == "redis-cluster", kind == "rediss-cluster":
		return parseRedis(s)
	}
	return storeSpec{}, fmt.Errorf("--store: %q is no store: write sqlite:FILE, memory:, postgres://… or redis://…", redacted(s))
}

// redacted returns a URL without its user and password. A text that is no URL stays as
// it is.
func redacted(s string) string {
	scheme, rest, ok := strings.Cut(s, "://")
	if at := strings.LastIndex(rest, "@"); ok && at >= 0 {
		return scheme + "://" + rest[at+1:]
	}
	return s
}

func openMemory(context.Context, *slog.Logger) (opened, error) {
	return opened{memstore.New(), always(demo.MemoryHashes()), func() error { return nil }}, nil
}
