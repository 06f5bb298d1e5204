// SPDX-License-Identifier: Apache-2.0

package redact

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

const (
	// minHidden characters have to be in a value for it to be hidden: shorter ones are in every text.
	minHidden = 4
	// mark is what is told instead. It is shorter than anything that it stands for.
	mark = "***"
	// cut is where messages are cut: before it, or after it, a value may have lost its other part.
	cut = "..."
)

// Redaction hides values in whatever is told about a run. The values are those of the parameters that the template's spec.redact names, in the
// shapes that they take in what is said about them. The zero value hides nothing.
type Redaction struct{ hidden []string }

// New takes what a template says, and the parameters that a run may have: those of the Operation, and the defaults of the template. Which of
// them wins does not matter here.
func New(paths []string, documents ...*runtime.RawExtension) Redaction {
	if len(paths) == 0 {
		return Redaction{}
	}
	hidden := map[string]bool{}
	for _, doc := range documents {
		if doc == nil {
			continue
		}
		var value any
		if json.Unmarshal(doc.Raw, &value) != nil {
			continue // nothing can run by it, and no part of it is told (engines.DecodeParameters)
		}
		for _, path := range paths {
			stringsBelow(value, path, func(s string) {
				for _, shape := range shapes(s) {
					if len([]rune(shape)) >= minHidden {
						hidden[shape] = true
					}
				}
			})
		}
	}
	return Redaction{slices.Sorted(maps.Keys(hidden))}
}

// Of a run whose template is on record.
func Of(op *opsv1alpha1.Operation) Redaction {
	t := op.Status.Template
	if t == nil {
		return Redaction{}
	}
	return New(t.Redact, op.Spec.Parameters, t.Defaults)
}

// stringsBelow tells the strings below a path. Numbers and the like do not count: they are in every text.
func stringsBelow(value any, path string, tell func(string)) {
	below(value, path, func(v any) any {
		leaves(v, tell)
		return v
	})
}

func leaves(value any, tell func(string)) {
	switch v := value.(type) {
	case string:
		tell(v)
	case []any:
		for _, item := range v {
			leaves(item, tell)
		}
	case map[string]any:
		for _, item := range v {
			leaves(item, tell)
		}
	}
}

// below puts what do makes of it into the place of all that stands where a path ends, in place where it can. A path goes through lists without saying so. A
// name may have dots itself, so each name that the path begins with is followed; where the path ends, everything below counts.
func below(value any, path string, do func(any) any) any {
	if path == "" {
		return do(value)
	}
	switch v := value.(type) {
	case []any:
		for i := range v {
			v[i] = below(v[i], path, do)
		}
	case map[string]any:
		for name := range v {
			if path == name {
				v[name] = do(v[name])
			} else if rest, ok := strings.CutPrefix(path, name+"."); ok && rest != "" {
				v[name] = below(v[name], rest, do)
			}
		}
	}
	return value
}

// shapes of a value: as it is, in one line, as JSON and Go quote it, as a Secret and a URL hold it.
func shapes(s string) []string {
	quoted := strconv.Quote(s)
	all := []string{s, strings.Join(strings.Fields(s), " "), quoted[1 : len(quoted)-1], url.QueryEscape(s), url.PathEscape(s)}
	if len([]rune(s)) >= minHidden {
		all = append(all, base64.StdEncoding.EncodeToString([]byte(s)))
	}
	var b bytes.Buffer
	for _, html := range []bool{true, false} {
		b.Reset()
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(html)
		if e.Encode(s) == nil {
			text := strings.TrimSuffix(b.String(), "\n")
			all = append(all, text[1:len(text)-1])
		}
	}
	return all
}

// in is the part of the redaction that a text may need. There may be thousands of values, and most of the time not one of them is in what is told.
func (r Redaction) in(text string) Redaction {
	return Redaction{slices.DeleteFunc(slices.Clone(r.hidden), func(h string) bool {
		return !strings.Contains(text, h[:minHidden]) && !strings.Contains(text, h[len(h)-minHidden:]) &&
			!strings.Contains(h, mark[:1]) // which may come to be in the text
	})}
}

