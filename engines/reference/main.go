// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
)

const (
	// module is the path that all our packages begin with.
	module = "vworkspace.io/fleet"
	// schemaFolder holds the schemas, and nothing else.
	schemaFolder = "deploy/schemas"
	// pageFile is the reference page.
	pageFile = "docs/reference/parameters.md"
)

func main() {
	if err := generate(); err != nil {
		fmt.Fprintln(os.Stderr, "reference:", err)
		os.Exit(1)
	}
}

// generate writes the files into the module whose root is the working directory.
func generate() error {
	files, err := render()
	if err != nil {
		return err
	}
	return write(files)
}

// write the files, and remove what nothing makes any more.
func write(files map[string][]byte) error {
	for _, folder := range []string{schemaFolder, catalogFolder} {
		if err := removeOthers(folder, files); err != nil {
			return err
		}
	}
	for file, content := range files {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// removeOthers removes from a folder what is not among the files.
func removeOthers(folder string, files map[string][]byte) error {
	there, err := filepath.Glob(folder + "/*")
	if err != nil {
		return err
	}
	for _, file := range there {
		if _, made := files[file]; made {
			continue
		}
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	return nil
}

// render is the content of every file, by its path from the root of the module.
func render() (map[string][]byte, error) {
	entries, err := list()
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, e := range entries {
		if files[e.file()], err = e.json(); err != nil {
			return nil, fmt.Errorf("%s: %w", e.file(), err)
		}
		templates, err := e.templates()
		if err != nil {
			return nil, fmt.Errorf("templates of %s: %w", e.file(), err)
		}
		maps.Copy(files, templates)
	}
	files[pageFile], err = page(entries)
	return files, err
}
