-- How much is signed in, without reading all rosters.

-- A realm's sum of what its rosters count under one epoch is shared out over slots,
-- so that updates of many accounts at once do not wait for each other. A slot alone
-- says nothing. Every update of a roster changes one in the same transaction. The
-- rows are small and always being replaced: a page has room for that.
CREATE TABLE oneseat_counts (
	realm    text     COLLATE "C" NOT NULL,
	epoch    bigint   NOT NULL, -- of the realm: the sums of earlier ones go down as their rosters are settled
	slot     smallint NOT NULL,
	accounts bigint   NOT NULL, -- with at least one session
	sessions bigint   NOT NULL,
	streams  bigint   NOT NULL,
	PRIMARY KEY (realm, epoch, slot)
) WITH (fillfactor = 10);

-- The sums, from the rosters themselves: it reads them all. What is no JSON, or no
-- object, counts nothing.
CREATE VIEW oneseat_recount AS
SELECT
	realm, epoch,
	(count(*) FILTER (WHERE sessions > 0))::bigint AS accounts,
	sum(sessions)::bigint                          AS sessions,
	sum(streams)::bigint                           AS streams
FROM (
	SELECT
		r.realm,
		coalesce(max(CASE WHEN jsonb_typeof(s -> 'epoch') = 'number' THEN least((s ->> 'epoch')::numeric, 9223372036854775807)::bigint END), 0) AS epoch,
		count(*) FILTER (WHERE s ->> 'parent' IS NULL)     AS sessions,
		count(*) FILTER (WHERE s ->> 'parent' IS NOT NULL) AS streams
	FROM oneseat_rosters AS r
		CROSS JOIN LATERAL jsonb_path_query(oneseat_json(r.roster), '$.seats[*]') AS s
	WHERE jsonb_typeof(s) = 'object'
	GROUP BY r.key
) AS by_roster
GROUP BY realm, epoch;

LOCK TABLE oneseat_rosters IN SHARE MODE; -- what is written now would be missed
INSERT INTO oneseat_counts SELECT realm, epoch, 0, accounts, sessions, streams FROM oneseat_recount;
