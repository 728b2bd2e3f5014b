// Package words holds what people read, by key and language: the sentences of
// pages, refusals and scripts. It owns the sentences of oneseathttp and of its
// streams, in English. A site with more sentences, such as the demo, adds them. The
// package decides nothing, and knows no request.
package words

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"
	"time"
)

// Language has a sentence for every key. A sentence has a place for what is known only
// later: "It was {device}." A Language is not changed once it is made, and is safe for
// concurrent use.
type Language struct {
	Tag       string // as in BCP 47: "en"
	sentences map[string]string
}

// English returns the language that has every key.
func English() Language { return Language{"en", english} }

// With returns a language that has these sentences, and for every other key what
// l has. So a translation of some keys makes a language that has all keys.
func (l Language) With(tag string, sentences map[string]string) Language {
	all := maps.Clone(l.sentences)
	maps.Copy(all, sentences)
	return Language{tag, all}
}

// Say returns the sentence of a key. places are pairs: the name of a place, and
// what is put there. For a key that l does not have, Say returns the key.
func (l Language) Say(key string, places ...string) string {
	sentence, ok := l.sentences[key]
	if !ok {
		return key
	}
	if len(places) == 0 {
		return sentence
	}
	pairs := make([]string, len(places))
	for i, p := range places {
		pairs[i] = p
		if i%2 == 0 {
			pairs[i] = "{" + p + "}"
		}
	}
	return strings.NewReplacer(pairs...).Replace(sentence)
}

// Pair returns what happened, and what it means: the sentences key+".title" and
// key+".detail".
func (l Language) Pair(key string, places ...string) (title, detail string) {
	return l.Say(key+".title", places...), l.Say(key+".detail", places...)
}

// Rich is Say for a page: a place may be filled with HTML. Everything else is
// escaped.
func (l Language) Rich(key string, places ...any) template.HTML {
	texts := make([]string, len(places))
	for i, p := range places {
		html, ok := p.(template.HTML)
		if !ok {
			html = template.HTML(template.HTMLEscapeString(fmt.Sprint(p))) // it has just been escaped
		}
		texts[i] = string(html)
	}
	escaped := Language{l.Tag, map[string]string{key: template.HTMLEscapeString(l.Say(key))}}
	return template.HTML(escaped.Say(key, texts...)) // its parts are escaped
}

// Moment is a time on a page.
func (Language) Moment(t time.Time) template.HTML {
	t = t.UTC()
	return template.HTML(fmt.Sprintf(`<time datetime="%s">%s</time>`, t.Format("2006-01-02T15:04:05Z"), t.Format("2 Jan 2006, 15:04 UTC"))) // no part of it is anybody's text
}

// place is the line of a script that Fill replaces.
var place = []byte("const words = {}; // filled in by the server\n")

// Fill puts the sentences whose keys begin with one of the prefixes into a script,
// in the place of its line "const words = {}". It panics if the script has no such
// line, or several.
func (l Language) Fill(script []byte, prefixes ...string) []byte {
	some := map[string]string{}
	for key, sentence := range l.sentences {
		if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(key, p) }) {
			some[key] = sentence
		}
	}
	object, err := json.Marshal(some) // which escapes whatever could end a script
	if err != nil || bytes.Count(script, place) != 1 {
		panic(fmt.Sprintf("words: a script has %d places for words: %v", bytes.Count(script, place), err))
	}
	return bytes.Replace(script, place, append(append([]byte("const words = "), object...), ";\n"...), 1)
}
