-- How much is signed in, without reading all rosters.

-- One row is a realm's sum of what its rosters count under one epoch. Every
-- update of a roster changes it in the same transaction. A sum of zero has no row.
CREATE TABLE oneseat_counts (
	realm    TEXT    NOT NULL,
	epoch    INTEGER NOT NULL, -- of the realm: the sums of earlier ones go down as their rosters are settled
	accounts INTEGER NOT NULL, -- with at least one session
	sessions INTEGER NOT NULL,
	streams  INTEGER NOT NULL,
	PRIMARY KEY (realm, epoch)
) STRICT, WITHOUT ROWID;

-- The same, from the rosters themselves: it reads them all. What is no JSON, or no
-- object, counts nothing.
CREATE VIEW oneseat_recount AS
SELECT realm, epoch, sum(sessions > 0) AS accounts, sum(sessions) AS sessions, sum(streams) AS streams
FROM (
	SELECT
		r.realm,
		max(cast(coalesce(s.value ->> '$.epoch', 0) AS INTEGER)) AS epoch,
		count(*) FILTER (WHERE s.value ->> '$.parent' IS NULL)   AS sessions,
		count(s.value ->> '$.parent')                            AS streams
	FROM oneseat_rosters AS r, json_each(CASE WHEN json_valid(r.roster) THEN r.roster ELSE '{}' END, '$.seats') AS s
	WHERE s.type = 'object'
	GROUP BY r.id
)
GROUP BY realm, epoch;

INSERT INTO oneseat_counts SELECT realm, epoch, accounts, sessions, streams FROM oneseat_recount;
