// Package provider runs real identity providers in the process of a test. They
// remember a browser, as an SSO does: a browser that has signed in there is sent
// back at once from then on. The package knows nothing of any example.
package provider

import (
	"crypto/sha256"
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"
	"golang.org/x/text/language"
)

// OIDC is an OpenID provider. The password of each person is the name.
type OIDC struct {
	*httptest.Server
	Client, Secret string

	kept *sessions
}

// people are those whom the provider knows. Two of them share an e-mail address.
type people map[string]*storage.User

func (p people) GetUserByID(id string) *storage.User { return p[id] }

func (p people) GetUserByUsername(name string) *storage.User { return p["id of "+name] }

func (p people) ExampleClientID() string { return "" }

// NewOIDC starts a provider with the people, for a site with this callback.
func NewOIDC(t *testing.T, callback string, names ...string) *OIDC {
	t.Helper()
	known := people{}
	for _, name := range names {
		known["id of "+name] = &storage.User{ID: "id of " + name, Username: name, Password: name, Email: "shared@example.com", EmailVerified: true, PreferredLanguage: language.English}
	}
	p := &OIDC{Server: httptest.NewUnstartedServer(nil), Client: "members", Secret: "a secret of the test"}
	issuer := "http://" + p.Listener.Addr().String()
	kept := &sessions{Storage: storage.NewStorageWithClients(known, map[string]*storage.Client{p.Client: storage.WebClient(p.Client, p.Secret, callback)}), of: map[string]string{}, over: map[string]bool{}}
	p.kept = kept
	provider, err := op.NewProvider(&op.Config{CryptoKey: sha256.Sum256([]byte("test")), CodeMethodS256: true, AuthMethodPost: true}, kept, op.StaticIssuer(issuer),
		op.WithAllowInsecure(), op.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", provider)
	mux.Handle("/login/username", op.NewIssuerInterceptor(provider.IssuerFromRequest).HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, name, password := r.FormValue("authRequestID"), r.PostFormValue("username"), r.PostFormValue("password")
		if c, err := r.Cookie("person"); err == nil && r.Method == http.MethodGet {
			name, password = c.Value, c.Value
		}
		if err := kept.CheckUsernamePassword(name, password, id); err != nil {
			w.Header().Set("Content-Type", "text/html")
			_, _ = fmt.Fprintf(w, `<title>SSO</title><form method="post" action="/login/username"><input type="hidden" name="authRequestID" value="%s"><input name="username"><input name="password" type="password"><button>Sign in at the SSO</button></form>`, html.EscapeString(id))
			return
		}
		sid := ""
		if c, err := r.Cookie("sid"); err == nil {
			sid = c.Value
		}
		sid = kept.began(id, sid)
		http.SetCookie(w, &http.Cookie{Name: "person", Value: name, Path: "/", HttpOnly: true})
		http.SetCookie(w, &http.Cookie{Name: "sid", Value: sid, Path: "/", HttpOnly: true})
		http.Redirect(w, r, op.AuthCallbackURL(provider)(r.Context(), id), http.StatusFound)
	}))
	p.Config.Handler = mux
	p.Start()
	t.Cleanup(p.Close)
	return p
}
