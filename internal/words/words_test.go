package words_test

import (
	"encoding/json"
	"html/template"
	"strings"
	"testing"

	"github.com/oneseat/oneseat/internal/words"
)

func TestALanguageSaysWhatItHasAndTheRestInEnglish(t *testing.T) {
	german := words.English().With("de", map[string]string{"ended.displaced.title": "Dieses Konto wurde auf einem anderen Gerät angemeldet"})
	if title, detail := german.Pair("ended.displaced", "device", "Safari"); !strings.HasPrefix(title, "Dieses Konto") || !strings.HasPrefix(detail, "It was Safari.") || german.Tag != "de" {
		t.Errorf("%s: %q, %q", german.Tag, title, detail)
	}
	if title := words.English().Say("ended.displaced.title"); !strings.HasPrefix(title, "This account") {
		t.Errorf("a translation has changed English: %q", title)
	}
}

func TestWhatFillsAPlaceIsTakenAsItIs(t *testing.T) {
	l := words.English().With("en", map[string]string{"x": "{a} and {b} & {c}"})
	if got := l.Say("x", "a", "{b}", "b", "{a}"); got != "{b} and {a} & {c}" {
		t.Error(got)
	}
	if got := l.Rich("x", "a", "<script>", "b", template.HTML("<b>{a}</b>"), "c", 7); got != "&lt;script&gt; and <b>{a}</b> &amp; 7" {
		t.Error(got)
	}
	if got := l.Say("no.such.key"); got != "no.such.key" {
		t.Error(got)
	}
}

func TestAScriptGetsItsWordsAndNothingCanEndIt(t *testing.T) {
	l := words.English().With("en", map[string]string{"script.x": "</script>\u2028\"'`${", "other": "not for it"})
	got := string(l.Fill([]byte("a;\nconst words = {}; // filled in by the server\nb;\n"), "script.", "device."))
	object, ok := strings.CutPrefix(got, "a;\nconst words = ")
	object, ok2 := strings.CutSuffix(object, ";\nb;\n")
	var said map[string]string
	if err := json.Unmarshal([]byte(object), &said); !ok || !ok2 || err != nil || said["script.x"] != "</script>\u2028\"'`${" || said["device.another"] == "" || said["other"] != "" {
		t.Errorf("%v %s", err, got)
	}
	if strings.Contains(got, "</script>") || strings.Contains(got, "\u2028") {
		t.Error(got)
	}
	defer func() {
		if recover() == nil {
			t.Error("a script without a place for words is served")
		}
	}()
	l.Fill([]byte("const words = {};"), "script.")
}