// Text without what is hidden. It is looked through until nothing is found, as a mark may make one of what stood around it; every round makes it
// shorter.
func (r Redaction) Text(s string) string {
	r = r.in(s)
	for len(r.hidden) > 0 {
		covered := r.find(s)
		if covered == nil {
			return s
		}
		var b strings.Builder
		for i := 0; i < len(s); {
			if !covered[i] {
				b.WriteByte(s[i])
				i++
				continue
			}
			for i < len(s) && covered[i] {
				i++
			}
			b.WriteString(mark)
		}
		s = b.String()
	}
	return s
}

// find says which bytes belong to something hidden, nil when none do. Values may overlap, and all their bytes count.
func (r Redaction) find(s string) []bool {
	var covered []bool
	cover := func(from, to int) {
		if covered == nil {
			covered = make([]bool, len(s))
		}
		for i := from; i < to; i++ {
			covered[i] = true
		}
	}
	for _, h := range r.hidden {
		for from := 0; ; {
			i := strings.Index(s[from:], h)
			if i < 0 {
				break
			}
			cover(from+i, from+i+len(h))
			from += i + 1
		}
		for at := 0; ; {
			i := strings.Index(s[at:], cut)
			if i < 0 {
				break
			}
			at += i
			if n := endsWithBegin(s[:at], h); n > 0 {
				cover(at-n, at)
			}
			at += len(cut)
			if n := beginsWithEnd(s[at:], h); n > 0 {
				cover(at, at+n)
			}
		}
	}
	return covered
}

// endsWithBegin is how many bytes at the end of s are the beginning of h, 0 for less than minHidden.
func endsWithBegin(s, h string) int {
	for n := min(len(s), len(h)-1); n >= minHidden; n-- {
		if strings.HasSuffix(s, h[:n]) {
			return n
		}
	}
	return 0
}

// beginsWithEnd is how many bytes at the beginning of s are the end of h, 0 for less than minHidden.
func beginsWithEnd(s, h string) int {
	for n := min(len(s), len(h)-1); n >= minHidden; n-- {
		if strings.HasPrefix(s, h[len(h)-n:]) {
			return n
		}
	}
	return 0
}

// Error is one that says the same without what is hidden. What it was is then lost, so this is for one that is only told.
func (r Redaction) Error(err error) error {
	if err == nil || len(r.hidden) == 0 {
		return err
	}
	if said := r.Text(err.Error()); said != err.Error() {
		return errors.New(said)
	}
	return err
}

// Status hides in all that a status says in words, but for its outputs: see Outputs. Names stay, as what was made is found by them; so do a quiesce's
// settings, which undoing it goes by, and which are the target's annotations and no parameters.
func (r Redaction) Status(s *opsv1alpha1.OperationStatus) {
	if len(r.hidden) == 0 {
		return
	}
	words := []*string{&s.Message, &s.Progress}
	for i := range s.Conditions {
		words = append(words, &s.Conditions[i].Message)
	}
	for i := range s.History {
		words = append(words, &s.History[i].Message)
	}
	for i := range s.Failures {
		words = append(words, &s.Failures[i].Message)
	}
	for i := range s.Preparations {
		words = append(words, &s.Preparations[i].Message)
	}
	if s.Verdict != nil {
		words = append(words, &s.Verdict.Message)
	}
	var all strings.Builder
	for _, w := range words {
		all.WriteString(*w + "\n")
	}
	r = r.in(all.String())
	for _, w := range words {
		*w = r.Text(*w)
	}
}

// Outputs without what is hidden.
func (r Redaction) Outputs(said map[string]string) map[string]string {
	if len(r.hidden) == 0 {
		return said
	}
	masked := make(map[string]string, len(said))
	for key, value := range said {
		masked[key] = r.Text(value)
	}
	return masked
}
