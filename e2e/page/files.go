// SPDX-License-Identifier: Apache-2.0

package page

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Files of the documentation below the root of the repository: README.md and all below docs/, as paths from there, by name.
func Files(root string) ([]string, error) {
	files := []string{"README.md"}
	err := fs.WalkDir(os.DirFS(root), "docs", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Ext(path) == ".md" {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find the pages: %w", err)
	}
	return files, nil
}
