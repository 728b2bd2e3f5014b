package client

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
)

// Check is [oneseat.Registry.Check]. It is answered from memory where Config.MaxStale
// allows that.
func (k *Client) Check(ctx context.Context, token string) (oneseat.Session, error) {
	f, err := k.CheckWith(ctx, oneseat.CheckRequest{Token: token})
	return f.Session, err
}

// Peek is [oneseat.Registry.Peek]: a check that is no activity.
func (k *Client) Peek(ctx context.Context, token string) (oneseat.Session, error) {
	f, err := k.CheckWith(ctx, oneseat.CheckRequest{Token: token, Background: true})
	return f.Session, err
}

// CheckFresh is [oneseat.Registry.CheckFresh]: the server reads its store.
func (k *Client) CheckFresh(ctx context.Context, token string) (oneseat.Session, error) {
	f, err := k.CheckWith(ctx, oneseat.CheckRequest{Token: token, Fresh: true})
	return f.Session, err
}

// CheckID is [oneseat.Registry.CheckID]. It asks the server each time, and needs the
// scope "sessions".
func (k *Client) CheckID(ctx context.Context, account string, id oneseat.SessionID) (oneseat.Session, error) {
	f, err := k.CheckWith(ctx, oneseat.CheckRequest{Account: account, Session: id})
	return f.Session, err
}

// PeekID is CheckID, and no activity.
func (k *Client) PeekID(ctx context.Context, account string, id oneseat.SessionID) (oneseat.Session, error) {
	f, err := k.CheckWith(ctx, oneseat.CheckRequest{Account: account, Session: id, Background: true})
	return f.Session, err
}

// CheckWith is [oneseat.Registry.CheckWith].
func (k *Client) CheckWith(ctx context.Context, q oneseat.CheckRequest) (oneseat.Found, error) {
	if k.config.MaxStale > 0 && q.Token != "" && !q.Fresh {
		k.want()
		if answer := k.known.recall(sha256.Sum256([]byte(q.Token)), time.Now(), !q.Background, nil); answer != nil {
			return answer.found, nil
		}
		q.Fresh = true // so that the answer may be kept
	}
	answer, _, err := k.ask(ctx, q)
	return answer.found, err
}

// longestToken is more bytes than any token has. What is longer is not sent, because the
// server refuses a large body.
const longestToken = 1024

// ask asks the server, and keeps a yes to a token.
func (k *Client) ask(ctx context.Context, q oneseat.CheckRequest) (kept, asking, error) {
	question := k.known.ask(time.Now())
	if q.Token == "" && q.Session == "" || len(q.Token) > longestToken {
		return kept{}, question, oneseat.ErrNoSession
	}
	in := api.Check{Token: q.Token, Account: q.Account, Session: string(q.Session), Fresh: q.Fresh}
	if q.Token != "" {
		in.Account, in.Session = "", ""
	}
	if q.Background {
		in.Use = new(false)
	}
	var a api.Checked
	if err := k.call(ctx, api.PathCheck, in, &a); err != nil {
		if isRefusal(err) {
			k.known.forget(q.Token)
		}
		return kept{}, question, err
	}
	answer := kept{found: oneseat.Found{Session: sessionOf(a.Session), Rotated: a.Rotated}, asked: question.at}
	if !q.Background {
		answer.used = question.at
	}
	if a.Left != nil {
		left := time.Duration(*a.Left) * time.Millisecond
		answer.expires = question.at.Add(left)
		k.store.Store(int64(a.Expires.Add(-left).Sub(question.at)))
	}
	if q.Token != "" && q.Fresh && !a.Rotated {
		keep := answer
		keep.of = sha256.Sum256([]byte(q.Token))
		k.known.keep(question, &keep)
	}
	return answer, question, nil
}

// isRefusal says that an error is an answer: there is no such live session.
func isRefusal(err error) bool {
	_, ended := errors.AsType[*oneseat.EndedError](err)
	_, bad := errors.AsType[*oneseat.AccountError](err)
	return ended || bad || errors.Is(err, oneseat.ErrNoSession) || errors.Is(err, oneseat.ErrRotated)
}

// TimeLeft is [oneseat.Registry.TimeLeft], by what the server's answers say of its
// clock.
func (k *Client) TimeLeft(s oneseat.Session) (idle, absolute time.Duration) {
	left := func(timeout time.Duration, from time.Time) time.Duration {
		if timeout == oneseat.NoTimeout {
			return oneseat.NoTimeout
		}
		return max(from.Add(timeout).Sub(k.now()), 0)
	}
	return left(k.about.Idle, s.LastSeen), left(k.about.Absolute, s.Created)
}
