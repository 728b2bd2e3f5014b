package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestMain is also the child of the tests below.
func TestMain(m *testing.M) {
	if stands := os.Getenv(childEnv); stands != "" {
		serve(stands)
		return
	}
	os.Exit(m.Run())
}

// The figures mean nothing on a machine that is shared; that they come about means that
// the bench runs.
func TestTheBenchOfTheServerRuns(t *testing.T) {
	if rate, processor := servedChecks("info", 1, 100*time.Millisecond); rate <= 0 || processor <= 0 {
		t.Errorf("%v and %v", rate, processor)
	}
	if bytes, held := polls(20); bytes <= 0 || held <= 0 {
		t.Errorf("%v and %v bytes", bytes, held)
	}
	if server, _ := idle(2, 100*time.Millisecond); server < 0 {
		t.Error(server)
	}
	for _, stands := range []string{"memory", t.TempDir()} {
		if rate := servedSignIns("here", stands, 1, 100*time.Millisecond); rate <= 0 {
			t.Error(rate)
		}
	}
}

func TestTheBenchForOperatorsRuns(t *testing.T) {
	if one, ratio := scrapes("here", t.TempDir(), 0, 1, 5); one < 0 || ratio <= 0 {
		t.Errorf("%v and %v", one, ratio)
	}
	if bytes := cachedAccounts(2000); bytes <= 0 {
		t.Error(bytes)
	}
	if account, ending, signIn := sqliteSizes(fewAccounts, 2000); account <= 0 || ending <= 0 || signIn <= 0 {
		t.Errorf("%v, %v and %v", account, ending, signIn)
	}
}

func TestTheBenchOfTheCommandsRuns(t *testing.T) {
	program := builtTo(filepath.Join(t.TempDir(), "oneseat"))
	d := newDatabase(fewAccounts)
	defer d.close()
	if r := firstRows(program, "here", "sqlite:"+d.file, "sqlite:"+d.file, 1); r <= 0 {
		t.Error(r)
	}
	if r := firstYes(program, d, d, 1); r <= 0 {
		t.Error(r)
	}
}
