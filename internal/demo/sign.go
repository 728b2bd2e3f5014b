package demo

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

const (
	maxForm     = 64 << 10 // bytes of a posted form
	maxPassword = 1 << 10  // bytes

	// settle is how long work may take that is finished even when the browser has gone.
	settle = 10 * time.Second
)

// home is the members' page, or the welcome page.
func (f *front) home(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	session, ok := oneseat.SessionFrom(ctx)
	if _, ended := oneseat.EndingFrom(ctx); !ok && (ended || f.device != "") {
		http.Redirect(w, r, SignInPath, http.StatusSeeOther)
		return
	}
	if !ok {
		f.show(w, r, http.StatusOK, "welcome", page{Title: f.words.Say("site.welcome")})
		return
	}
	live, err := f.c.Registry.Sessions(ctx, session.Account)
	if err != nil {
		f.fail(w, r, err)
		return
	}
	f.show(w, r, http.StatusOK, "members", page{
		Title: f.words.Say("site.live"), Account: session.Account, Session: session, Live: live,
		Changed: r.URL.Query().Has("changed"),
	})
}

func (f *front) signInForm(w http.ResponseWriter, r *http.Request) {
	p := page{Title: f.words.Say("site.sign_in"), Next: after(r.URL.Query().Get("next"))}
	p.Session, _ = oneseat.SessionFrom(r.Context())
	if e, ok := oneseat.EndingFrom(r.Context()); ok {
		p.Told = tell(e)
	} else if p.Session.ID == "" {
		// An ending is not kept for ever. After that only the reason in the query is
		// left. It has to be one of our own reasons, so a link cannot say anything
		// else.
		p.Told = tell(oneseat.Ending{Reason: knownReason(r.URL.Query().Get("reason"))})
	}
	if f.device != "" {
		p.Name, p.Secret = Names()[0], Names()[0] // so that one click signs in on the stage; a demo's password is no secret
	}
	f.show(w, r, http.StatusOK, "login", p)
}

func (f *front) signIn(w http.ResponseWriter, r *http.Request) {
	form, ok := f.form(w, r)
	if !ok {
		return
	}
	name, next := form.Get("username"), after(form.Get("next"))
	found, err := f.c.Users.verify(r.Context(), name, form.Get("password"))
	if err != nil {
		f.fail(w, r, err)
		return
	}
	if found == nil {
		f.wrongSignIn(w, r, name, next)
		return
	}
	r = r.WithContext(context.WithoutCancel(r.Context())) // a browser that goes away does not stop what follows
	session, err := f.guard.SignIn(w, r, name)
	if full, ok := errors.AsType[*oneseat.LimitError](err); ok {
		f.full(w, r, full, found, next)
		return
	}
	if _, ended := errors.AsType[*oneseat.EndedError](err); ended {
		http.Redirect(w, r, SignInPath, http.StatusSeeOther) // a newer sign-in was faster
		return
	}
	if err != nil {
		f.fail(w, r, err)
		return
	}
	// The password may have been changed between the check and the sign-in. Then this
	// session came too late for that change to end it.
	ctx, cancel := context.WithTimeout(r.Context(), settle)
	defer cancel()
	still, err := f.c.Users.holds(ctx, found)
	if err == nil && still {
		http.Redirect(w, r, next, http.StatusSeeOther)
		return
	}
	_, endErr := f.c.Registry.End(ctx, name, oneseat.EndOptions{Reason: oneseat.ReasonCredentialsChanged}, session.ID)
	if err = errors.Join(err, endErr); err != nil {
		f.fail(w, r, err)
		return
	}
	f.wrongSignIn(w, r, name, next)
}

// full answers a sign-in for which no seat is free. If the newcomer may choose which
// session ends, oneseat's page asks; otherwise it is our page.
func (f *front) full(w http.ResponseWriter, r *http.Request, full *oneseat.LimitError, who *proof, next string) {
	if full.Ticket == "" {
		f.show(w, r, http.StatusConflict, "full", page{Title: f.words.Say("site.full"), Live: full.Live, Name: who.name})
		return
	}
	// The ticket stands for the password. If the password was changed in between, that
	// change came too early to take the ticket away.
	still, err := f.c.Users.holds(r.Context(), who)
	switch {
	case err != nil:
		f.fail(w, r, err)
	case !still:
		f.wrongSignIn(w, r, who.name, next)
	default:
		f.guard.RefuseSignIn(w, r, full, next)
	}
}

