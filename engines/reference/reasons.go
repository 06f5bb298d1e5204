// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"vworkspace.io/fleet/engines"
)

// reason that an Operation can report, as its constant's comment explains it.
type reason struct {
	constant, word, meaning string
}

// vocabulary is what the source of a package, and of the packages in engines/ that it builds on, says of reasons.
type vocabulary struct {
	// own reasons, in the order of the source.
	own []reason
	// shared are the constants of api/ops that it names.
	shared map[string]bool
	read   map[string]bool
}

// reasonsOf an engine: its own ones, and the shared ones that it gives.
func reasonsOf(engine engines.Engine) (own, shared []reason, err error) {
	v := &vocabulary{shared: map[string]bool{}, read: map[string]bool{}}
	if err := v.add(reflect.TypeOf(engine).PkgPath()); err != nil {
		return nil, nil, err
	}
	api := &vocabulary{shared: map[string]bool{}, read: map[string]bool{}}
	if err := api.add(module + "/api/ops/v1alpha1"); err != nil {
		return nil, nil, err
	}
	for _, r := range append(slices.Clone(v.own), api.own...) {
		if r.meaning == "" {
			return nil, nil, fmt.Errorf("%s of engine %s has no doc comment", r.constant, engine.Name())
		}
	}
	shared = slices.DeleteFunc(api.own, func(r reason) bool { return !v.shared[r.constant] })
	if len(v.own) == 0 || len(shared) < len(v.shared) {
		return nil, nil, fmt.Errorf("the source of engine %s has %d reasons of its own; of the shared ones %v only %d are explained",
			engine.Name(), len(v.own), slices.Sorted(maps.Keys(v.shared)), len(shared))
	}
	return v.own, shared, nil
}

// add reads a package of ours, below the working directory.
func (v *vocabulary) add(pkg string) error {
	if v.read[pkg] {
		return nil
	}
	v.read[pkg] = true
	files, err := filepath.Glob(strings.TrimPrefix(pkg, module+"/") + "/*.go")
	if err != nil {
		return err
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		if err := v.addFile(file); err != nil {
			return err
		}
	}
	return nil
}

func (v *vocabulary) addFile(file *ast.File) error {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			v.addConstant(n)
		case *ast.SelectorExpr:
			if from, ok := n.X.(*ast.Ident); ok && from.Name == "opsv1alpha1" && strings.HasPrefix(n.Sel.Name, "Reason") {
				v.shared[n.Sel.Name] = true
			}
		}
		return true
	})
	for _, i := range file.Imports {
		if pkg, err := strconv.Unquote(i.Path.Value); err == nil && strings.HasPrefix(pkg+"/", module+"/engines/") {
			if err := v.add(pkg); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *vocabulary) addConstant(spec *ast.ValueSpec) {
	if len(spec.Names) != 1 || len(spec.Values) != 1 || !strings.HasPrefix(spec.Names[0].Name, "Reason") {
		return
	}
	value, ok := spec.Values[0].(*ast.BasicLit)
	if !ok {
		return
	}
	word, err := strconv.Unquote(value.Value)
	if err != nil {
		return
	}
	name := spec.Names[0].Name
	meaning := strings.TrimPrefix(strings.Join(strings.Fields(spec.Doc.Text()), " "), name+": ")
	v.own = append(v.own, reason{constant: name, word: word, meaning: meaning})
}
