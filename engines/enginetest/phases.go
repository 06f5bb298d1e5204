// SPDX-License-Identifier: Apache-2.0

package enginetest

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Phases are the values of the string constants of a type, as its package's source declares them: a test that walks through them fails
// when the executor's API gains a phase that the engine has no word for. The package is found in the version that this module uses.
func Phases(t testing.TB, importPath, typeName string) []string {
	t.Helper()
	pkg, err := build.Default.Import(importPath, ".", 0)
	if err != nil {
		t.Fatalf("find the source of %s: %v", importPath, err)
	}
	var values []string
	for _, name := range pkg.GoFiles {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(pkg.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			if d, ok := decl.(*ast.GenDecl); ok && d.Tok == token.CONST {
				values = append(values, constantsOf(d, typeName)...)
			}
		}
	}
	if len(values) == 0 {
		t.Fatalf("%s declares no string constants of type %s", importPath, typeName)
	}
	return values
}

// constantsOf finds NAME TypeName = "value" and NAME = TypeName("value"). The value may be a concatenation of literals.
func constantsOf(d *ast.GenDecl, typeName string) []string {
	var values []string
	for _, spec := range d.Specs {
		s, ok := spec.(*ast.ValueSpec)
		if !ok {
			continue
		}
		typed := isIdent(s.Type, typeName)
		for _, v := range s.Values {
			call, converted := v.(*ast.CallExpr)
			if converted && isIdent(call.Fun, typeName) && len(call.Args) == 1 {
				v = call.Args[0]
			} else if !typed {
				continue
			}
			if text, ok := literal(v); ok {
				values = append(values, text)
			}
		}
	}
	return values
}

func isIdent(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}

func literal(e ast.Expr) (string, bool) {
	b, ok := e.(*ast.BasicLit)
	if !ok || b.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(b.Value)
	return strings.TrimSpace(text), err == nil
}
