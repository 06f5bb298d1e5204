// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/invopop/jsonschema"
)

// newReflector makes schemas whose descriptions are the doc comments of the structs in engines/. It reads them below the working directory.
func newReflector() (*jsonschema.Reflector, error) {
	r := &jsonschema.Reflector{Anonymous: true, ExpandedStruct: true, DoNotReference: true, Mapper: kubernetesSchema}
	if err := r.AddGoComments(module, "engines", jsonschema.WithFullComment()); err != nil {
		return nil, err
	}
	comments := r.CommentMap
	r.CommentMap = nil
	r.LookupComment = func(t reflect.Type, field string) string {
		if field == "" {
			return describe(comments[t.PkgPath()+"."+t.Name()], t.Name(), t.Name())
		}
		f, _ := t.FieldByName(field)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		text := describe(comments[t.PkgPath()+"."+t.Name()+"."+field], field, name)
		return strings.TrimSpace(text + " " + kubernetesHint(f.Type))
	}
	return r, nil
}

// verb after a name: "is" and "are" go with it, "makes" and the like stay.
var verb = regexp.MustCompile(`^(?:is |are |([a-z]+s ))`)

// describe turns a Go comment into a description for people who know the parameter by its JSON name, which stands beside it: a name that
// begins a sentence as its subject is left out, any other becomes the JSON name, unless it is a plain word.
func describe(comment, goName, jsonName string) string {
	text := strings.Join(strings.Fields(comment), " ")
	rest, named := strings.CutPrefix(text, goName+" ")
	switch {
	case named && verb.MatchString(rest):
		return capital(verb.ReplaceAllString(rest, "$1"))
	case named && strings.ToLower(jsonName) != jsonName:
		return jsonName + " " + rest
	default:
		return text
	}
}

// capital begins a sentence with a capital letter, unless its first word is a path such as spec.timeout.
func capital(sentence string) string {
	word, _, _ := strings.Cut(sentence, " ")
	if sentence == "" || strings.Contains(strings.TrimSuffix(word, "."), ".") {
		return sentence
	}
	first, size := utf8.DecodeRuneInString(sentence)
	return string(unicode.ToUpper(first)) + sentence[size:]
}

// sentenceEnd is a full stop before another sentence; "1.2.3" and "spec.timeout" have none.
var sentenceEnd = regexp.MustCompile(`\. ([A-Z])`)

func sentences(text string) []string {
	return strings.Split(sentenceEnd.ReplaceAllString(text, ".\n$1"), "\n")
}

// splitPresence takes out of a description what it says of a parameter that is left out, for a column of its own.
func splitPresence(description string) (presence, rest string) {
	all := sentences(description)
	isPresence := func(s string) bool { return strings.HasPrefix(s, "Required") || strings.HasPrefix(s, "Default") }
	var says []string
	for _, s := range all {
		if isPresence(s) {
			says = append(says, strings.TrimSuffix(s, "."))
		}
	}
	return strings.Join(says, ". "), strings.Join(slices.DeleteFunc(all, isPresence), " ")
}

// checkComments holds the comments against the convention, and what they say is required against what the struct says.
func checkComments(s *jsonschema.Schema, name string) error {
	if s.Description == "" {
		return fmt.Errorf("%s has no doc comment", name)
	}
	if s.Items != nil && s.Items.Properties != nil {
		return checkComments(s.Items, name+"[]")
	}
	for p := s.Properties.Oldest(); p != nil; p = p.Next() {
		child := name + "." + p.Key
		presence, _ := splitPresence(p.Value.Description)
		switch required := slices.Contains(s.Required, p.Key); {
		case presence == "":
			return fmt.Errorf("%s: the comment says neither Required nor Default", child)
		case required != (presence == "Required"):
			return fmt.Errorf("%s: the comment says %q, and its json tag %s omitempty", child, presence, map[bool]string{true: "lacks", false: "has"}[required])
		}
		if err := checkComments(p.Value, child); err != nil {
			return err
		}
	}
	return nil
}
