-- Rosters, the log of what happened to them, and what the log needs to be
-- trusted. Names begin with oneseat_. Versions are microseconds since 1970.

CREATE TABLE oneseat_meta (
	one         boolean PRIMARY KEY DEFAULT true CHECK (one),
	incarnation text    NOT NULL, -- of the log, random: cursors of another log are not mistaken for ours
	floor       bigint  NOT NULL, -- no roster that was erased, and is not here any more, had a higher version
	trimmed     xid8    NOT NULL  -- no event that was trimmed was of a later transaction
);

INSERT INTO oneseat_meta VALUES (true, replace(gen_random_uuid()::text, '-', ''), 0, '0');

-- One row is one account. A row without a roster is what is left of one that
-- was erased: it keeps the version from restarting, for an hour.
CREATE TABLE oneseat_rosters (
	key     bytea       PRIMARY KEY CHECK (octet_length(key) = 16), -- of SHA-256 of realm and account
	version bigint      NOT NULL,
	due     timestamptz,            -- when something in it times out; NULL: never
	realm   text        COLLATE "C" NOT NULL,
	account text        COLLATE "C" NOT NULL, -- '': the realm's control record
	roster  text                    -- JSON; secrets are only there as SHA-256
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

CREATE INDEX oneseat_rosters_due     ON oneseat_rosters (realm, due) WHERE due IS NOT NULL;
CREATE INDEX oneseat_rosters_account ON oneseat_rosters (realm, account);
CREATE INDEX oneseat_rosters_erased  ON oneseat_rosters (version) WHERE roster IS NULL;

-- One row is one update that had events. The order of transactions is not the
-- order of commits: see Changes. Nor is that of ids, but for one account.
CREATE TABLE oneseat_events (
	id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	xid     xid8   NOT NULL DEFAULT pg_current_xact_id(),
	key     bytea  NOT NULL,
	version bigint NOT NULL,
	realm   text   COLLATE "C" NOT NULL,
	account text   COLLATE "C" NOT NULL,
	events  text   NOT NULL -- JSON, a list
);

CREATE INDEX oneseat_events_xid     ON oneseat_events (xid, id);
CREATE INDEX oneseat_events_account ON oneseat_events (realm, account, id);

-- An update has waited so long for the row that its decision is out of date: its
-- statement is undone, and the store decides again.
CREATE FUNCTION oneseat_late() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'oneseat: the row was locked for too long: the decision is made again' USING ERRCODE = 'ON001';
END $$;
