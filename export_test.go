package oneseat

import "context"

// EnterLate is [Registry.Enter] with something in between: after memory has said
// yes, and before the work is tied to the session. It says whether memory did.
func (r *Registry) EnterLate(ctx context.Context, token string, h *Holding, work Ender, between func()) bool {
	key, secret, _ := decodeToken(token)
	m, _ := r.remember(claim{key: key, secret: secret}, true)
	if !m.says {
		return false
	}
	between()
	r.hold(ctx, claim{key: key, id: m.session().ID}, h, work, m)
	return true
}
