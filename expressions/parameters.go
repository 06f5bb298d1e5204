// SPDX-License-Identifier: Apache-2.0

package expressions

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/google/cel-go/cel"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Form is parameters with blanks in them.
type Form struct {
	// Blanks in the order of their places, which is the same for the same parameters.
	Blanks []Blank

	texts    []string // of the expressions, each once
	programs []cel.Program
}

// Failure is an expression that has no value on a cluster.
type Failure struct {
	// Blank is the index of the first blank that the expression is in.
	Blank int
	// Text of the expression.
	Text string
	// Cause in CEL's words, which may repeat what the expression is about.
	Cause error
}

// Read finds the expressions in parameters and compiles them; nil when there is none, and when the parameters cannot be read, which is for others to
// say. The errors name spec.parameters and the field, and repeat no value.
func Read(parameters *runtime.RawExtension) (*Form, field.ErrorList) {
	r := reader{form: &Form{}}
	if value, ok := decode(parameters); ok {
		r.walk(nil, value)
	}
	if r.places > MaxPlaces || len(r.form.texts) > MaxExpressions {
		return nil, append(r.errs, field.Forbidden(Path(nil), fmt.Sprintf(
			"at most %d expressions at %d places are allowed: write out what is the same on all clusters", MaxExpressions, MaxPlaces)))
	}
	if len(r.errs) > 0 {
		return nil, r.errs
	}
	if len(r.form.Blanks) == 0 {
		return nil, nil
	}
	return r.form, nil
}

// Places of the strings that hold expressions, whether these make sense or not.
func Places(parameters *runtime.RawExtension) [][]string {
	r := reader{form: &Form{}, lenient: true}
	if value, ok := decode(parameters); ok {
		r.walk(nil, value)
	}
	places := make([][]string, len(r.form.Blanks))
	for i, b := range r.form.Blanks {
		places[i] = b.At
	}
	return places
}

// meant finds where an expression is that a hub would fill in; nil when there is none. What does not compile was not meant to be one.
func meant(parameters *runtime.RawExtension) *field.Path {
	r := reader{form: &Form{}, lenient: true}
	if value, ok := decode(parameters); ok {
		r.walk(nil, value)
	}
	for _, b := range r.form.Blanks[:min(len(r.form.Blanks), MaxPlaces)] {
		for _, i := range b.Values[:min(len(b.Values), MaxPlaces)] {
			if _, err := compile(r.form.texts[i]); err == nil {
				return Path(b.At)
			}
		}
	}
	return nil
}

// Fixed tells that no expression is left to evaluate: all that there is are escapes.
func (f *Form) Fixed() bool { return len(f.texts) == 0 }

// Row are the values of all expressions on a cluster: a JSON array, in the order in which the blanks count them.
func (f *Form) Row(c Cluster) (json.RawMessage, *Failure) {
	values := make([]any, len(f.programs))
	activation := c.activation()
	for i, p := range f.programs {
		value, err := evaluate(p, activation)
		if err != nil {
			return nil, f.fails(i, err)
		}
		values[i] = value
	}
	row, err := json.Marshal(values)
	if err != nil {
		return nil, f.fails(0, err)
	}
	if len(row) > MaxRow {
		return nil, f.fails(0, fmt.Errorf("the values of all expressions have %d bytes together, and may have %d", len(row), MaxRow))
	}
	return row, nil
}

func (f *Form) fails(expression int, cause error) *Failure {
	i := slices.IndexFunc(f.Blanks, func(b Blank) bool { return slices.Contains(b.Values, expression) })
	return &Failure{Blank: i, Text: f.texts[expression], Cause: cause}
}

// reader goes through parameters.
type reader struct {
	form    *Form
	lenient bool // compile nothing, and find nothing wrong
	places  int
	errs    field.ErrorList
}

func (r *reader) walk(at []string, value any) {
	switch v := value.(type) {
	case string:
		r.text(at, v)
	case []any:
		for i, item := range v {
			r.walk(append(slices.Clip(at), strconv.Itoa(i)), item)
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			below := append(slices.Clip(at), name)
			if _, changed := split(name); changed && !r.lenient {
				r.errs = append(r.errs, field.Forbidden(Path(below), "the name of a field holds no expression: only its value may"))
			}
			r.walk(below, v[name])
		}
	}
}

// text takes note of a string, if it is to be changed.
func (r *reader) text(at []string, s string) {
	pieces, changed := split(s)
	if !changed {
		return
	}
	b := Blank{At: slices.Clone(at)}
	if alone := len(pieces) == 1 && pieces[0].isExpression; !alone {
		b.Text = []string{""}
	}
	for _, p := range pieces {
		if !p.isExpression {
			b.Text[len(b.Text)-1] += p.text
			continue
		}
		r.places++
		b.Values = append(b.Values, r.expression(at, p))
		if b.Text != nil {
			b.Text = append(b.Text, "")
		}
	}
	r.form.Blanks = append(r.form.Blanks, b)
}

// expression is the index of an expression among those that differ.
func (r *reader) expression(at []string, p piece) int {
	if i := slices.Index(r.form.texts, p.text); i >= 0 {
		return i
	}
	r.form.texts = append(r.form.texts, p.text)
	var program cel.Program
	if !r.lenient && len(r.form.texts) <= MaxExpressions {
		var err error
		if p.unclosed {
			err = fmt.Errorf("has no closing brace within %d characters, or a quote before it is not closed: %s", MaxLength, advice)
		} else {
			program, err = compile(p.text)
		}
		if err != nil {
			r.errs = append(r.errs, field.Invalid(Path(at), field.OmitValueType{}, "the expression "+err.Error()))
		}
	}
	r.form.programs = append(r.form.programs, program)
	return len(r.form.texts) - 1
}

// decode parameters, with numbers as they are written.
func decode(parameters *runtime.RawExtension) (any, bool) {
	if parameters == nil {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(parameters.Raw))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		return nil, false
	}
	return value, true
}

func encode(value any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}
