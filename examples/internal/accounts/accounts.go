// Package accounts stands for the table of users that an application has, with their
// passwords. It keeps passwords as they are, in memory, so that the examples are short.
// Yours keeps hashes, of argon2id for example.
package accounts

import "sync"

// Table has the accounts that may sign in. The zero Table has none. It is safe for
// concurrent use.
type Table struct {
	mu        sync.Mutex
	passwords map[string]string
}

// New returns a table of accounts whose password is their name.
func New(names ...string) *Table {
	t := &Table{passwords: map[string]string{}}
	for _, name := range names {
		t.passwords[name] = name
	}
	return t
}

// Verify reports whether that is the account's password now.
func (t *Table) Verify(account, password string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	is, ok := t.passwords[account]
	return ok && is == password
}

// Change gives the account another password, if current is the one that it has. It also
// returns true if next is the password already. A visitor may send the form again, out
// of impatience or because the answer was lost.
func (t *Table) Change(account, current, next string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if is, ok := t.passwords[account]; !ok || next == "" || is != current && is != next {
		return false
	}
	t.passwords[account] = next
	return true
}
