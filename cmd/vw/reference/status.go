// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
)

// status that vw ends with.
type status struct{ number, meaning string }

// statusesOf a Go file: its constants Exit..., with what their comments say behind the colon.
func statusesOf(file string) ([]status, error) {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	if err != nil {
		return nil, fmt.Errorf("read the exit statuses: %w", err)
	}
	var all []status
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Exit") || len(spec.Values) != 1 {
			return true
		}
		number, ok := spec.Values[0].(*ast.BasicLit)
		if !ok {
			return true
		}
		_, meaning, _ := strings.Cut(strings.Join(strings.Fields(spec.Doc.Text()), " "), ": ")
		all = append(all, status{number.Value, meaning})
		return true
	})
	if len(all) == 0 {
		return nil, fmt.Errorf("read the exit statuses: %s has no constant Exit", file)
	}
	return all, nil
}
