package powercut

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/pgstore"
	"github.com/oneseat/oneseat/store/sqlitestore"
)

// Processes of their own use the disk. The tests' own process serves it, and would wait for
// itself.

// open opens a store: sqlite:FILE or postgres://… It waits for a server that is starting.
func open(ctx context.Context, url string) (oneseat.Store, func(), error) {
	if file, is := strings.CutPrefix(url, "sqlite:"); is {
		s, err := sqlitestore.Open(file)
		return s, func() {}, err
	}
	pool, err := pgxpool.New(ctx, url+"?sslmode=disable&connect_timeout=10")
	if err != nil {
		return nil, nil, err
	}
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if err = pool.Ping(ctx); err == nil || time.Now().After(end) {
			break
		}
	}
	if err != nil {
		return nil, nil, err
	}
	s, err := pgstore.Open(ctx, pool, pgstore.Options{Logger: slog.New(slog.DiscardHandler)})
	return s, func() { _, _ = pool.Exec(ctx, "CHECKPOINT") }, err // that it fails is of no interest
}

func registry(store oneseat.Store) (*oneseat.Registry, error) {
	return oneseat.New(store, oneseat.Config{Limit: 1, MaxStale: oneseat.FreshAlways, Logger: slog.New(slog.DiscardHandler)})
}

func accountOf(i int) string { return fmt.Sprint("account", i) }

// ends reports whether step n of an account ends its session. The other steps sign in.
func ends(n int) bool { return n%3 == 0 }

// worker makes steps in several accounts at once, from those on that args name, and says
// which were acknowledged, until it is killed or a step fails.
func worker(args []string) error {
	ctx := context.Background()
	store, checkpoint, err := open(ctx, args[0])
	if err != nil {
		return err
	}
	r, err := registry(store)
	if err != nil {
		return err
	}
	failed := make(chan error)
	for i, text := range args[1:] {
		n, err := strconv.Atoi(text)
		if err != nil {
			return err
		}
		go func() {
			failed <- func() error {
				for {
					n++
					var g oneseat.Grant
					var err error
					if ends(n) {
						_, err = r.EndAll(ctx, accountOf(i), oneseat.EndOptions{})
					} else {
						g, err = r.SignIn(ctx, accountOf(i), oneseat.SignInRequest{})
					}
					if err != nil {
						return err
					}
					fmt.Printf("%d %d %s %s\n", i, n, g.Session.ID, string(g.Token))
					if n%64 == 0 {
						checkpoint()
					}
				}
			}()
		}()
	}
	return <-failed
}

// found is what is there of an account.
type found struct {
	Live    []oneseat.SessionID
	Created []oneseat.SessionID // by the log
	Good    []string            // of the tokens that were asked for, those that are accepted
}

// judge reads accounts and tokens, a line each, and says what is there.
func judge(args []string) error {
	ctx := context.Background()
	store, _, err := open(ctx, args[0])
	if err != nil {
		return err
	}
	r, err := registry(store)
	if err != nil {
		return err
	}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		words := strings.Fields(in.Text())
		var f found
		live, err := r.Sessions(ctx, words[0])
		if err != nil {
			return err
		}
		for _, s := range live {
			f.Live = append(f.Live, s.ID)
		}
		for _, token := range words[1:] {
			_, err := r.Check(ctx, token)
			_, ended := errors.AsType[*oneseat.EndedError](err)
			if err == nil {
				f.Good = append(f.Good, token)
			} else if !ended && !errors.Is(err, oneseat.ErrNoSession) {
				return err
			}
		}
		records, err := r.Events(ctx, oneseat.EventQuery{Account: words[0], Limit: 1000})
		if err != nil {
			return err
		}
		for _, e := range slices.Backward(records) {
			if e.Type == oneseat.EventSessionCreated {
				f.Created = append(f.Created, e.Session)
			}
		}
		if err := json.NewEncoder(os.Stdout).Encode(f); err != nil {
			return err
		}
	}
	return in.Err()
}
