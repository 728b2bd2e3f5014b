// Package sso holds applications whose visitors sign in elsewhere: at an OpenID
// provider, or at an identity provider that speaks SAML. It is a module of its own,
// because it needs their libraries.
package sso