func (f *front) wrongSignIn(w http.ResponseWriter, r *http.Request, name, next string) {
	f.show(w, r, http.StatusUnauthorized, "login", page{
		Title: f.words.Say("site.sign_in"), Name: name, Next: next,
		Wrong: f.words.Say("site.wrong"),
	})
}

func (f *front) signOut(w http.ResponseWriter, r *http.Request) {
	if err := f.guard.SignOut(w, r); err != nil {
		f.fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (f *front) passwordForm(w http.ResponseWriter, r *http.Request) {
	f.askPassword(w, r, http.StatusOK, "")
}

func (f *front) askPassword(w http.ResponseWriter, r *http.Request, status int, wrong string) {
	session, _ := oneseat.SessionFrom(r.Context())
	f.show(w, r, status, "password", page{Title: f.words.Say("site.change_password"), Session: session, Wrong: wrong})
}

// changePassword sets another password, ends every session of the account, and signs
// this browser in. It is served under Finish. So the end of its own session does not
// stop it half-way: somebody with the old password can end that session at any moment.
func (f *front) changePassword(w http.ResponseWriter, r *http.Request) {
	form, ok := f.form(w, r)
	if !ok {
		return
	}
	r = r.WithContext(context.WithoutCancel(r.Context())) // a browser that goes away does not stop it
	ctx, cancel := context.WithTimeout(r.Context(), settle)
	defer cancel()
	session, _ := oneseat.SessionFrom(ctx)
	fresh := form.Get("new")
	if fresh == "" || len(fresh) > maxPassword {
		f.askPassword(w, r, http.StatusUnprocessableEntity, f.words.Say("site.wrong_new"))
		return
	}
	changed, err := f.c.Users.set(ctx, session.Account, form.Get("current"), fresh)
	if !changed && err == nil {
		f.askPassword(w, r, http.StatusUnauthorized, f.words.Say("site.wrong_current"))
		return
	}
	if err != nil {
		f.fail(w, r, err)
		return
	}
	if _, err := f.c.Registry.EndAll(ctx, session.Account, oneseat.EndOptions{Reason: oneseat.ReasonCredentialsChanged, By: session.ID}); err != nil {
		f.fail(w, r, err)
		return
	}
	// A session that was made since then is of somebody with the old password, so it gives
	// way.
	if _, err := f.guard.SignInWith(w, r, oneseathttp.SignInOptions{Account: session.Account, Override: true}); err != nil {
		f.guard.RefuseSignIn(w, r, err, "/")
		return
	}
	http.Redirect(w, r, "/?changed", http.StatusSeeOther)
}

// form reads a posted form. If it returns false it has answered the request.
func (f *front) form(w http.ResponseWriter, r *http.Request) (url.Values, bool) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	err := r.ParseForm()
	if err == nil {
		return r.PostForm, true
	}
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		f.show(w, r, http.StatusRequestEntityTooLarge, "error", page{Title: f.words.Say("site.too_much"), Text: f.words.Say("site.too_much_more")})
	} else {
		f.show(w, r, http.StatusBadRequest, "error", page{Title: f.words.Say("site.not_read"), Text: f.words.Say("site.not_read_more")})
	}
	return nil, false
}

// after returns the path to go to after the sign-in: next, if that is a path of this
// site.
func after(next string) string {
	if oneseathttp.LocalPath(next) {
		return next
	}
	return "/"
}

// fail answers a request that could not be served although the visitor did nothing
// wrong. It logs why. The visitor may try again.
func (f *front) fail(w http.ResponseWriter, r *http.Request, err error) {
	w.Header().Del("Set-Cookie") // what could not be finished signs nobody in
	if r.Context().Err() != nil {
		return // nobody waits for the answer, or the guard gives it
	}
	f.c.Logger.ErrorContext(r.Context(), r.Pattern+" failed", "path", r.URL.Path, "error", err)
	w.Header().Set("Retry-After", "2")
	f.show(w, r, http.StatusServiceUnavailable, "error", page{Title: f.words.Say("site.not_now"), Text: f.words.Say("site.not_now_more")})
}

func (f *front) notFound(w http.ResponseWriter, r *http.Request) {
	f.show(w, r, http.StatusNotFound, "error", page{Title: f.words.Say("site.no_page"), Text: f.words.Say("site.no_page_more")})
}

// crossSite answers a form that another site posted here.
func (f *front) crossSite(w http.ResponseWriter, r *http.Request) {
	f.show(w, r, http.StatusForbidden, "error", page{Title: f.words.Say("site.other_site"), Text: f.words.Say("site.other_more")})
}
