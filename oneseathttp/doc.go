// Package oneseathttp puts oneseat in front of net/http handlers.
//
// A [Guard] finds the session of each request and refuses requests that need a
// session and have none. When a session ends, on whichever node, the guard cuts the
// requests of that session that are in flight. Their client sees a broken transfer,
// never a download that looks complete.
//
// An application calls [Guard.SignIn] after it has verified a password, and
// [Guard.SignOut]. It puts [Guard.Wrap] around its handlers and [Guard.Require]
// around those that need a session. It mounts [Guard.Handler] at [Path], for open
// pages, which are told when their session ends, and for a page of the account's
// devices. [Guard.RefuseSignIn] answers a sign-in for which there is no room.
//
// This package owns how a token travels (see [Carrier]), how a device is
// recognised, HTTP status codes and how a request is refused. It holds no rule: the
// registry decides which session is live, and for how long.
package oneseathttp
