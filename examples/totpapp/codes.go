package totpapp

import (
	"crypto/subtle"
	"sync"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"
)

// Codes knows the second factor of each account. Yours keeps this in your database. It
// is safe for concurrent use.
type Codes struct {
	mu sync.Mutex
	of map[string]*factor
}

// factor is what is known of an account.
type factor struct {
	secret string    // as the authenticator app has it
	used   int64     // the newest step whose code was used: no code counts twice
	wrong  int       // codes that were not right
	since  time.Time // when the first of them came
}

// NewCodes returns the second factors of accounts, given their secrets.
func NewCodes(secrets map[string]string) *Codes {
	c := &Codes{of: map[string]*factor{}}
	for account, secret := range secrets {
		c.of[account] = &factor{secret: secret}
	}
	return c
}

const (
	step      = 30 * time.Second
	mostWrong = 5 // of an account, in some minutes: there are only a million codes
	forget    = 5 * time.Minute
)

// Use reports whether a code is the account's now, and was not used before. A clock may
// be wrong by one step.
func (c *Codes) Use(account, code string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.of[account]
	now := time.Now()
	if f == nil {
		return false // every account has a second factor here
	}
	if now.Sub(f.since) > forget {
		f.wrong, f.since = 0, now
	}
	if f.wrong >= mostWrong {
		return false
	}
	for _, at := range []time.Time{now.Add(-step), now, now.Add(step)} {
		is, err := totp.GenerateCodeCustom(f.secret, at, totp.ValidateOpts{Period: uint(step / time.Second), Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		n := at.Unix() / int64(step/time.Second)
		if err == nil && n > f.used && subtle.ConstantTimeCompare([]byte(is), []byte(code)) == 1 {
			f.used, f.wrong = n, 0
			return true
		}
	}
	f.wrong++
	return false
}

// Change gives an account another secret, if a code shows that the person's app has it. A
// change that was made already is made again.
func (c *Codes) Change(account, secret, code string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[account] == nil || !totp.Validate(code, secret) {
		return false
	}
	c.of[account] = &factor{secret: secret, used: time.Now().Unix()/int64(step/time.Second) + 1}
	return true
}
