// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
)

// module is the path that all our packages begin with.
const module = "vworkspace.io/fleet"

// comments of types and fields, by package, type and field.
type comments struct {
	root string
	read map[string]map[string]string // by package
}

// newComments of the module whose root is a folder.
func newComments(root string) comments { return comments{root, map[string]map[string]string{}} }

func (c comments) ofType(t reflect.Type) (string, error) { return c.of(t, t.Name()) }

func (c comments) ofField(t reflect.Type, field string) (string, error) {
	return c.of(t, t.Name()+"."+field)
}

func (c comments) of(t reflect.Type, what string) (string, error) {
	all, ok := c.read[t.PkgPath()]
	if !ok {
		var err error
		if all, err = commentsIn(filepath.Join(c.root, strings.TrimPrefix(t.PkgPath(), module))); err != nil {
			return "", err
		}
		c.read[t.PkgPath()] = all
	}
	return all[what], nil
}

// commentsIn the Go files of a folder.
func commentsIn(folder string) (map[string]string, error) {
	names, err := fs.Glob(os.DirFS(folder), "*.go")
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for _, name := range names {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(folder, name), nil, parser.ParseComments)
		if err != nil {
			return nil, fmt.Errorf("read comments: %w", err)
		}
		for _, decl := range file.Decls {
			general, ok := decl.(*ast.GenDecl)
			if !ok || general.Tok != token.TYPE {
				continue
			}
			for _, spec := range general.Specs {
				gather(all, general, spec.(*ast.TypeSpec))
			}
		}
	}
	return all, nil
}

// gather the comments of a struct and of its fields. One above several fields is for those that it names.
func gather(all map[string]string, decl *ast.GenDecl, spec *ast.TypeSpec) {
	all[spec.Name.Name] = oneLine(decl.Doc.Text(), spec.Doc.Text())
	s, ok := spec.Type.(*ast.StructType)
	if !ok {
		return
	}
	last := ""
	for _, f := range s.Fields.List {
		own := oneLine(f.Doc.Text(), f.Comment.Text())
		if own != "" {
			last = own
		}
		for _, name := range f.Names {
			said := own
			if said == "" && strings.Contains(strings.ToLower(last), strings.ToLower(name.Name)) {
				said = last
			}
			all[spec.Name.Name+"."+name.Name] = said
		}
	}
}

func oneLine(texts ...string) string {
	return strings.Join(strings.Fields(strings.Join(texts, " ")), " ")
}
