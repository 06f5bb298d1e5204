// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// typeOf names a type as people say it, with the bounds of its values.
func typeOf(s *apiextensionsv1.JSONSchemaProps) string {
	switch {
	case len(s.Enum) > 0:
		values := make([]string, len(s.Enum))
		for i, v := range s.Enum {
			values[i] = "`" + strings.Trim(string(v.Raw), `"`) + "`"
		}
		return strings.Join(values, ", ")
	case s.XIntOrString:
		return "whole number or percentage"
	case s.Type == "array" && s.Items != nil && s.Items.Schema != nil:
		return "list of " + several(typeOf(s.Items.Schema)) + between(s.MinItems, s.MaxItems, "")
	case s.Type == "object" && s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil:
		return several(typeOf(s.AdditionalProperties.Schema)) + " by name"
	case s.Type == "boolean":
		return "true or false"
	case s.Type == "integer":
		return "whole number" + bounds(s)
	case s.Type == "string":
		return text(s)
	default:
		return s.Type
	}
}

// text is a string, with its format, length and pattern.
func text(s *apiextensionsv1.JSONSchemaProps) string {
	name := "text"
	if s.Format == "date-time" {
		name = "time"
	} else if s.Format != "" {
		name = s.Format
	}
	name += between(s.MinLength, s.MaxLength, " characters")
	if s.Pattern != "" {
		name += ", `" + strings.ReplaceAll(s.Pattern, "|", `\|`) + "`"
	}
	return name
}

func several(name string) string {
	if name == "object" {
		return "objects"
	}
	return name
}

func bounds(s *apiextensionsv1.JSONSchemaProps) string {
	switch {
	case s.Minimum != nil && s.Maximum != nil:
		return fmt.Sprintf(", %v to %v", *s.Minimum, *s.Maximum)
	case s.Minimum != nil:
		return fmt.Sprintf(", %v or more", *s.Minimum)
	case s.Maximum != nil:
		return fmt.Sprintf(", at most %v", *s.Maximum)
	default:
		return ""
	}
}

// between bounds of a length; one alone says little about the lower one when that is nought.
func between(least, most *int64, of string) string {
	switch {
	case least != nil && *least > 1 && most != nil:
		return fmt.Sprintf(", %d to %d%s", *least, *most, of)
	case most != nil:
		return fmt.Sprintf(", at most %d%s", *most, of)
	case least != nil && *least > 0:
		return fmt.Sprintf(", at least %d%s", *least, of)
	default:
		return ""
	}
}
