// Package oneseat limits an account to one live session, or to as many as its
// owner allows. The limit is exact: on any number of nodes, and for sign-ins that
// come at the same moment.
//
// When an account that has as many sessions as it may signs in on another device,
// an earlier session ends in the same atomic step. Every node stops accepting it,
// its requests in flight are cancelled, and its device is told why it was signed
// out, when, and by what kind of device.
//
// This page is a tour for three readers:
//
//   - For applications: words, signing in, limits, ending sessions, work in
//     flight, streams, accounts and events, errors, several nodes, tests.
//   - For HTTP layers: what stands in front of every request. The layer for
//     net/http is package oneseathttp; read this part to write another.
//   - For stores: what a database has to do. There are four, under store; read
//     this part to write another.
//
// # For applications: words
//
// An account is somebody who signs in. Its name is the application's: 1 to 256
// bytes of text, compared byte by byte. A session is one sign-in of one account on
// one device. It has an ID, which is public, and a [Token], which is the secret
// that the browser holds. To displace a session is to end it because a newer one
// took its place. An [Ending] says how a session ended; it is kept for a while, so
// that the old device can be told. A realm is a population of accounts with a
// configuration of its own: one store may hold several.
//
// # For applications: signing in
//
// A [Registry] is what an application holds. It is made over a store:
//
//	store, err := sqlitestore.Open("oneseat.db")
//	seats, err := oneseat.New(store, oneseat.Config{}) // one session for each account; the newest wins
//
// Call [Registry.SignIn] after you have verified who is asking. It returns a
// [Grant], which is the session and its token. Give the token to the browser, and
// present it to [Registry.Check] with each request:
//
//	grant, err := seats.SignIn(ctx, account, oneseat.SignInRequest{Device: device})
//	session, err := seats.Check(ctx, token)
//
// [Registry.SignOut] ends the session. [Registry.Rotate] gives it a new token, as
// after a change of password. An application on net/http calls none of these
// itself, because package oneseathttp does. One that proves by itself who is
// asking, with a JWT for example, keeps the session's ID and calls
// [Registry.CheckID].
//
// # For applications: limits
//
// [Config.Limit] is how many sessions an account may have, and
// [Config.ClassLimits] how many on one class of device. [Config.LimitFor] asks the
// application for the limits of an account, and [Registry.SetLimit] stores limits
// with an account; what is stored counts first. [Config.WhenFull] says what
// happens to a sign-in beyond the limit:
//
//   - [PolicyDisplace]: another session ends. [Config.DisplaceOrder] says which.
//   - [PolicyRefuse]: SignIn returns a [*LimitError] with the live sessions.
//   - [PolicyAsk]: the LimitError has a [Ticket] too. The newcomer chooses which
//     session ends, and [Registry.Redeem] admits it in the same step.
//
// [Registry.Explain] says what a sign-in would come to now, and why. With
// [Config.ObserveOnly] limits are counted and reported, and everybody is admitted.
//
// # For applications: ending sessions
//
// [Registry.End] ends some sessions of an account, [Registry.EndOthers] all but
// one, [Registry.EndAll] all. [Registry.Block] ends all and keeps the account out
// until [Registry.Unblock]. [Registry.EndRealm] ends every session of every
// account. A session also ends when it was not used for [Config.Idle], and at the
// age of [Config.Absolute].
//
// # For applications: work in flight
//
// [Registry.Hold] returns a context that is cancelled when the session ends, on
// whichever node. [Registry.AfterEnd] calls a function then. Give the context to
// whatever lasts longer than a check: a download, a long query, a socket.
//
// # For applications: streams
//
// A [Stream] is what one player of a session plays. Streams have a limit of their
// own, [Config.Streams]: five devices signed in, two playing. A player takes a
// stream with [Registry.StartStream], keeps it with [Registry.Heartbeat], and
// gives it back with [Registry.StopStream]. Package oneseathttp/stream does that
// for browsers.
//
// # For applications: accounts and events
//
// [Registry.Account] returns what is known of an account: live sessions, streams,
// recent endings, the limits in force and their sources, a block.
// [Registry.Accounts] returns a page of all accounts. [Registry.Events] returns
// what happened, the newest first. A program that acts on every event reads on with
// [Registry.EventsSince], and keeps its place; one that needs the events from now
// on calls [Registry.Subscribe]. [Registry.Stats] are figures for monitoring.
//
// # For applications: errors
//
// No answer from the store means no. A check that cannot be answered returns an
// error that wraps [ErrStoreUnavailable], and nobody is let in. An answer of no is
// [ErrNoSession] for a token that is unknown, and an [*EndedError] for a session
// that has ended, with its Ending. A sign-in that is refused gets a [*LimitError]
// or a [*BlockedError]; neither is a failed authentication.
// [ErrUnknownOutcome] means that the reply to an update was lost, and that trying
// again did not help: the update may have been made.
//
// # For applications: several nodes
//
// Registries over the same store and realm, in any number of processes, are nodes
// of one system. Nothing has to be set for that. A check is answered from memory.
// It is refused at once on the node that served the newer sign-in; another node
// hears of that from the store's log, usually within milliseconds, and within
// [Config.MaxStale] (one second) in any case. With [FreshAlways] every check reads
// the store.
//
// # For applications: tests
//
// Package store/memstore needs no server. It reads time.Now, so a test in a
// [testing/synctest] bubble decides how time passes; [Config.Clock] and
// memstore.NewAt give a test clocks of its own.
//
// # For HTTP layers
//
// [Registry.CheckAndWatch] checks a token and ties a [Watcher] to its session, in
// one step and without allocating memory. The watcher is told, at most once, when
// the session has ended or can no longer be verified. The layer keeps the [Watch]
// for as long as the request lasts, and calls [Watch.Stop] at its end.
// [Registry.Peek] is a check for background traffic, which keeps no session from
// idling.
//
// A handler finds the session by [SessionFrom], and by [EndingFrom] how the one
// ended that its request came with. They read the [RequestInfo] that the layer put
// into the request's context with [NewContext]. The layer changes it when the
// request signs in or out. Where an earlier layer may have put one, [FromContext]
// returns it.
//
// A layer has four duties. It carries the token where no other site and no log
// sees it. It tells apart a refusal ([ErrNoSession], [*EndedError]) and the lack of
// an answer (anything else), which is no reason to sign somebody out. It lets a
// request finish that ends its own session. It lets nothing more through, in either
// direction, once the watcher was told.
//
// # For stores
//
// The record of one account is a [Roster]. A roster is a value, and each rule is a
// pure function of it. A [Store] holds no rule: it replaces one roster atomically
// and commits the events of that change to its log in the same step.
//
// The registry calls [Store.Update] with a change, which is such a function. The
// store loads the roster, calls the change with a [View] of it, and commits the
// [Change] that it returns, but only if nobody else has written the roster
// meanwhile; else it calls the change again with a newer View. [Store.Load] reads
// rosters, [Store.Changes] reads the log, [Store.Wake] says that there is something
// new in it, and [Store.Due] names rosters in which something has timed out.
//
// A store uses the roster's three exported fields and its JSON, [View.At] and
// [View.Next] for times and versions, [RunChange] to call a change, and
// [Event.AppendCompact] where it keeps events as bytes. It says what went wrong
// with a [*StoreError]. One that can also list rosters and events is a [History],
// on which Accounts and Events rest.
//
// Package store/storetest tests all of that: a store of your own calls
// storetest.Run from a test. Package store/memstore is the shortest store that
// passes.
//
// # What this package owns
//
// Accounts, sessions, tokens, rosters, the rules, events, the cache, and the
// watches of work in flight. It imports the standard library only. It speaks no
// HTTP, opens no file, and reads no environment variable.
package oneseat
