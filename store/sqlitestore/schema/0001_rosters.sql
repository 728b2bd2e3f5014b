-- Rosters, the log of what happened to them, and what the log needs to be
-- trusted. Other tables may live in the same file; these begin with oneseat_.
-- Times, and versions, which are times, are microseconds since 1970.

CREATE TABLE oneseat_meta (
	one         INTEGER PRIMARY KEY CHECK (one = 1),
	incarnation TEXT    NOT NULL, -- of the log, random: cursors of another log are not mistaken for ours
	floor       INTEGER NOT NULL, -- the highest version of a roster that was erased
	trimmed     INTEGER NOT NULL  -- the highest id of an event that was trimmed
) STRICT;

INSERT INTO oneseat_meta VALUES (1, lower(hex(randomblob(16))), 0, 0);

-- One row is one account. The row is found by a rowid, not by its key, because
-- a roster is long and a page of a WITHOUT ROWID table would hold too few.
CREATE TABLE oneseat_rosters (
	id      INTEGER PRIMARY KEY,
	key     BLOB    NOT NULL UNIQUE, -- 16 bytes of SHA-256 of realm and account
	version INTEGER NOT NULL,
	due     INTEGER,                 -- when something in it times out; NULL: never
	realm   TEXT    NOT NULL,
	account TEXT    NOT NULL,        -- '': the realm's control record
	roster  TEXT    NOT NULL         -- JSON; secrets are only there as SHA-256
) STRICT;

CREATE INDEX oneseat_rosters_due     ON oneseat_rosters (realm, due) WHERE due IS NOT NULL;
CREATE INDEX oneseat_rosters_account ON oneseat_rosters (realm, account);

-- The order of ids is the order of commits. The events of one update have the
-- same key and version and consecutive ids. AUTOINCREMENT, so that no id is
-- used twice, whatever is deleted. One index, because each costs every sign-in
-- a page: a session without its account is found by reading them all.
CREATE TABLE oneseat_events (
	id      INTEGER PRIMARY KEY AUTOINCREMENT,
	key     BLOB    NOT NULL,
	version INTEGER NOT NULL,
	realm   TEXT    NOT NULL,
	account TEXT    NOT NULL,
	session TEXT    NOT NULL,
	event   TEXT    NOT NULL -- JSON
) STRICT;

CREATE INDEX oneseat_events_account ON oneseat_events (realm, account);
