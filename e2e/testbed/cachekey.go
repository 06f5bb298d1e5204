// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// cacheKey names a set of binaries by what goes into it: the components module's go.mod, go.sum and Go files, the
// toolchain, and the link flags. Change any of them and the binaries are built anew; nothing else does.
func cacheKey(moduleDir, toolchain, flags string) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "toolchain %q\nflags %q\n", toolchain, flags)
	err := filepath.WalkDir(moduleDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !isBuildInput(d.Name()) {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(moduleDir, path)
		if err != nil {
			return err
		}
		// Length-prefixed, so that no two trees hash alike by moving bytes between files.
		fmt.Fprintf(h, "file %q %d\n", filepath.ToSlash(rel), len(data))
		h.Write(data)
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("hash the components module: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

func isBuildInput(name string) bool {
	return name == "go.mod" || name == "go.sum" || strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go")
}
