package accountapp

const html = `
{{define "head"}}<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<style>
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 24rem; margin: 12vh auto; padding: 0 1.25rem }
h1 { font-size: 1.5rem; margin: 0 0 1rem } p { margin: 0 0 1rem }
label { display: block; margin: 0 0 1rem } label.box { display: flex; gap: .5rem; align-items: center }
input:not([type=checkbox]) { display: block; width: 100%; box-sizing: border-box; font: inherit; padding: .5rem .6rem; margin-top: .25rem }
button { font: inherit; padding: .55rem 1rem; border: 0; border-radius: .4rem; background: #1a5fb4; color: #fff; cursor: pointer }
button.danger { background: #b3261e }
nav { display: grid; gap: .5rem; margin-top: 1.5rem }
a { color: light-dark(#1a5fb4, #99c1f1) } .quiet { opacity: .75 } .note { border-left: .25rem solid #1a5fb4; padding-left: .75rem }
</style>{{end}}

{{define "login"}}{{template "head"}}<title>Sign in</title>
<h1>Sign in</h1>
{{if .Deleted}}<p class="note">Your account is deleted.</p>{{end}}
{{with .Notice}}<p class="note"><strong>{{.Title}}.</strong> {{.Detail}}</p>{{end}}
<form method="post" action="/login">
<input type="hidden" name="next" value="{{.Next}}">
<label>Name <input name="account" autocomplete="username"></label>
<label>Password <input name="password" type="password" autocomplete="current-password"></label>
<label class="box"><input type="checkbox" name="remember" value="yes"> Remember me on this device</label>
<button>Sign in</button>
</form></html>{{end}}

{{define "home"}}{{template "head"}}<title>Your account</title>
<meta name="oneseat-session" content="{{.ID}}"><script type="module" src="/oneseat/oneseat.js"></script>
<h1>Hello {{.Account}}</h1>
<p>Signed in on {{.Device.Label}}. {{if .Lifetime.UntilClosed}}Until you close the browser, or half an hour after you have left.{{else}}This device is remembered.{{end}}</p>
<p class="quiet">You last gave your password at {{.Proved.UTC.Format "15:04"}} UTC.</p>
<nav><a href="/oneseat/devices">Where am I signed in?</a><a href="/delete">Delete this account</a></nav></html>{{end}}

{{define "confirm"}}{{template "head"}}<title>Confirm that it is you</title>
<h1>Confirm that it is you</h1>
<p>Enter your password again to go on.</p>
<form method="post" action="/confirm">
<input type="hidden" name="next" value="{{.}}">
<label>Password <input name="password" type="password" autocomplete="current-password" autofocus></label>
<button>Go on</button>
</form></html>{{end}}

{{define "delete"}}{{template "head"}}<title>Delete this account</title>
<h1>Delete this account?</h1>
<p>All your devices are signed out, and what we know of you is erased. This cannot be undone.</p>
<form method="post" action="/delete"><button class="danger">Delete my account</button></form>
<nav><a href="/">Keep it</a></nav></html>{{end}}
`
