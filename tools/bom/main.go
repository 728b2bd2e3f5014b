// Command bom says what a program is made of: the list of its modules, in the form of
// CycloneDX, and the texts of their licences, which have to go where the program goes.
//
//	bom -version 1.2.3 -sbom oneseat.cdx.json -licences third-party-licences.txt bin/oneseat
//
// It asks the program itself, as "go version -m" does, so a module that was not linked in is
// not in the list. The same program gives the same bytes.
package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

func main() {
	version := flag.String("version", "", "the version of the program")
	sbom := flag.String("sbom", "", "the file for the list of modules")
	licences := flag.String("licences", "", "the file for the texts of licences")
	flag.Parse()
	if err := run(flag.Arg(0), *version, *sbom, *licences); err != nil {
		fmt.Fprintln(os.Stderr, "bom:", err)
		os.Exit(1)
	}
}

// run reads a program, and writes the files that have a name.
func run(program, version, sbom, licences string) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err
	}
	parts, err := partsOf(info)
	if err != nil {
		return err
	}
	if sbom != "" {
		list, err := listOf(program, version, info.Main.Path, parts)
		if err != nil {
			return err
		}
		if err := write(sbom, func(w io.Writer) error {
			return cdx.NewBOMEncoder(w, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(list, cdx.SpecVersion1_6)
		}); err != nil {
			return err
		}
	}
	if licences == "" {
		return nil
	}
	return write(licences, func(w io.Writer) error { return writeLicences(w, parts) })
}

// write makes a file.
func write(file string, to func(io.Writer) error) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(to(f), f.Close())
}

// part is a module that was linked in, or the standard library.
type part struct {
	path, version, sum string
	licence            string   // by SPDX
	texts              []string // of its licence, and of notices
}

// partsOf are all of a program but its own module.
func partsOf(info *debug.BuildInfo) ([]part, error) {
	root, err := output("go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	parts := []part{{path: "std", version: strings.TrimPrefix(info.GoVersion, "go")}}
	folders := []string{strings.TrimSpace(root)}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		out, err := output("go", "mod", "download", "-json", m.Path+"@"+m.Version)
		if err != nil {
			return nil, err
		}
		var at struct{ Dir string }
		if err := json.Unmarshal([]byte(out), &at); err != nil {
			return nil, err
		}
		parts = append(parts, part{path: m.Path, version: m.Version, sum: m.Sum})
		folders = append(folders, at.Dir)
	}
	var errs []error
	for i := range parts {
		errs = append(errs, parts[i].readLicence(folders[i]))
	}
	return parts, errors.Join(errs...)
}

// output runs a program.
func output(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	b, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w", cmd, err)
	}
	return string(b), nil
}

// readLicence reads the files of a module that have to go with it.
func (p *part) readLicence(folder string) error {
	files, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, f := range files {
		name := strings.ToUpper(f.Name())
		if f.IsDir() || !slices.ContainsFunc([]string{"LICENSE", "LICENCE", "COPYING", "NOTICE", "PATENTS"}, func(begin string) bool { return strings.HasPrefix(name, begin) }) {
			continue
		}
		b, err := os.ReadFile(filepath.Join(folder, f.Name()))
		if err != nil {
			return err
		}
		p.texts = append(p.texts, string(b))
		if p.licence == "" {
			p.licence = licenceOf(string(b))
		}
	}
	if p.licence == "" {
		return fmt.Errorf("%s %s: no licence was found that is known here; read its files, and add a line to licenceOf", p.path, p.version)
	}
	return nil
}

// licenceOf tells a licence by sentences that it always has.
func licenceOf(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	has := func(s string) bool { return strings.Contains(text, s) }
	switch {
	case has("Apache License Version 2.0"):
		return "Apache-2.0"
	case has("Mozilla Public License Version 2.0"), has("Mozilla Public License, version 2.0"):
		return "MPL-2.0"
	case has("Permission is hereby granted, free of charge"):
		return "MIT"
	case has("Redistribution and use in source and binary forms") && (has("Neither the name") || has("names of its contributors")):
		return "BSD-3-Clause"
	case has("Redistribution and use in source and binary forms"):
		return "BSD-2-Clause"
	}
	return ""
}

// listOf makes the list of a program.
func listOf(program, version, module string, parts []part) (*cdx.BOM, error) {
	b, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b)
	list := cdx.NewBOM()
	list.SerialNumber = fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
	self := purl(module, "v"+version)
	list.Metadata = &cdx.Metadata{Component: &cdx.Component{
		BOMRef: self, Type: cdx.ComponentTypeApplication, Name: "oneseat", Version: version, PackageURL: self,
		Licenses: licences("MIT"), Hashes: &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(sum[:])}},
	}}
	var components []cdx.Component
	var refs []string
	for _, p := range parts {
		ref := purl(p.path, p.version)
		c := cdx.Component{BOMRef: ref, Type: cdx.ComponentTypeLibrary, Name: p.path, Version: p.version, PackageURL: ref, Licenses: licences(p.licence)}
		if h, ok := strings.CutPrefix(p.sum, "h1:"); ok { // of all files of the module, as go.sum has it
			raw, err := base64.StdEncoding.DecodeString(h)
			if err != nil {
				return nil, fmt.Errorf("%s: its sum: %w", p.path, err)
			}
			c.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(raw)}}
		}
		components, refs = append(components, c), append(refs, ref)
	}
	list.Components = &components
	list.Dependencies = &[]cdx.Dependency{{Ref: self, Dependencies: &refs}}
	return list, nil
}

func licences(id string) *cdx.Licenses {
	return &cdx.Licenses{{License: &cdx.License{ID: id}}}
}

// purl is the name of a module for programs that look for vulnerabilities.
func purl(path, version string) string { return "pkg:golang/" + path + "@" + version }

// writeLicences writes the texts of all licences.
func writeLicences(w io.Writer, parts []part) error {
	_, err := fmt.Fprint(w, "The program has parts that others have written. These are their licences.\n")
	for _, p := range parts {
		if err != nil {
			break
		}
		_, err = fmt.Fprintf(w, "\n%s\n%s %s, %s\n\n%s\n", strings.Repeat("=", 80), p.path, p.version, p.licence, strings.TrimSpace(strings.Join(p.texts, "\n\n")))
	}
	return err
}
