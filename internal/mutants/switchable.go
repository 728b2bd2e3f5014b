package mutants

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/importer"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// Switchable makes mistakes in any packages of the tree at root that can all be
// compiled at once: the go command reads the overlay, and each mistake is made in
// a process whose environment has the variable of its index. In any other process
// the code does what it did. Switchable writes to dir only.
//
// A mistake has to be in a function: what the compiler knows before, as a
// constant, cannot be switched.
func Switchable(root, dir string, all []Mistake) (overlay string, env []string, err error) {
	if len(all) == 0 {
		return "", nil, nil // there is nothing to overlay
	}
	by := map[string][]int{}
	for i, m := range all {
		by[m.Dir] = append(by[m.Dir], i)
	}
	texts, last := map[string][]byte{}, 0
	env = make([]string, len(all))
	var problems []error
	for _, in := range sortedKeys(by) {
		s, err := readModule(filepath.Join(root, in))
		if err != nil {
			return "", nil, err
		}
		g := s.generator()
		g.last = last
		for _, i := range by[in] {
			if err := g.plant(all[i]); err != nil {
				problems = append(problems, err)
				continue
			}
			env[i] = activeVariable + "=" + strconv.Itoa(g.last)
		}
		last = g.last
		here, gone, err := s.schemata(g.wraps)
		if err != nil {
			return "", nil, fmt.Errorf("the package in %s, with its mistakes: %w", in, err)
		}
		for _, m := range g.mutants {
			if why := gone[m.number]; why != "" {
				problems = append(problems, fmt.Errorf("%q does not compile: %s", m.Name, why))
			}
		}
		for name, text := range here {
			texts[filepath.Join(in, name)] = text
		}
	}
	if len(problems) > 0 {
		return "", nil, errors.Join(problems...)
	}
	overlay, err = overlaid(root, dir, texts)
	return overlay, env, err
}

// readModule reads the package in dir, and its types, whatever it imports.
func readModule(dir string) (*source, error) {
	s, err := read(dir)
	if err != nil {
		return nil, err
	}
	exports, err := exported(dir)
	if err != nil {
		return nil, err
	}
	s.imports = importer.ForCompiler(s.fset, "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, errors.New("nothing is known of the package " + path)
		}
		return os.Open(exports[path])
	})
	return s, s.check()
}

// exported are the files that the compiler wrote about all that the package in
// dir imports, by path.
func exported(dir string) (map[string]string, error) {
	cmd := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Export", ".")
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	files := map[string]string{}
	for lines := json.NewDecoder(out); ; {
		var p struct{ ImportPath, Export string }
		if err := lines.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, errors.Join(err, cmd.Wait())
		}
		files[p.ImportPath] = p.Export
	}
	return files, cmd.Wait()
}
