package demo

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"unicode/utf8"
)

// Names returns the accounts that a new demo has. The password of each is its name.
func Names() []string { return []string{"ada", "grace", "alan"} }

// Hashes keeps a password hash for each of the demo's accounts. It is safe for
// concurrent use. [MemoryHashes], [SQLHashes] and [RedisHashes] make one.
type Hashes interface {
	// Get returns an account's hash, or "" if there is no such account.
	Get(ctx context.Context, name string) (string, error)
	// Replace sets an account's hash if it still is old, and says whether it did. old
	// is "" for an account that does not exist yet.
	Replace(ctx context.Context, name, old, hash string) (bool, error)
}

// Users checks and changes passwords. It is safe for concurrent use.
type Users struct {
	hashes  Hashes
	nobody  string        // a hash that no password has, for names that do not exist
	hashing chan struct{} // one slot for each hash that is being computed, because each takes 19 MiB
}

// NewUsers adds the accounts that are missing to hashes. An account that is there keeps
// its password.
func NewUsers(ctx context.Context, hashes Hashes) (*Users, error) {
	u := &Users{
		hashes:  hashes,
		nobody:  hashPassword(""),
		hashing: make(chan struct{}, runtime.GOMAXPROCS(0)),
	}
	for _, name := range Names() {
		hash, err := hashes.Get(ctx, name)
		if err == nil && hash == "" {
			_, err = hashes.Replace(ctx, name, "", hashPassword(name))
		}
		if err != nil {
			return nil, fmt.Errorf("demo: account %s: %w", name, err)
		}
	}
	return u, nil
}

// A proof is the hash against which a password was found to be right. A change of the
// password makes the proof invalid.
type proof struct{ name, hash string }

// verify returns a proof if this is the account's password. It returns none if it is
// not, or if there is no such account. Both take the same time. It also returns none if
// the password was changed while this one was hashed, because a sign-in with the old
// password, even for a moment, would displace the owner's session.
func (u *Users) verify(ctx context.Context, name, password string) (*proof, error) {
	hash, err := "", error(nil)
	if utf8.ValidString(name) && !strings.Contains(name, "\x00") { // other names no database accepts
		hash, err = u.hashes.Get(ctx, name)
	}
	if err != nil {
		return nil, err
	}
	against := hash
	if hash == "" {
		against = u.nobody
	}
	select {
	case u.hashing <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	match, err := matchPassword(against, password)
	<-u.hashing
	if err != nil || !match || hash == "" {
		return nil, err
	}
	p := &proof{name, hash}
	if still, err := u.holds(ctx, p); err != nil || !still {
		return nil, err
	}
	return p, nil
}

// holds says whether the password that p was made with is still the account's.
func (u *Users) holds(ctx context.Context, p *proof) (bool, error) {
	hash, err := u.hashes.Get(ctx, p.name)
	return hash == p.hash, err
}

// set gives an account another password, if current is the one that it has. It returns
// whether the account has the other password now. That is also true if the account had it
// before: a visitor may send the form again, out of impatience or because the answer was
// lost. After an error either password may be in force.
func (u *Users) set(ctx context.Context, name, current, password string) (bool, error) {
	p, err := u.verify(ctx, name, current)
	if p != nil {
		var changed bool
		if changed, err = u.change(ctx, p, password); changed {
			return true, err
		}
	}
	if err != nil {
		return false, err
	}
	p, err = u.verify(ctx, name, password)
	return p != nil, err
}

// change sets another password if the one that p was made with is still the account's,
// and says whether it did.
func (u *Users) change(ctx context.Context, p *proof, password string) (bool, error) {
	select {
	case u.hashing <- struct{}{}:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	hash := hashPassword(password)
	<-u.hashing
	return u.hashes.Replace(ctx, p.name, p.hash, hash)
}

// MemoryHashes keeps hashes in memory.
func MemoryHashes() Hashes { return &memoryHashes{m: map[string]string{}} }

type memoryHashes struct {
	mu sync.Mutex
	m  map[string]string
}

func (h *memoryHashes) Get(_ context.Context, name string) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.m[name], nil
}

func (h *memoryHashes) Replace(_ context.Context, name, old, hash string) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.m[name] != old {
		return false, nil
	}
	h.m[name] = hash
	return true, nil
}

// SQLHashes keeps hashes in the table demo_users of a database, SQLite or PostgreSQL,
// and makes the table if it is missing. The caller opens db, and closes it after the
// last use.
func SQLHashes(ctx context.Context, db *sql.DB) (Hashes, error) {
	const table = `CREATE TABLE IF NOT EXISTS demo_users (name TEXT PRIMARY KEY, hash TEXT NOT NULL)` // of argon2id
	_, err := db.ExecContext(ctx, table)
	if err != nil {
		// When two make the table at once, PostgreSQL fails one of them. The table is
		// there.
		_, err = db.ExecContext(ctx, table)
	}
	if err != nil {
		return nil, fmt.Errorf("demo: table demo_users: %w", err)
	}
	return sqlHashes{db}, nil
}

type sqlHashes struct{ db *sql.DB }

// Parameters are numbered, because both databases understand numbers.

func (h sqlHashes) Get(ctx context.Context, name string) (hash string, err error) {
	err = h.db.QueryRowContext(ctx, `SELECT hash FROM demo_users WHERE name = $1`, name).Scan(&hash)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return hash, err
}

func (h sqlHashes) Replace(ctx context.Context, name, old, hash string) (bool, error) {
	query, args := `UPDATE demo_users SET hash = $1 WHERE name = $2 AND hash = $3`, []any{hash, name, old}
	if old == "" {
		query, args = `INSERT INTO demo_users (hash, name) VALUES ($1, $2) ON CONFLICT DO NOTHING`, args[:2]
	}
	res, err := h.db.ExecContext(ctx, query, args...)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n == 1, err
}
