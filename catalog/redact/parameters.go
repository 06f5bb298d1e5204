// SPDX-License-Identifier: Apache-2.0

package redact

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Parameters with a mark in the place of all that stands at the paths which a template's spec.redact names: numbers and short texts, too. It is for those who
// are shown parameters, whose values may be told apart by where they stand.
func Parameters(paths []string, parameters []byte) (json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(parameters))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		return nil, fmt.Errorf("parameters cannot be read as JSON: %w", err)
	}
	for _, path := range paths {
		value = below(value, path, func(any) any { return mark })
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(b.Bytes()), nil
}

// Covers tells whether what stands at a place in the parameters - names of fields and indexes of lists - is not to be told.
func Covers(paths []string, at []string) bool {
	for _, path := range paths {
		if covers(path, at) {
			return true
		}
	}
	return false
}

func covers(path string, at []string) bool {
	if path == "" {
		return true
	}
	if len(at) == 0 {
		return false
	}
	if rest, ok := strings.CutPrefix(path, at[0]+"."); path == at[0] || ok && rest != "" && covers(rest, at[1:]) {
		return true
	}
	return strings.Trim(at[0], "0123456789") == "" && covers(path, at[1:]) // a path goes through lists without saying so
}
