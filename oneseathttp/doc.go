// Package oneseathttp puts oneseat in front of net/http handlers.
//
// A [Guard] knows whose session a request belongs to, refuses what is not
// signed in, and cuts a request that is in flight when its session ends, on
// whichever node: the client sees a broken transfer, never a download that only
// looks complete.
//
// It owns cookies and other carriers of tokens, the recognition of devices,
// HTTP status codes and the words of a refusal. It holds no rule: who may have
// a session, and for how long, is the registry's to say.
package oneseathttp
