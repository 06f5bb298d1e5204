// SPDX-License-Identifier: Apache-2.0

package ask

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"
)

// expression begins what is evaluated for each cluster, in any string and so in place of any scalar.
const expression = "${"

// Value of a parameter that was said in so many texts: one for a scalar, one for each item of a list, and for an object any number of KEY=VALUE and of JSON
// objects.
func (p Parameter) Value(said []string) (any, error) {
	value, err := p.value(said)
	if err != nil {
		return nil, invalid(p.Flag, "%v", err)
	}
	return value, nil
}

func (p Parameter) value(said []string) (any, error) {
	switch p.Kind {
	case List:
		items := []any{}
		for _, text := range said {
			item, err := scalar(p.schema.item(), text)
			if err != nil {
				return nil, err
			}
			if err := among(p.Enum, text); err != nil {
				return nil, err
			}
			items = append(items, item)
		}
		return items, nil
	case Object:
		object := map[string]any{}
		for _, text := range said {
			if err := p.addTo(object, text); err != nil {
				return nil, err
			}
		}
		return object, nil
	case String, Integer, Number, Boolean, Anything:
	}
	last := said[len(said)-1]
	if err := among(p.Enum, last); err != nil {
		return nil, err
	}
	return scalar(p.schema, last)
}

// addTo an object what a text says of it.
func (p Parameter) addTo(object map[string]any, text string) error {
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		more, err := ParseObject([]byte(text))
		if err != nil {
			return err
		}
		merge(object, more)
		return nil
	}
	if p.schema.others().kind() == String { // names as they are: those of labels and annotations have dots
		key, value, found := strings.Cut(text, "=")
		if !found || key == "" {
			return fmt.Errorf("%q is not KEY=VALUE, nor a JSON object", text)
		}
		object[key] = value
		return nil
	}
	return set(p.schema, object, text)
}

func among(enum []string, text string) error {
	if len(enum) == 0 || slices.Contains(enum, text) || strings.Contains(text, expression) {
		return nil
	}
	return fmt.Errorf("%q is not one of %s", text, strings.Join(enum, ", "))
}

// scalar is a text as a value of a schema. What holds an expression stays a text.
func scalar(s *schema, text string) (any, error) {
	kind := s.kind()
	if strings.Contains(text, expression) && kind != Anything {
		return text, nil
	}
	switch kind {
	case String:
		return text, nil
	case Integer:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is not a whole number", text)
		}
		return n, nil
	case Number:
		if _, err := strconv.ParseFloat(text, 64); err != nil || !json.Valid([]byte(text)) {
			return nil, fmt.Errorf("%q is not a number", text)
		}
		return json.Number(text), nil
	case Boolean:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return nil, fmt.Errorf("%q is not true or false", text)
		}
		return b, nil
	case List, Object, Anything:
	}
	value, err := parse([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("%q is not JSON or YAML: %w", text, err)
	}
	return value, nil
}

// ParseObject reads parameters as YAML or JSON.
func ParseObject(text []byte) (map[string]any, error) {
	value, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("not JSON or YAML: %w", err)
	}
	switch object := value.(type) {
	case map[string]any:
		return object, nil
	case nil:
		return map[string]any{}, nil
	}
	return nil, errors.New("not an object: it has to be KEY: VALUE, a parameter a line")
}

// parse YAML or JSON, with numbers as they were written.
func parse(text []byte) (any, error) {
	raw, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return value, nil
}
