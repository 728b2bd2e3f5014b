package main

import (
	"testing"

	"github.com/oneseat/oneseat/internal/testservers"
)

func TestTheBenchOfManyAccountsRuns(t *testing.T) {
	e := effort{n: 2_000, turns: 1, signIns: 50, reads: 2}
	if r := flat("SQLite", e, crowdedSQLite); r <= 0 {
		t.Error(r)
	}
	if r := flat("PostgreSQL", e, crowdsOn(testservers.StartPostgres(t, "fsync=off").URL)); r <= 0 {
		t.Error(r)
	}
	if n := fitting(1); n != 1 {
		t.Error(n)
	}
}
