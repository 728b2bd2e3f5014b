package pgstore_test

import (
	"encoding/json"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/oneseat/oneseat/store/pgstore"
)

// A node has to be woken within milliseconds, so the planner may not want to compile
// (jit_above_cost). The planner judges by its estimates, here of tables that it has not
// analysed.
func TestReadingALongLogIsNotWorthCompiling(t *testing.T) {
	t.Parallel()
	_, to := fresh(t)
	conn := connect(t, to)
	run(t, conn, "ALTER TABLE oneseat_events SET (autovacuum_enabled = off)",
		`INSERT INTO oneseat_events (key, version, realm, account, events)
			SELECT decode(md5(n::text), 'hex'), n, 'default', n::text, repeat('x', 700) FROM generate_series(1, 100000) AS n`,
		"SET plan_cache_mode = force_generic_plan",
		"PREPARE changes (text, text[], int) AS "+pgstore.ChangesSQL)
	var text string
	if err := conn.QueryRow(t.Context(), "EXPLAIN (FORMAT json) EXECUTE changes ('1', '{}', 1000)", pgx.QueryExecModeSimpleProtocol).Scan(&text); err != nil {
		t.Fatal(err)
	}
	var plans []struct {
		Plan struct {
			Cost float64 `json:"Total Cost"`
		}
	}
	if err := json.Unmarshal([]byte(text), &plans); err != nil || len(plans) != 1 {
		t.Fatal(err, text)
	}
	const jitAboveCost = 100_000 // as PostgreSQL is delivered
	if cost := plans[0].Plan.Cost; cost <= 0 || cost > jitAboveCost/2 {
		t.Errorf("the plan costs %.0f; from %d on it is compiled\n%s", cost, jitAboveCost, text)
	}
}

// Every node looks for what is due once a minute, and nearly all rosters are due later.
func TestLookingForWhatIsDueReadsNoneOfWhatIsDueLater(t *testing.T) {
	t.Parallel()
	_, to := fresh(t)
	conn := connect(t, to)
	run(t, conn, "ALTER TABLE oneseat_rosters SET (autovacuum_enabled = off)",
		`INSERT INTO oneseat_rosters (key, version, due, realm, account, roster)
			SELECT decode(md5(n::text), 'hex'), n, now() + n * interval '1 minute', 'default', n::text, repeat('x', 500) FROM generate_series(1, 20000) AS n`,
		"ANALYZE oneseat_rosters",
		"SET plan_cache_mode = force_generic_plan",
		"PREPARE due (text, int) AS "+pgstore.DueSQL)
	var text string
	if err := conn.QueryRow(t.Context(), "EXPLAIN (ANALYZE, BUFFERS, FORMAT json) EXECUTE due ('default', 100)", pgx.QueryExecModeSimpleProtocol).Scan(&text); err != nil {
		t.Fatal(err)
	}
	var plans []struct {
		Plan struct {
			Hit  int `json:"Shared Hit Blocks"`
			Read int `json:"Shared Read Blocks"`
		}
	}
	if err := json.Unmarshal([]byte(text), &plans); err != nil || len(plans) != 1 {
		t.Fatal(err, text)
	}
	if blocks := plans[0].Plan.Hit + plans[0].Plan.Read; blocks == 0 || blocks > 10 {
		t.Errorf("it reads %d blocks, though nothing is due\n%s", blocks, text)
	}
}
