package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"reflect"
	"strings"

	"github.com/oneseat/oneseat/server"
)

// keySource is where the keys of the API come from: one of these.
type keySource struct {
	dev  bool   // a key that is made and kept in devKeyFile
	file string // a file of keys
	text string // the text of one, from hashesVariable
}

// sourceOfKeys returns where keys come from by the command line and the environment.
func sourceOfKeys(dev bool, file string) (keySource, error) {
	k := keySource{dev, file, os.Getenv(hashesVariable)}
	switch {
	case k.text != "" && (dev || file != ""):
		return k, fmt.Errorf("--keys: %s is set, and has keys too: unset it, or leave --dev and --keys out", hashesVariable)
	case dev && file != "":
		return k, errors.New("--dev, --keys: name one of them: --dev makes a key of its own")
	case k.text == "" && !dev && file == "":
		return k, fmt.Errorf("--keys: name the file of keys, or set %s, or write --dev to develop", hashesVariable)
	}
	return k, nil
}

// apiKeys are the keys of the API, as they are read.
type apiKeys struct {
	secret string // a developer's
	keys   []server.Key
	file   keyFile
}

func (k keySource) read() (a apiKeys, err error) {
	switch {
	case k.dev:
		return developersKeys()
	case k.text != "":
		a.file, a.keys, err = readKeyFile(k.text, hashesVariable)
	default:
		var b []byte
		if b, err = os.ReadFile(k.file); err != nil {
			return a, fmt.Errorf("--keys: %w", err)
		}
		a.file, a.keys, err = readKeyFile(string(b), "--keys: "+k.file)
	}
	return a, err
}

// reread has the server take the keys that there are now. If they are impossible, the
// server keeps those that it has. Realms stay as they were at the start, was.
func (k keySource) reread(s *server.Server, was keyFile, logger *slog.Logger) {
	if k.text != "" {
		logger.Warn("the keys come from the environment, which changes with a restart only", "variable", hashesVariable)
		return
	}
	now, err := k.read()
	if err == nil {
		err = s.SetKeys(now.keys)
	}
	if err != nil {
		logger.Error("the keys could not be read again; the old keys stay in force. A key of a new realm needs a restart", "error", err)
		return
	}
	logger.Info("the keys were read again", "keys", len(now.keys))
	if !reflect.DeepEqual(now.file.Realm, was.Realm) {
		logger.Warn("the realms in the file have changed: they stay as they were until a restart")
	}
}

// devKeyFile has the key of a developer's server.
const devKeyFile = "oneseat-dev.key"

// developersKeys is one key that may do everything in one realm.
func developersKeys() (apiKeys, error) {
	secret, err := devKey(devKeyFile)
	if err != nil {
		return apiKeys{}, err
	}
	key, err := server.KeyOf(secret, "default", server.ScopeCheck, server.ScopeSessions, server.ScopeAdmin)
	if err != nil {
		return apiKeys{}, fmt.Errorf("%s: %w; remove the file, and a new key is made", devKeyFile, err)
	}
	return apiKeys{secret, []server.Key{key}, keyFile{Key: []keyEntry{{ID: key.ID, Realm: key.Realm}}}}, nil
}

// devKey returns the key of a developer's server, from a file that is made if it is
// missing. Only its owner may read the file.
func devKey(file string) (string, error) {
	b, err := os.ReadFile(file)
	if err == nil {
		return strings.TrimSpace(string(b)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	secret, _ := server.NewKey("")
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	_, err = fmt.Fprintln(f, secret)
	return secret, errors.Join(err, f.Close())
}
