package provider

import (
	"context"
	"crypto/rand"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/crypto"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// sessions is a provider's storage that says in each ID token to which of the
// provider's sessions the token belongs ("sid"). Each browser has one session.
type sessions struct {
	*storage.Storage

	mu   sync.Mutex        // guards what is below
	of   map[string]string // the session that a request for sign-in is of
	over map[string]bool   // sessions that have ended
}

// began notes that a browser that brings the id of a session has begun to sign in. It
// returns the id of the session that the browser has from then on.
func (s *sessions) began(request, sid string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sid == "" || s.over[sid] {
		sid = rand.Text()
	}
	s.of[request] = sid
	return sid
}

// End ends a session of the provider's. The provider goes on knowing the person.
func (p *OIDC) End(sid string) {
	p.kept.mu.Lock()
	defer p.kept.mu.Unlock()
	p.kept.over[sid] = true
}

// SetUserinfoFromRequest implements [op.CanSetUserinfoFromRequest].
func (s *sessions) SetUserinfoFromRequest(ctx context.Context, info *oidc.UserInfo, request op.IDTokenRequest, scopes []string) error {
	if r, ok := request.(op.AuthRequest); ok {
		s.mu.Lock()
		info.AppendClaims("sid", s.of[r.GetID()])
		s.mu.Unlock()
	}
	return s.Storage.SetUserinfoFromRequest(ctx, info, request, scopes)
}

// LogoutClaims are those of a logout token for a session, or for everything of a
// person; "" leaves one of the two out.
func (p *OIDC) LogoutClaims(sid, subject string) map[string]any {
	now := time.Now()
	claims := map[string]any{
		"iss": p.URL, "aud": p.Client, "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(), "jti": rand.Text(),
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": struct{}{}},
		"sid":    sid, "sub": subject,
	}
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == "" })
	return claims
}

// Sign signs claims with the provider's key.
func (p *OIDC) Sign(t *testing.T, claims map[string]any) string {
	t.Helper()
	key, err := p.kept.SigningKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	signer, err := op.SignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	token, err := crypto.Sign(claims, signer)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// Logout has the provider tell a site, at its address for that, and returns the status
// of the answer.
func (p *OIDC) Logout(t *testing.T, at, token string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, at, strings.NewReader(url.Values{"logout_token": {token}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := p.Server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("the answer may be cached: %q", answer.Header)
	}
	return answer.StatusCode
}
