-- For a person with psql.

-- JSON that somebody has damaged is NULL here, not an error. jsonb has no NUL.
CREATE FUNCTION oneseat_json(stored text) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	RETURN replace(stored, '\u0000', '\ufffd')::jsonb;
EXCEPTION WHEN data_exception THEN
	RETURN NULL;
END $$;

CREATE FUNCTION oneseat_time(micros jsonb) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS
	$$ SELECT timestamptz 'epoch' + (micros #>> '{}')::bigint * interval '1 microsecond' $$;

-- Who is signed in where. A session that timed out a moment ago is still here
-- until that has been recorded.
CREATE VIEW oneseat_signed_in AS
SELECT
	r.realm,
	r.account,
	s ->> 'id'                       AS session,
	s -> 'device' ->> 'label'        AS device,
	s -> 'device' ->> 'class'        AS class,
	s -> 'device' ->> 'ip'           AS ip,
	oneseat_time(s -> 'created')     AS signed_in_at,
	oneseat_time(s -> 'last_seen')   AS last_seen_at
FROM oneseat_rosters AS r
	CROSS JOIN LATERAL jsonb_path_query(oneseat_json(r.roster), '$.seats[*]') AS s
WHERE r.account <> ''
	AND s ->> 'parent' IS NULL -- a stream is no sign-in
	AND coalesce((s ->> 'epoch')::numeric, 0) >= coalesce( -- a lower one ended with its realm
		(SELECT (oneseat_json(c.roster) ->> 'epoch')::numeric FROM oneseat_rosters AS c WHERE c.realm = r.realm AND c.account = ''), 0);

-- Who plays what is limited by streams, and in which session.
CREATE VIEW oneseat_playing AS
SELECT
	r.realm,
	r.account,
	s ->> 'id'                       AS stream,
	s ->> 'parent'                   AS session,
	s -> 'device' ->> 'label'        AS device,
	oneseat_time(s -> 'created')     AS since,
	oneseat_time(s -> 'last_seen')   AS last_heartbeat
FROM oneseat_rosters AS r
	CROSS JOIN LATERAL jsonb_path_query(oneseat_json(r.roster), '$.seats[*]') AS s
WHERE s ->> 'parent' IS NOT NULL;

-- What happened.
CREATE VIEW oneseat_history AS
SELECT
	l.id,
	(e ->> 'at')::timestamptz        AS at,
	l.realm,
	l.account,
	e ->> 'type'                     AS event,
	e ->> 'reason'                   AS reason,
	e ->> 'session'                  AS session,
	e -> 'device' ->> 'label'        AS device,
	e -> 'device' ->> 'ip'           AS ip,
	e ->> 'by'                       AS by_session,
	e -> 'by_device' ->> 'label'     AS by_device,
	e ->> 'actor'                    AS actor
FROM oneseat_events AS l
	CROSS JOIN LATERAL jsonb_path_query(oneseat_json(l.events), '$[*]') AS e
WHERE l.account <> '';
