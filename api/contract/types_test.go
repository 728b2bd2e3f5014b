package contract

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oneseat/oneseat/api"
)

// wire are the types of package api, and the schemas that describe them. A schema of a
// problem is one of several that Problem stands for.
var wire = map[string]any{
	"Check": api.Check{}, "SignIn": api.SignIn{}, "Previous": api.Previous{}, "Device": api.Device{}, "Redeem": api.Redeem{}, "Rotate": api.Token{}, "SignOut": api.SignOut{},
	"Account": api.Account{}, "End": api.End{}, "Limit": api.Limit{}, "Limits": api.Limits{}, "Block": api.Block{}, "Unblock": api.Unblock{}, "Forget": api.Forget{}, "Confirm": api.Confirm{}, "Data": api.Data{}, "Lifetime": api.Lifetime{}, "EndRealm": api.EndRealm{},
	"AccountQuery": api.AccountQuery{}, "EventQuery": api.EventQuery{}, "ChangesQuery": api.ChangesQuery{}, "Nothing": api.Done{},
	"Granted": api.Granted{}, "Session": api.Session{}, "Checked": api.Checked{}, "SeenDevice": api.SeenDevice{}, "Displaced": api.Displaced{}, "Sessions": api.Sessions{}, "Ended": api.Ended{},
	"Ending": api.Ending{}, "About": api.About{}, "AccountState": api.AccountState{}, "Stream": api.Stream{}, "InForce": api.InForce{}, "Blocked": api.Blocked{}, "Accounts": api.Accounts{},
	"Explained": api.Explained{}, "Event": api.Event{}, "Events": api.Events{}, "Changes": api.Changes{}, "Introspection": api.Introspection{},
}

// notWire are schemas of no type of their own: of values, of problems, of forms.
var notWire = []string{"AccountName", "SessionID", "Token", "Ticket", "Time", "Class", "Reason", "Max", "TokenForm", "ProblemType", "Problem", "SessionEnded", "AccountFull", "AccountBlocked"}

// member is a member of a JSON object.
type member struct {
	kind     string // of JSON: its type, or the name of its schema
	required bool
}

// membersOf returns the members that a Go type has in JSON. One that is left out when it
// is empty is not required.
func membersOf(t *testing.T, typ reflect.Type) map[string]member {
	t.Helper()
	all := map[string]member{}
	for f := range typ.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			maps.Copy(all, membersOf(t, f.Type))
			continue
		}
		if name == "" {
			t.Errorf("%s.%s has no name in JSON", typ, f.Name)
		}
		all[name] = member{kindOf(f.Type), options == ""}
	}
	return all
}

// kindOf names what a Go type is in JSON.
func kindOf(typ reflect.Type) string {
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	switch {
	case typ == reflect.TypeFor[time.Time]():
		return "string date-time"
	case typ == reflect.TypeFor[api.Max]():
		return "Max"
	case typ == reflect.TypeFor[api.Adopt]():
		return "object"
	}
	for name, v := range wire {
		if reflect.TypeOf(v) == typ {
			return name
		}
	}
	switch typ.Kind() {
	case reflect.Slice:
		return "array of " + kindOf(typ.Elem())
	case reflect.Map:
		return "object"
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int64:
		return "integer"
	case reflect.Float64:
		return "number"
	}
	return typ.Kind().String()
}

// kind names what a schema describes, as kindOf does.
func (f file) kind(t *testing.T, schema object) string {
	t.Helper()
	if ref, ok := schema["$ref"].(string); ok {
		if name := strings.TrimPrefix(ref, "#/components/schemas/"); wire[name] != nil || name == "Max" {
			return name
		}
		return f.kind(t, f.resolve(t, schema))
	}
	if any, ok := schema["oneOf"].([]any); ok { // of a schema and null
		return f.kind(t, any[0].(object))
	}
	switch schema["type"] {
	case "array":
		return "array of " + f.kind(t, at(t, schema, "items"))
	case "string":
		if schema["format"] != nil {
			return "string " + schema["format"].(string)
		}
		return "string"
	case nil:
		return kindOf(reflect.TypeOf(schema["const"]))
	}
	return schema["type"].(string)
}

// described returns the members of a schema.
func (f file) described(t *testing.T, schema object) map[string]member {
	t.Helper()
	all, required := map[string]member{}, texts(schema["required"])
	for name, s := range at(t, schema, "properties") {
		all[name] = member{f.kind(t, s.(object)), slices.Contains(required, name)}
	}
	return all
}

func texts(list any) (out []string) {
	all, _ := list.([]any) // nil: there is none
	for _, one := range all {
		out = append(out, one.(string))
	}
	return out
}

// A member that only one of the two has, or that is of another kind or duty, is how the
// file and the server drift apart.
func TestTheTypesOfThePackageAreWhatTheFileSays(t *testing.T) {
	f := load(t, api.OpenAPI())
	schemas := at(t, f.object, "components", "schemas")
	for name := range schemas {
		if (wire[name] != nil) == slices.Contains(notWire, name) {
			t.Errorf("the schema %s is of no type of package api, and not on the list of those", name)
		}
	}
	for name, v := range wire {
		want, got := membersOf(t, reflect.TypeOf(v)), f.described(t, at(t, schemas, name))
		differences(t, name, want, got)
	}
	differences(t, "adopt", membersOf(t, reflect.TypeFor[api.Adopt]()), f.described(t, at(t, schemas, "SignIn", "properties", "adopt")))

	problem := f.described(t, at(t, schemas, "Problem"))
	for _, name := range []string{"SessionEnded", "AccountFull", "AccountBlocked"} {
		for member, m := range f.described(t, at(t, schemas, name)) {
			if m.required = false; member != "type" && member != "status" {
				problem[member] = m
			}
		}
	}
	differences(t, "Problem", membersOf(t, reflect.TypeFor[api.Problem]()), problem)
}

func differences(t *testing.T, name string, want, got map[string]member) {
	t.Helper()
	for n, m := range want {
		if s, ok := got[n]; !ok {
			t.Errorf("%s: the file has no member %q", name, n)
		} else if s != m {
			t.Errorf("%s: the member %q is %+v, and by the file %+v", name, n, m, s)
		}
	}
	for n := range got {
		if _, ok := want[n]; !ok {
			t.Errorf("%s: the package has no member %q", name, n)
		}
	}
}
