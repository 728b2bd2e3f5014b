package mutants

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Mistake is a mutant that was made by hand, because it tells a story that no
// operator comes upon.
type Mistake struct {
	Name  string
	Dir   string // of its package, from the root; "" is the root
	Edits []Edit
}

// Edit is what a mistake changes. Find is a pattern that is at exactly one place
// of the package, or at one place of a function that has Near too; the holes of
// both are the same. With is what is there instead: "" for statements that are
// left out. $all stands for what was found.
//
// A pattern names as little as it can: fields and types, no functions where that
// can be helped, and nothing that does not belong to the story.
type Edit struct {
	Near, Find, With string
}

// places are where the edits of a mistake are.
func (m Mistake) places(s *source) ([]found, error) {
	var all []found
	for _, e := range m.Edits {
		at, err := s.place(e)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", m.Name, err)
		}
		all = append(all, at)
	}
	return all, nil
}

func (s *source) place(e Edit) (found, error) {
	find, err := parsePattern(e.Find, words)
	if err != nil {
		return found{}, err
	}
	contexts := []found{{}}
	if e.Near != "" {
		near, err := parsePattern(e.Near, words)
		if err != nil {
			return found{}, err
		}
		if contexts = s.find(near, nil); len(contexts) == 0 {
			return found{}, fmt.Errorf("nothing is like\n%s", e.Near)
		}
	}
	var all []found
	for _, c := range contexts {
		for _, at := range s.find(find, c.bound) {
			twice := slices.ContainsFunc(all, func(f found) bool { return f.from() == at.from() })
			if e.Near == "" || at.function == c.function && c.function != nil && !twice {
				all = append(all, at)
			}
		}
	}
	if len(all) != 1 {
		var where strings.Builder
		for _, at := range all[:min(len(all), 5)] {
			fmt.Fprintf(&where, "\n%v", s.fset.Position(at.from()))
		}
		return found{}, fmt.Errorf("it is at %d places instead of one:\n%s%s", len(all), e.Find, where.String())
	}
	at := all[0]
	at.bound["all"] = s.text(at.file, at.from(), at.to())
	return at, nil
}

// plant adds a mistake to the generated mutants.
func (g *generator) plant(m Mistake) error {
	places, err := m.places(g.source)
	if err != nil {
		return err
	}
	made := g.mutant("by hand", places[0].from(), places[0].bound["all"], "")
	made.Name, made.Function = m.Name, ""
	for i, at := range places {
		w, err := g.wrapFound(at)
		if err != nil {
			return fmt.Errorf("%q: %w", m.Name, err)
		}
		with := fill(m.Edits[i].With, words, at.bound)
		made.Is = strings.TrimPrefix(made.Is+"\n…\n"+with, "\n…\n")
		w.alternatives = append(w.alternatives, alternative{made.number, with})
	}
	return nil
}

// wrapFound is the place of what a pattern found.
func (g *generator) wrapFound(at found) (*wrap, error) {
	g.file, g.function = at.file, ""
	e, ok := at.nodes[0].(ast.Expr)
	switch {
	case !ok && len(at.nodes) == 1:
		return g.wrap(at.nodes[0], lists, ""), nil
	case !ok:
		return g.wrapRange(at.from(), at.to(), lists), nil
	case isBool(g.info.TypeOf(e)):
		return g.wrap(e, conditions, ""), nil
	}
	name, ok := g.typeName(g.info.TypeOf(e))
	if !ok {
		return nil, fmt.Errorf("the type %v has no name there", g.info.TypeOf(e))
	}
	w := g.wrap(e, values, name)
	w.simple = false
	return w, nil
}

// Plant makes the mistake without changing a file. It returns an overlay for the
// go command (-overlay), which then reads a mistaken text instead of a file of the
// module in the directory root. Plant writes to dir only.
func (m Mistake) Plant(root, dir string) (overlay string, err error) {
	s, err := read(filepath.Join(root, m.Dir))
	if err != nil {
		return "", err
	}
	places, err := m.places(s)
	if err != nil {
		return "", err
	}
	var wraps []*wrap
	for i, at := range places {
		wraps = append(wraps, &wrap{file: at.file, from: s.offset(at.from()), to: s.offset(at.to()), kind: planted,
			alternatives: []alternative{{1, fill(m.Edits[i].With, words, at.bound)}}})
	}
	texts := map[string][]byte{}
	for _, w := range wraps {
		texts[filepath.Join(m.Dir, w.file.name)] = s.render(w.file, wraps, nil)
	}
	return overlaid(root, dir, texts)
}

// Check returns an error unless each edit of the mistake has its one place in the
// tree at root.
func (m Mistake) Check(root string) error {
	s, err := read(filepath.Join(root, m.Dir))
	if err == nil {
		_, err = m.places(s)
	}
	return err
}

// Named returns the mistake of a name.
func Named(name string) (Mistake, error) {
	for _, m := range ByHand {
		if m.Name == name {
			return m, nil
		}
	}
	return Mistake{}, errors.New("there is no mistake " + name)
}

// PlantText does what Plant does for a text that is not Go, such as a script or a
// query. In the file, old becomes new. old is there exactly once.
func PlantText(root, dir, file, old, new string) (overlay string, err error) {
	text, err := os.ReadFile(filepath.Join(root, file)) // our own source
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(text), old); n != 1 {
		return "", fmt.Errorf("%s has changed: what is to be replaced is there %d times", file, n)
	}
	return overlaid(root, dir, map[string][]byte{file: []byte(strings.Replace(string(text), old, new, 1))})
}

// overlaid writes texts into dir, and the file that tells the go command to read
// them instead of the files of the directory root.
func overlaid(root, dir string, texts map[string][]byte) (overlay string, err error) {
	root, err = filepath.Abs(root)
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for name, text := range texts {
		instead := filepath.Join(dir, name)
		replace[filepath.Join(root, name)] = instead
		if err := errors.Join(os.MkdirAll(filepath.Dir(instead), 0o700), os.WriteFile(instead, text, 0o600)); err != nil {
			return "", err
		}
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, list, 0o600)
}
