package packaging

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/oneseat/oneseat/internal/testservers"
)

// loadCompose reads a file of compose in a folder as docker compose does: with the schema, and
// with every reference looked up.
func loadCompose(ctx context.Context, folder, text string) (*types.Project, error) {
	return loader.LoadWithContext(ctx, types.ConfigDetails{
		WorkingDir:  folder,
		ConfigFiles: []types.ConfigFile{{Filename: filepath.Join(folder, "compose.yaml"), Content: []byte(text)}},
		Environment: types.Mapping{"ONESEAT_VERSION": testVersion},
	}, func(o *loader.Options) { o.SetProjectName("oneseat", true) })
}

// prepared returns a folder in which everything has been done that the comment of a compose
// file asks for, except docker itself.
func prepared(t *testing.T, text string) (folder, key string) {
	t.Helper()
	need(t, "openssl")
	folder = t.TempDir()
	var commands []string
	for line := range strings.Lines(text) {
		if command, ok := strings.CutPrefix(line, "#\t"); ok {
			commands = append(commands, command)
		}
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-eu", "-c", strings.Join(commands, ""))
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(built(t))+":"+os.Getenv("PATH"))
	return folder, strings.TrimSpace(output(t, cmd)) // the only one that says something makes the key
}

func TestTheComposeFilesHaveNoKeyThatComposeDoesNotKnow(t *testing.T) {
	for _, file := range []string{"postgres.yaml", "redis.yaml"} {
		good := read(t, "compose", file)
		folder, _ := prepared(t, good)
		if _, err := loadCompose(t.Context(), folder, good); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		// The test of the test: each of these is found.
		for from, to := range map[string]string{
			"healthcheck:":               "healthchek:",
			"condition: service_healthy": "condition: service_heathy",
			"read_only: true":            "read_only: yes please",
			"networks: [oneseat]":        "networks: [oneseats]",
			"secrets: [keys.toml":        "secrets: [keys.tom",
			"interval: 5s":               "interval: 5s\n      interval: 6s",
		} {
			bad := strings.Replace(good, from, to, 1)
			if bad == good {
				t.Errorf("%s: there is no %q", file, from)
			}
			if _, err := loadCompose(t.Context(), folder, bad); err == nil {
				t.Errorf("%s: %q passes for %q", file, to, from)
			}
		}
	}
}

// servedAs starts the program as a service of compose does, with its secrets in a folder.
func servedAs(t *testing.T, folder string, service types.ServiceConfig, store string) *server {
	t.Helper()
	inFolder := strings.NewReplacer("/run/secrets", folder, "0.0.0.0:7300", "127.0.0.1:0")
	var args []string
	for _, arg := range service.Command {
		args = append(args, inFolder.Replace(arg))
	}
	cmd := exec.CommandContext(t.Context(), built(t), args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "ONESEAT_STORE="+store)
	for name, value := range service.Environment {
		if name != "ONESEAT_STORE" && value != nil {
			cmd.Env = append(cmd.Env, name+"="+inFolder.Replace(*value))
		}
	}
	return serve(t, cmd)
}

// storeAt is the store of a service, at another address.
func storeAt(t *testing.T, service types.ServiceConfig, addr string) string {
	t.Helper()
	u, err := url.Parse(*service.Environment["ONESEAT_STORE"])
	if err != nil {
		t.Fatal(err)
	}
	u.Host = addr
	return u.String()
}

// areOneSystem signs in on one server, and sees on the other what the first one says.
func areOneSystem(t *testing.T, one, other *server, key string) {
	t.Helper()
	for range 2 {
		status, answer := one.ask(t, http.MethodPost, "/v1/signin", key, `{"account":"ada"}`)
		if status != http.StatusCreated {
			t.Fatalf("%d %s", status, answer)
		}
		one, other = other, one
	}
	if status, answer := one.ask(t, http.MethodPost, "/v1/sessions", key, `{"account":"ada"}`); status != http.StatusOK || strings.Count(answer, `"id":`) != 1 {
		t.Errorf("%d %s", status, answer)
	}
}

