-- For a person with the sqlite3 shell. Times are UTC.

-- Who is signed in where. A session that timed out a moment ago is still here
-- until that has been recorded.
CREATE VIEW signed_in AS
SELECT
	r.realm,
	r.account,
	s.value ->> '$.id'                                                 AS session,
	s.value ->> '$.device.label'                                       AS device,
	s.value ->> '$.device.class'                                       AS class,
	s.value ->> '$.device.ip'                                          AS ip,
	datetime((s.value ->> '$.created') / 1000000, 'unixepoch')         AS signed_in_at,
	datetime((s.value ->> '$.last_seen') / 1000000, 'unixepoch')       AS last_seen_at
FROM oneseat_rosters AS r, json_each(r.roster, '$.seats') AS s
WHERE r.account <> ''
	AND s.value ->> '$.parent' IS NULL -- a stream is no sign-in
	AND coalesce(s.value ->> '$.epoch', 0) >= coalesce( -- a lower one ended with its realm
		(SELECT c.roster ->> '$.epoch' FROM oneseat_rosters AS c WHERE c.realm = r.realm AND c.account = ''), 0);

-- Who plays what is limited by streams, and in which session.
CREATE VIEW playing AS
SELECT
	r.realm,
	r.account,
	s.value ->> '$.id'                                                 AS stream,
	s.value ->> '$.parent'                                             AS session,
	s.value ->> '$.device.label'                                       AS device,
	datetime((s.value ->> '$.created') / 1000000, 'unixepoch')         AS since,
	datetime((s.value ->> '$.last_seen') / 1000000, 'unixepoch')       AS last_heartbeat
FROM oneseat_rosters AS r, json_each(r.roster, '$.seats') AS s
WHERE s.value ->> '$.parent' IS NOT NULL;

-- What happened, by id in the order in which it did.
CREATE VIEW history AS
SELECT
	id,
	datetime(event ->> '$.at')      AS at,
	realm,
	account,
	event ->> '$.type'              AS event,
	event ->> '$.reason'            AS reason,
	session,
	event ->> '$.device.label'      AS device,
	event ->> '$.device.ip'         AS ip,
	event ->> '$.by'                AS by_session,
	event ->> '$.by_device.label'   AS by_device,
	event ->> '$.actor'             AS actor
FROM oneseat_events
WHERE account <> '';
