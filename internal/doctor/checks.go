package doctor

// Check is one kind of thing that is looked for. Its texts hold for everything that it
// finds. The page docs/operations.md has them as a table.
type Check struct {
	Name  string
	Finds string
	Means string
	Cure  string
}

// Checks are all checks, in the order in which they are reported.
func Checks() []Check {
	return []Check{
		{
			"answers", "nothing answers at the URL of the server, or another program does",
			"No program that uses this URL gets an answer, so it lets nobody in.",
			"Start the server, or correct the URL. Over a Unix socket, run the doctor as the user of the server.",
		},
		{
			"ready", "the server does not reach its store, or is about to end",
			"Nobody can sign in, and what is asked of the store is refused.",
			"Examine the store too (--store), and read the log of the server.",
		},
		{
			"tls", "the API answers beyond this machine by plain http",
			"Everybody on the way can read the keys of the API, and use the sessions of others.",
			"Start the server with --tls-cert and --tls-key, or on 127.0.0.1 behind something that has TLS.",
		},
		{
			"certificate", "the certificate of the server is not accepted, or ends within 14 days",
			"Programs do not talk to the server, or will not from that day on.",
			"Renew the certificate. The server reads its files again when they change. If its authority is your own, give the doctor that authority's certificate (--ca).",
		},
		{
			"key", "the server refuses the key",
			"A program with this key gets 401, and lets nobody in.",
			`Make a key by "oneseat keys create", in the file that the server reads, and send the server SIGHUP.`,
		},
		{
			"realm", "the key is of a realm that the server does not have, or of another realm than it should be",
			"The server keeps the keys that it has read, also those that were taken back since.",
			"Send the server SIGHUP, and it reads its file of keys again. If the realm is new in the file, start the server again: it reads realms only then.",
		},
		{
			"clock", "the clock of this machine and the clock of the store are more than 2 s apart",
			"The store's clock decides what has timed out. A time that a program on this machine names (until when a block lasts, when an adopted session began) is wrong by as much, and may be refused.",
			"Let chrony or systemd-timesyncd keep the time on both machines. While a store runs, a clock may be made slower or faster, and never be set.",
		},
		{
			"adoption", "adoption has ended: adopt_until is in the past",
			"No older session is adopted any more, so the setting does nothing.",
			"Remove adopt_until (Config.AdoptUntil), and the part of the site that adopts.",
		},
		{
			"dangerously", "a switch whose name begins with Dangerously is on",
			"DangerouslyAllowWhenStoreIsDown: while the store does not answer, a session that was ended elsewhere goes on. DangerouslyPlainHTTP: everybody on the way can copy a session's cookie, and use the session.",
			"Remove the switch from the program's configuration.",
		},
		{
			"limits", "two servers have different settings for one realm",
			"What an account is allowed depends on which of the servers is asked.",
			"Give all servers the same flags and the same file of keys, and start them again.",
		},
		{
			"versions", "two servers are of different versions",
			"That is right during an upgrade, and wrong after it.",
			"Finish the upgrade.",
		},
		{
			"store", "the store cannot be used: it does not answer, refuses, is not the primary, is too old or too new, belongs to another program, or is empty",
			"Every request that needs the store is refused.",
			"What to do depends on the store: the finding says it.",
		},
		{
			"one-file", "the database file of SQLite is two: it has a second name, or its -wal or -shm was removed or replaced",
			"A process that has other files than its neighbours accepts sessions that a neighbour has ended.",
			"What to do depends on what was done: the finding says it.",
		},
		{
			"rights", "the role of PostgreSQL may not do what a server does",
			"Some calls fail, and are refused.",
			"GRANT SELECT, INSERT, UPDATE, DELETE on the tables whose names begin with oneseat_ to the role.",
		},
		{
			"durable", "the store acknowledges what a crash may lose",
			"After a crash, a session that was ended may be live again, or everybody is signed out.",
			"PostgreSQL: set synchronous_commit and fsync to on. Redis: set appendonly to yes.",
		},
		{
			"listen", "PostgreSQL's notifications do not arrive, as through PgBouncer in transaction mode",
			"The log is read ten times a second instead: endings reach other servers later, and the database works more.",
			"Connect to PostgreSQL itself, or to a PgBouncer in session mode. A program of your own may give pgstore.Options.Listen, and keep its pool.",
		},
		{
			"evicts", "Redis removes keys when its memory is full",
			"An account whose key is removed is signed out. A session whose ending was removed may come back.",
			"Set maxmemory-policy to noeviction, and give Redis memory.",
		},
		{
			"key-file", "a file with keys can be read or changed by others",
			"Somebody who reads a key can do what its scopes allow. Somebody who changes the file can make keys.",
			"Give the file to the user of the server, and let only that user read it (chmod 600). If the file had a key in it, make another key, and take the old one back.",
		},
		{
			"past-proxy", "the application answers past its proxy",
			"What the proxy keeps out gets in, and what the proxy says can be forged.",
			"Have the application listen on 127.0.0.1 or on a Unix socket, or have a firewall let only the proxy reach it.",
		},
		{
			"forged", "the proxy passes on the header in which it tells the application the account",
			"Anybody can be any account.",
			"Have the proxy remove the header in every spelling before it sets its own: see docs/howto/behind-a-proxy.md.",
		},
	}
}
