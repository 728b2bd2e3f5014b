// Package oneseat limits an account to one live session, or to as many as the
// application allows. The limit is exact, on any number of nodes and for sign-ins
// at the same moment.
//
// When an account that has as many sessions as it may have signs in on another
// device, an earlier session ends in the same atomic step. Every node stops
// accepting that session and cancels its requests in flight. Its device is told
// why and when it was signed out, and by what kind of device.
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
// An account stands for somebody who signs in. The application gives it a name: 1 to
// 256 bytes of text, compared byte by byte. A session is one sign-in of one account
// on one device. It has an ID, which is public, and a [Token], which is the secret
// that the browser holds. To displace a session is to end it because a newer one
// took its place. An [Ending] says how a session ended. It is kept for a while, so
// that the old device can be told. A realm is a population of accounts with a
// configuration of its own. One store may hold several realms.
//
// # For applications: signing in
//
// A [Registry] is what an application holds. It is made over a store:
//
//	store, err := sqlitestore.Open("oneseat.db")
//	seats, err := oneseat.New(store, oneseat.Config{}) // one session for each account; the newest wins
//
// Verify the user first, then call [Registry.SignIn]. It returns a [Grant], which is
// the session and its token. Give the token to the browser, and pass it to
// [Registry.Check] with each request:
//
//	grant, err := seats.SignIn(ctx, account, oneseat.SignInRequest{Device: device})
//	session, err := seats.Check(ctx, token)
//
// [Registry.SignOut] ends the session. [Registry.Rotate] gives it a new token. An
// application on net/http calls none of these itself, because package oneseathttp
// does. An application that identifies its users by itself, for example with a JWT,
// keeps the session's ID and calls [Registry.CheckID].
//
// # For applications: limits
//
// [Config.Limit] is how many sessions an account may have, and
// [Config.ClassLimits] how many on one class of device. [Config.LimitFor] asks the
// application for the limits of an account. [Registry.SetLimit] stores limits with
// an account, and these come first. [Config.WhenFull] says what happens to a
// sign-in beyond the limit:
//
//   - [PolicyDisplace]: another session ends. [Config.DisplaceOrder] says which.
//   - [PolicyRefuse]: SignIn returns a [*LimitError] with the live sessions.
//   - [PolicyAsk]: the LimitError has a [Ticket] too. The newcomer chooses which
//     session ends, and [Registry.Redeem] admits it in the same step.
//
// [Registry.Explain] returns what a sign-in would lead to now, and why. With
// [Config.ObserveOnly] everybody is admitted, and what the limits would have done is
// reported.
//
// # For applications: ending sessions
//
// [Registry.End] ends some sessions of an account, [Registry.EndOthers] all but
// one, and [Registry.EndAll] all, as after a change of password. [Registry.Block]
// ends all and keeps the account out until [Registry.Unblock]. [Registry.EndRealm]
// ends every session of every account. A session also ends when it was not used for
// [Config.Idle], and at the age of [Config.Absolute].
//
// # For applications: work in flight
//
// [Registry.Hold] returns a context that is cancelled when the session ends, on
// any node. [Registry.AfterEnd] calls a function then. Give the context to
// work that lasts: a download, a long query, a socket.
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
// [Registry.Account] returns what is known about an account: live sessions, streams,
// recent endings, the limits in force and their sources, a block.
// [Registry.Accounts] returns a page of all accounts. [Registry.Events] returns
// what happened, the newest first. A program that acts on every event reads on with
// [Registry.EventsSince], and keeps its place. A program that needs only the events
// from now on calls [Registry.Subscribe]. [Registry.Stats] returns figures for
// monitoring.
//
// # For applications: errors
//
// No answer from the store means no: a check then returns an error that wraps
// [ErrStoreUnavailable], and nobody is let in. If the answer is no, a check returns
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
// The node that served the newer sign-in refuses the older session at once. Another
// node reads of the sign-in in the store's log, usually within milliseconds, and
// refuses within [Config.MaxStale] (one second) in any case. With [FreshAlways]
// every check reads the store.
//
// # For applications: tests
//
// Package store/memstore needs no server. It reads time.Now, so a test in a
// [testing/synctest] bubble controls the time. [Config.Clock] and memstore.NewAt
// give a test clocks of its own.
//
// # For HTTP layers
//
// [Registry.CheckAndWatch] checks a token and ties a [Watcher] to its session, in
// one step and without allocating memory. The watcher is called, at most once, when
// the session has ended or can no longer be verified. The layer keeps the [Watch]
// for as long as the request lasts, and calls [Watch.Stop] at its end.
// [Registry.Peek] is a check for background traffic, which keeps no session from
// idling.
//
// A handler calls [SessionFrom] for the session of its request. If the token that the
// request brought is of an ended session, [EndingFrom] returns how that session ended.
// Both read the [RequestInfo]
// that the layer put into the request's context with [NewContext]. The layer changes
// the RequestInfo when the request signs in or out. [FromContext] returns one that an
// earlier layer has put there.
//
// A layer has four duties. It carries the token where no other site and no log
// sees the token. It tells a refusal ([ErrNoSession], [*EndedError]) from the lack of
// an answer (any other error), which is no reason to sign somebody out. It lets a
// request that ends its own session finish. Once the watcher was called, the layer
// lets nothing more through, in either direction.
//
// # For stores
//
// The record of one account is a [Roster]. A roster is a value, and each rule is a
// pure function of it. A [Store] holds no rule: it replaces one roster atomically
// and commits the events of that change to its log in the same step.
//
// The registry calls [Store.Update] with such a function. The store loads the roster,
// calls the function with a [View] of it, and commits the [Change] that the function
// returns. If another node has written the roster meanwhile, the store commits
// nothing and calls the function again with a newer View. [Store.Load] reads
// rosters, [Store.Changes] reads the log, [Store.Wake] reports that the log has
// something new, and [Store.Due] names rosters in which something has timed out.
//
// A store uses the roster's three exported fields and its JSON, [View.At] and
// [View.Next] for times and versions, [RunChange] to call a change, and
// [Event.AppendCompact] where it keeps events as bytes. It reports what went wrong
// with a [*StoreError]. A store that can also list rosters and events is a [History],
// which Accounts, Events and Count need.
//
// The roster of the account "" is the realm's control record. It holds the epoch, a
// number that rises when all sessions of the realm end. A session that was issued
// under a lower epoch has ended.
//
// Package store/storetest tests all of that: call storetest.Run from a test of your
// own store. Package store/memstore is the shortest store that passes.
//
// # What this package owns
//
// Accounts, sessions, tokens, rosters, the rules, events, the cache, and the
// watches of work in flight. It imports the standard library only. It speaks no
// HTTP, opens no file, and reads no environment variable.
package oneseat
