// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestDocumentsAreAll that a call of document, or of what calls it, names.
func TestDocumentsAreAll(t *testing.T) {
	listed := map[string]bool{}
	for _, d := range Documents() {
		listed[d.Kind] = false
	}
	names, err := fs.Glob(os.DirFS("."), "*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			for _, arg := range call.Args {
				literal, ok := arg.(*ast.BasicLit)
				if !ok || literal.Kind != token.STRING || !printsDocument(call.Fun) {
					continue
				}
				kind, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Fatal(err)
				}
				if _, ok := listed[kind]; !ok {
					t.Errorf("%s: document %q is not in Documents", name, kind)
				}
				listed[kind] = true
			}
			return true
		})
	}
	for kind, printed := range listed {
		if !printed {
			t.Errorf("nothing prints document %q", kind)
		}
	}
}

func printsDocument(fun ast.Expr) bool {
	switch f := fun.(type) {
	case *ast.Ident:
		return f.Name == "document" || f.Name == "printDocument"
	case *ast.SelectorExpr:
		return f.Sel.Name == "print"
	default:
		return false
	}
}
