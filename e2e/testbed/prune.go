// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// keepUnused is how long binaries that no run asks for stay in the cache: long enough to go back to another branch.
const keepUnused = 14 * 24 * time.Hour

// prune marks one entry of the cache as used now and removes those that have not been used for a while. Each takes
// 0.8 GB, and every change of the components module makes a new one.
func prune(used string, now time.Time) error {
	if err := os.Chtimes(used, now, now); err != nil {
		return fmt.Errorf("mark the cached binaries as used: %w", err)
	}
	entries, err := os.ReadDir(filepath.Dir(used))
	if err != nil {
		return fmt.Errorf("look for old binaries: %w", err)
	}
	var errs []error
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || now.Sub(info.ModTime()) < keepUnused || e.Name() == filepath.Base(used)+".lock" {
			continue // gone, in use, or ours
		}
		errs = append(errs, os.RemoveAll(filepath.Join(filepath.Dir(used), e.Name())))
	}
	return errors.Join(errs...)
}
