// SPDX-License-Identifier: Apache-2.0

package expressions

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Blank is a string of the parameters that is filled in for each cluster. It says so completely: it is frozen in a plan, and filled in by a hub that may
// read expressions otherwise.
type Blank struct {
	// At is where it is: names of fields, and indexes of lists, from the parameters down.
	At []string `json:"at"`
	// Text stands before, between and after the values; nil when the value is taken as it is, with its type.
	Text []string `json:"text,omitempty"`
	// Values are indexes into a cluster's row.
	Values []int `json:"values,omitempty"`
}

// errMisfit means that blanks, parameters and a row were not made together.
var errMisfit = errors.New("the blanks of the plan do not fit its parameters")

// Path of a place in the parameters. Indexes of lists and names of fields look the same in it.
func Path(at []string) *field.Path {
	p := field.NewPath("spec", "parameters")
	for _, name := range at {
		p = p.Child(name)
	}
	return p
}

// Fill the blanks of parameters with the values of a row.
func Fill(parameters *runtime.RawExtension, blanks []Blank, row json.RawMessage) (*runtime.RawExtension, error) {
	value, ok := decode(parameters)
	if !ok {
		return nil, errMisfit
	}
	values, err := cells(row)
	if err != nil {
		return nil, err
	}
	for _, b := range blanks {
		filled, err := b.fill(values)
		if err != nil {
			return nil, err
		}
		if value, err = set(value, b.At, filled); err != nil {
			return nil, err
		}
	}
	raw, err := encode(value)
	if err != nil {
		return nil, err
	}
	return &runtime.RawExtension{Raw: raw}, nil
}

// cells of a row, as JSON.
func cells(row json.RawMessage) ([]json.RawMessage, error) {
	var values []json.RawMessage
	if len(row) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(row, &values); err != nil {
		return nil, fmt.Errorf("%w: %w", errMisfit, err)
	}
	return values, nil
}

// fill is what stands in the place of the blank.
func (b Blank) fill(values []json.RawMessage) (any, error) {
	if b.Text == nil && len(b.Values) != 1 || b.Text != nil && len(b.Text) != len(b.Values)+1 {
		return nil, errMisfit
	}
	var text strings.Builder
	for i, index := range b.Values {
		if index < 0 || index >= len(values) {
			return nil, errMisfit
		}
		if b.Text == nil {
			return values[index], nil
		}
		text.WriteString(b.Text[i] + plain(values[index]))
	}
	return text.String() + b.Text[len(b.Values)], nil
}

// plain is a value as text: a string without its quotes, everything else as JSON has it.
func plain(value json.RawMessage) string {
	var s string
	if json.Unmarshal(value, &s) == nil {
		return s
	}
	return string(value)
}

// set what stands at a place; there has to be something.
func set(value any, at []string, to any) (any, error) {
	if len(at) == 0 {
		return to, nil
	}
	switch v := value.(type) {
	case map[string]any:
		below, there := v[at[0]]
		if !there {
			return nil, errMisfit
		}
		filled, err := set(below, at[1:], to)
		v[at[0]] = filled
		return v, err
	case []any:
		i, err := strconv.Atoi(at[0])
		if err != nil || i < 0 || i >= len(v) {
			return nil, errMisfit
		}
		v[i], err = set(v[i], at[1:], to)
		return v, err
	}
	return nil, errMisfit
}