// A real PostgreSQL gets the password from the files that the comment has made, and nothing
// else lets a server in.
func TestTheComposeFileOfPostgreSQLGivesTwoServersOneStore(t *testing.T) {
	need(t, "psql")
	text := read(t, "compose", "postgres.yaml")
	folder, key := prepared(t, text)
	project, err := loadCompose(t.Context(), folder, text)
	if err != nil {
		t.Fatal(err)
	}
	hba := write(t, 0o644, "host all postgres 127.0.0.1/32 trust\nhost all oneseat 127.0.0.1/32 scram-sha-256\n", openFolder(t), "hba")
	db := testservers.StartPostgres(t, "fsync=off", "hba_file="+hba)
	password := strings.TrimSpace(read(t, folder, "postgres-password"))
	output(t, exec.CommandContext(t.Context(), "psql", "--quiet", "--dbname", db.URL, "--command", "create role oneseat login password '"+password+"'", "--command", "create database oneseat owner oneseat"))
	_, port, err := net.SplitHostPort(db.Addr)
	if err != nil {
		t.Fatal(err)
	}
	write(t, 0o600, strings.Replace(read(t, folder, "pgpass"), "postgres:5432", "127.0.0.1:"+port, 1), folder, "pgpass")
	one, two := project.Services["oneseat-1"], project.Services["oneseat-2"]
	areOneSystem(t, servedAs(t, folder, one, storeAt(t, one, db.Addr)), servedAs(t, folder, two, storeAt(t, two, db.Addr)), key)
}

// openFolder is a folder that every user may read.
func openFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "oneseat-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	return folder
}

// A real Redis is started with the command of the file, so it asks for the password, keeps
// what it has on its disk, and evicts nothing.
func TestTheComposeFileOfRedisGivesTwoServersOneStore(t *testing.T) {
	need(t, "redis-cli")
	text := read(t, "compose", "redis.yaml")
	folder, key := prepared(t, text)
	project, err := loadCompose(t.Context(), folder, text)
	if err != nil {
		t.Fatal(err)
	}
	redis := project.Services["redis"]
	settings := slices.Clone([]string(redis.Command)[1:])
	for i, s := range settings {
		settings[i] = strings.Replace(s, "/run/secrets", folder, 1)
	}
	db := testservers.StartRedis(t, settings...)
	_, port, err := net.SplitHostPort(db.Addr)
	if err != nil {
		t.Fatal(err)
	}
	one, two := project.Services["oneseat-1"], project.Services["oneseat-2"]
	store := storeAt(t, one, db.Addr)
	u, err := url.Parse(store)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	for setting, want := range map[string]string{"appendonly": "yes", "maxmemory-policy": "noeviction"} {
		cmd := exec.CommandContext(t.Context(), "redis-cli", "-p", port, "config", "get", setting)
		cmd.Env = append(os.Environ(), "REDISCLI_AUTH="+password)
		if got := strings.Fields(output(t, cmd)); !slices.Contains(got, want) {
			t.Errorf("%s: %q, want %s", setting, got, want)
		}
	}
	if said := db.Ask("GET x"); !strings.HasPrefix(said, "NOAUTH") {
		t.Errorf("without the password it answers %q", said)
	}
	// The health check of the file, on this port.
	check := strings.Replace(redis.HealthCheck.Test[1], "redis-cli ", fmt.Sprintf("redis-cli -p %s ", port), 1)
	output(t, exec.CommandContext(t.Context(), "sh", "-c", check))
	fails(t, exec.CommandContext(t.Context(), "sh", "-c", strings.Replace(check, port, "1", 1)))
	areOneSystem(t, servedAs(t, folder, one, store), servedAs(t, folder, two, storeAt(t, two, db.Addr)), key)
}
