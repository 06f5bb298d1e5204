// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
)

// Module is a Go module of the checkout that holds versions of programs which no fleet needs, such as the peers of a
// benchmark: its go.mod has a `tool` line for each of them. They are built like the testbed's own, into the same cache.
type Module struct {
	Path     string            // of the module's folder below the root of the checkout, with slashes
	Packages map[string]string // the main packages, by the names that the binaries shall have
	Folders  []Folder
}

// Folder is YAML of one of the module's dependencies.
type Folder struct {
	Name   string // what BuildFrom returns it by
	Module string // the dependency
	Dir    string // within it
	Files  string // pattern of the files below Dir, whose names differ; *.yaml if empty
}

// BuildFrom makes sure that a module's binaries and folders exist, and returns their paths by name. It builds them on the
// first call, with a line per binary to out, which may be nil; later calls take milliseconds.
func BuildFrom(ctx context.Context, out io.Writer, m Module) (binaries, folders map[string]string, err error) {
	var comps []component
	for _, name := range slices.Sorted(maps.Keys(m.Packages)) {
		comps = append(comps, component{name, m.Packages[name]})
	}
	var copied []manifest
	for _, f := range m.Folders {
		copied = append(copied, manifest{f.Name, f.Module, f.Dir, f.Files})
	}
	b, err := ensureFrom(ctx, newProgress(out), m.Path, nil, comps, copied)
	if err != nil {
		return nil, nil, fmt.Errorf("build what is in %s: %w", m.Path, err)
	}
	binaries, folders = map[string]string{}, map[string]string{}
	for _, c := range comps {
		binaries[c.name] = b.path(c)
	}
	for _, f := range copied {
		folders[f.name] = b.manifestDir(f)
	}
	return binaries, folders, nil
}
