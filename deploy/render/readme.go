// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// marker begins the part of a chart's README.md that is written here.
const marker = "<!-- values: written by `make generate` from values.yaml -->\n"

// writeReadmes writes the table of values into each chart's README.md.
func writeReadmes() error {
	for _, folder := range chartFolders {
		data, err := os.ReadFile(filepath.Join(folder, "values.yaml"))
		if err != nil {
			return err
		}
		table, err := valuesTable(data)
		if err != nil {
			return fmt.Errorf("%s/values.yaml: %w", folder, err)
		}
		page := filepath.Join(folder, "README.md")
		text, err := os.ReadFile(page)
		if err != nil {
			return err
		}
		head, _, found := strings.Cut(string(text), marker)
		if !found {
			return fmt.Errorf("%s: the line %q is missing", page, strings.TrimSpace(marker))
		}
		if err := os.WriteFile(page, []byte(head+marker+"\n"+table), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// valuesTable is a row for each value: its name, its default, and the comment above it. A value without a comment is an error.
func valuesTable(values []byte) (string, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(values, &document); err != nil {
		return "", err
	}
	if len(document.Content) != 1 || document.Content[0].Kind != yaml.MappingNode {
		return "", fmt.Errorf("want one mapping")
	}
	var b strings.Builder
	b.WriteString("| value | default | |\n|---|---|---|\n")
	if err := rows(&b, "", document.Content[0]); err != nil {
		return "", err
	}
	return b.String(), nil
}

func rows(b *strings.Builder, prefix string, mapping *yaml.Node) error {
	for i := 0; i < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		name := prefix + key.Value
		if key.HeadComment == "" {
			if value.Kind != yaml.MappingNode || len(value.Content) == 0 {
				return fmt.Errorf("%s has no comment that says what it is", name)
			}
			if err := rows(b, name+".", value); err != nil {
				return err
			}
			continue
		}
		var v any
		if err := value.Decode(&v); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		shown, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(b, "| `%s` | `%s` | %s |\n", name, shown, sentence(key.HeadComment))
	}
	return nil
}

// sentence is a comment on one line, without its marks.
func sentence(comment string) string {
	var words []string
	for line := range strings.Lines(comment) {
		words = append(words, strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "#")))
	}
	return strings.Join(words, " ")
}
