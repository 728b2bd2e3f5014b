package server_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/oneseat/oneseat/api"
	"github.com/oneseat/oneseat/server"
)

func TestTheAnswerToACheckHasTheBytesThatTheLibraryWrites(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.Just(""), rapid.StringMatching(`[<>&"\\/\x00-\x1f]*`), rapid.Just("\xff"))
	at := rapid.Custom(func(t *rapid.T) time.Time {
		return time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "ms")).UTC()
	})
	rapid.Check(t, func(t *rapid.T) {
		a := api.Checked{
			Session: api.Session{
				ID: text.Draw(t, "id"), Account: text.Draw(t, "account"),
				Device:  api.SeenDevice{Label: text.Draw(t, "label"), Class: text.Draw(t, "class"), IP: text.Draw(t, "ip")},
				Created: at.Draw(t, "created"), LastSeen: at.Draw(t, "last seen"),
			},
			Rotated: rapid.Bool().Draw(t, "rotated"),
		}
		if rapid.Bool().Draw(t, "expires") {
			a.Expires, a.Left = at.Draw(t, "when"), new(rapid.Int64().Draw(t, "left"))
		}
		want, no := json.Marshal(a)
		got, err := server.Marshal(a)
		if (err == nil) != (no == nil) || err == nil && !bytes.Equal(got, want) {
			t.Errorf("%s, %v; want %s, %v", got, err, want, no)
		}
	})
}

// FuzzMembers holds the look at the bytes against the library's decoder.
func FuzzMembers(f *testing.F) {
	for _, body := range []string{
		`{}`, `null`, `[null]`, `"x"`, ` { "a" : 1 , "b" : "c" } `, `{"a":{"b":"c","d":{"e":null}}}`, `{"a":[{"b":1}],"c":["d"]}`, `{"limits":null}`, `{"limits":{"x":null}}`,
		`{"a\u0062":"\"","c\\":"n","d":"null:","\"":":"}`, `{"a":"b\\","c":true,"d":-1e9}`, "{\"a\"\t\n:\r1}", `{"x":{"limits":null}}`, `{"a":1,"limits":[null]}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if !jsontext.Value(body).IsValid() {
			return // members is asked only about what is JSON
		}
		names, null := read(t, body, "limits")
		if got, has := server.Members(body, "limits"); !slices.Equal(got, names) || has != null {
			t.Errorf("%q: %q, null %t; want %q, null %t", body, got, has, names, null)
		}
	})
}

// read returns what Members has to return, by the tokens of a decoder.
func read(t *testing.T, body []byte, nullable string) (names []string, null bool) {
	d := jsontext.NewDecoder(bytes.NewReader(body))
	outer := ""
	for {
		kind, length := d.StackIndex(d.StackDepth())
		depth, name := d.StackDepth(), kind == jsontext.KindBeginObject && length%2 == 0
		token, err := d.ReadToken()
		switch {
		case errors.Is(err, io.EOF):
			return names, null
		case err != nil:
			t.Fatal(err)
		case token.Kind() == jsontext.KindNull:
			null = null || depth != 1 || outer != nullable
		case !name || token.Kind() != jsontext.KindString:
		case depth == 1:
			outer = strings.Clone(token.String())
			names = append(names, outer)
		case depth == 2:
			names = append(names, outer+"/"+token.String())
		}
	}
}
