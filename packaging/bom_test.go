package packaging

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// billOf makes the list of modules of a program, and the texts of their licences.
func billOf(t *testing.T, program string) (list, licences string) {
	t.Helper()
	folder := t.TempDir()
	list, licences = filepath.Join(folder, "list.json"), filepath.Join(folder, "licences.txt")
	run(t, "go", "-C", "tools", "run", "./bom", "-version", testVersion, "-sbom", list, "-licences", licences, program)
	return read(t, list), read(t, licences)
}

// The list is what "go version -m" says of the program: nothing is missing, nothing is more,
// each with its version. And each has a licence, whose text goes with the program.
func TestTheListOfModulesIsWhatTheProgramSaysItself(t *testing.T) {
	text, licences := billOf(t, built(t))
	var list struct {
		Components []struct {
			Name, Version, PURL string
			Hashes              []struct{ Alg, Content string }
			Licenses            []struct{ License struct{ ID string } }
		}
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, c := range list.Components {
		got = append(got, c.Name+" "+c.Version)
		if len(c.Licenses) != 1 || c.Licenses[0].License.ID == "" {
			t.Errorf("%s has the licences %v", c.Name, c.Licenses)
		}
		if c.PURL != "pkg:golang/"+c.Name+"@"+c.Version {
			t.Errorf("%s: %s", c.Name, c.PURL)
		}
		if c.Name != "std" && (len(c.Hashes) != 1 || len(c.Hashes[0].Content) != 64) {
			t.Errorf("%s: %v", c.Name, c.Hashes)
		}
		if !strings.Contains(licences, "\n"+c.Name+" "+c.Version+", ") {
			t.Errorf("there is no text of the licence of %s", c.Name)
		}
	}
	for line := range strings.Lines(run(t, "go", "version", "-m", built(t))) {
		f := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "/"):
			want = append(want, "std "+strings.TrimPrefix(f[1], "go"))
		case f[0] == "dep":
			want = append(want, f[1]+" "+f[2])
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if len(want) < 10 || !slices.Equal(got, want) {
		t.Errorf("the list has %q, want %q", got, want)
	}
}

// The list keeps to the schema of CycloneDX, and a program that has none is refused.
func TestTheListOfModulesKeepsToItsSchema(t *testing.T) {
	schemas := strings.TrimSpace(run(t, "go", "-C", "tools", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go")) + "/schema/"
	const at = "http://cyclonedx.org/schema/" // where the files name each other
	compiler := jsonschema.NewCompiler()
	for name, file := range map[string]string{"bom-1.6.schema.json": "bom-1.6.schema.json", "spdx.schema.json": "spdx.schema.json", "jsf-0.82.schema.json": "jsf-0.82.schemax.json"} {
		object, err := jsonschema.UnmarshalJSON(strings.NewReader(read(t, schemas, file)))
		if err != nil {
			t.Fatal(err)
		}
		if err := compiler.AddResource(at+name, object); err != nil {
			t.Fatal(err)
		}
	}
	schema, err := compiler.Compile(at + "bom-1.6.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	text, _ := billOf(t, built(t))
	valid := func(text string) error {
		object, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			return err
		}
		return schema.Validate(object)
	}
	if err := valid(text); err != nil {
		t.Errorf("%v", err)
	}
	if valid(strings.Replace(text, `"type": "library"`, `"type": "libary"`, 1)) == nil || valid(strings.Replace(text, `"id": "MIT"`, `"id": "MTI"`, 1)) == nil {
		t.Error("the schema lets everything through")
	}
	if again, _ := billOf(t, built(t)); again != text {
		t.Error("the same program has two lists")
	}
}
