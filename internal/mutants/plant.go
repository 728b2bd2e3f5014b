package mutants

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Plant makes a mistake without changing a file: the go command, told of the
// overlay that it returns (-overlay), reads old in a file of the directory root,
// where it is exactly once, as new. What it writes is in dir.
func Plant(root, dir, file, old, new string) (overlay string, err error) {
	original, err := filepath.Abs(filepath.Join(root, file))
	if err != nil {
		return "", err
	}
	source, err := os.ReadFile(original)
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(source), old); n != 1 {
		return "", fmt.Errorf("%s has changed: what is to be replaced is there %d times", file, n)
	}
	mistaken, overlay := filepath.Join(dir, file), filepath.Join(dir, "overlay.json")
	text, err := json.Marshal(map[string]map[string]string{"Replace": {original: mistaken}})
	if err != nil {
		return "", err
	}
	return overlay, errors.Join(
		os.MkdirAll(filepath.Dir(mistaken), 0o700),
		os.WriteFile(mistaken, []byte(strings.Replace(string(source), old, new, 1)), 0o600),
		os.WriteFile(overlay, text, 0o600))
}
