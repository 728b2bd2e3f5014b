package api

// The calls of RFC 7662 and RFC 7009. Their bodies are forms, with the field "token".
const (
	PathIntrospect = "/v1/introspect"
	PathRevoke     = "/v1/revoke"
)

// Introspection answers /v1/introspect. Times are in seconds since 1970. For a token of
// no live session it has the member active only, which is false.
type Introspection struct {
	Active    bool   `json:"active"`
	Subject   string `json:"sub,omitzero"` // the account
	Session   string `json:"sid,omitzero"`
	Issuer    string `json:"iss,omitzero"`
	TokenType string `json:"token_type,omitzero"`
	IssuedAt  int64  `json:"iat,omitzero"`
	AuthTime  int64  `json:"auth_time,omitzero"` // when its user last proved who they are (RFC 9470, 6.2); absent: not known, or a program's
	Expires   int64  `json:"exp,omitzero"`       // absent: it does not time out
	Class     string `json:"oneseat_class,omitzero"`
}
