// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"reflect"
	"strings"

	"vworkspace.io/fleet/cmd/vw/cli"
)

// writeDocuments as tables of their fields. What each says is the comment of its Go field.
func writeDocuments(out *strings.Builder, documents []cli.Document, said comments) error {
	fmt.Fprintf(out, "## Documents\n\nWhat is no object of the API is printed by `-o json` and `-o yaml` as a document, `apiVersion: %s`. It grows, and no field goes away. `a[].b` is the field b\n"+
		"of every object in the list a.\n", cli.DocumentVersion)
	printed := map[reflect.Type]string{}
	for _, d := range documents {
		t := reflect.TypeOf(d.Of)
		fmt.Fprintf(out, "\n### %s\n\nOf `%s`. ", d.Kind, d.Command)
		if like, ok := printed[t]; ok {
			fmt.Fprintf(out, "The same fields as [%s](#%s).\n", like, strings.ToLower(like))
			continue
		}
		printed[t] = d.Kind
		text, err := said.ofType(t)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s\n\n| field | type | |\n|---|---|---|\n", escape(text))
		if err := writeDocumentFields(out, t, "", said, nil); err != nil {
			return err
		}
	}
	return nil
}

// writeDocumentFields of a struct, each followed by those in it, but for what it is in already.
func writeDocumentFields(out *strings.Builder, t reflect.Type, parent string, said comments, within []reflect.Type) error {
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" || !f.IsExported() {
			continue
		}
		below, suffix := element(f.Type)
		if name == "" && f.Anonymous {
			if err := writeDocumentFields(out, below, parent, said, within); err != nil {
				return err
			}
			continue
		}
		text, err := said.ofField(t, f.Name)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "| `%s%s` | %s | %s |\n", parent, name, kindOf(f.Type), escape(text))
		if !ours(below) || contains(within, below) || below == t {
			continue
		}
		if err := writeDocumentFields(out, below, parent+name+suffix+".", said, append(within, t)); err != nil {
			return err
		}
	}
	return nil
}

func contains(types []reflect.Type, t reflect.Type) bool {
	for _, w := range types {
		if w == t {
			return true
		}
	}
	return false
}

// element of a pointer, a list or a map, and what stands for it in a path.
func element(t reflect.Type) (reflect.Type, string) {
	suffix := ""
	for {
		switch t.Kind() {
		case reflect.Pointer:
		case reflect.Slice, reflect.Array:
			suffix += "[]"
		case reflect.Map:
			suffix += "{}"
		default:
			return t, suffix
		}
		t = t.Elem()
	}
}

// ours tells whether a struct is vw's own, and not the API's, Kubernetes' or Go's, which have references of their own.
func ours(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && strings.HasPrefix(t.PkgPath(), module+"/cmd/vw/")
}

// kindOf a field, as people say it.
func kindOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return kindOf(t.Elem())
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return "text"
		}
		return "list of " + several(kindOf(t.Elem()))
	case reflect.Map:
		return several(kindOf(t.Elem())) + " by name"
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "text"
	case reflect.Struct:
		if t.String() == "time.Time" || t.String() == "v1.Time" {
			return "time"
		}
		if !ours(t) {
			return "`" + t.Name() + "`"
		}
		return "object"
	case reflect.Interface:
		return "any"
	default:
		return "number"
	}
}

func several(kind string) string {
	switch kind {
	case "object", "number":
		return kind + "s"
	default:
		return kind
	}
}
