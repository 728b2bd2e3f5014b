package doctor

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

// fileFacts is what was seen of a file with keys.
type fileFacts struct {
	path   string
	err    error
	mode   fs.FileMode
	folder fs.FileMode
	secret string // what stands in it that nobody else may read; "": hashes of keys
}

// secretKey is how a key of the API looks.
var secretKey = regexp.MustCompile(`oneseat_key_[a-z0-9]{8}_[A-Za-z0-9_-]{43}_[0-9a-f]{8}`)

func probeFile(path string) (f fileFacts) {
	f.path = path
	file, err := os.Open(path)
	if err != nil {
		f.err = err
		return f
	}
	defer func() { _ = file.Close() }() // it was only read
	info, err := file.Stat()
	if err != nil {
		f.err = err
		return f
	}
	f.mode = info.Mode()
	if info, err = os.Stat(filepath.Dir(path)); err == nil {
		f.folder = info.Mode()
	}
	text, err := io.ReadAll(io.LimitReader(file, 1<<20))
	f.err = err
	switch {
	case secretKey.Match(text):
		f.secret = "a key of the API"
	case strings.Contains(string(text), "PRIVATE KEY"):
		f.secret = "a private key"
	}
	return f
}

// judgeFile judges who may read and change a file with keys. Only what everybody may do
// counts: the operator knows who is in a group.
func judgeFile(f fileFacts) Result {
	const check = "key-file"
	const readable, writable = 0o004, 0o002
	switch {
	case f.err != nil:
		err := f.err
		if p, ok := errors.AsType[*fs.PathError](err); ok {
			err = p.Err
		}
		r := found(check, f.path, Problem, fmt.Sprintf("%s cannot be read: %v", f.path, err)).cured("Run the doctor as the user of the server, and correct the path.")
		r.Findings[0].Means = "If the server cannot read it either, it does not start."
		return r
	case runtime.GOOS == "windows":
		return notChecked(check, f.path, "its mode does not say who may read it")
	case f.mode&writable != 0:
		return found(check, f.path, Problem, fmt.Sprintf("everybody may change %s: its mode is %v", f.path, f.mode.Perm()))
	case f.folder&writable != 0 && f.folder&fs.ModeSticky == 0:
		return found(check, f.path, Problem, fmt.Sprintf("everybody may replace %s: the mode of its folder is %v", f.path, f.folder.Perm())).cured("Take that right away (chmod o-w on the folder), or move the file.")
	case f.mode&readable != 0 && f.secret != "":
		return found(check, f.path, Problem, fmt.Sprintf("everybody may read %s, and %s stands in it: its mode is %v", f.path, f.secret, f.mode.Perm()))
	case f.mode&readable != 0:
		r := found(check, f.path, Warning, fmt.Sprintf("everybody may read %s: its mode is %v", f.path, f.mode.Perm())).cured("Give it to the user of the server, and let only that user read it (chmod 600).")
		r.Findings[0].Means = "It has hashes of keys, by which no call can be made. It says which realms, keys and scopes there are."
		return r
	}
	return fine(check, f.path, "")
}
