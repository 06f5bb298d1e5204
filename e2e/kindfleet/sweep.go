// SPDX-License-Identifier: Apache-2.0

package kindfleet

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// workPrefix begins the names of a run's folder and of its control groups.
const workPrefix = "vworkspace-kind-"

// claimFolder makes the folder of a run and holds a lock in it for as long as this process lives.
func claimFolder() (string, error) {
	done, err := alone()
	if err != nil {
		return "", err
	}
	defer done()
	dir, err := os.MkdirTemp("", workPrefix)
	if err != nil {
		return "", err
	}
	unlock, err := lock(filepath.Join(dir, "lock"))
	claims = append(claims, unlock)
	return dir, err
}

// claims keep the locks: a file that nobody refers to is closed.
var claims []func()

// alone waits until nobody else on this machine makes a folder or sweeps: one that was just made is not locked yet.
// What is locked is the folder that all of them are in.
func alone() (done func(), err error) {
	f, err := os.Open(os.TempDir())
	if err != nil {
		return nil, err
	}
	return lockFile(f)
}

// sweep away what runs that were killed have left: folders that nobody holds, and control groups without processes.
func sweep() error {
	done, err := alone()
	if err != nil {
		return err
	}
	defer done()
	return errors.Join(removeFolders(filepath.Join(os.TempDir(), workPrefix+"*")), removeGroups(workPrefix+"*"))
}

// removeFolders removes folders by the pattern of their name, but for those that a run that lives holds.
func removeFolders(pattern string) error {
	folders, err := filepath.Glob(pattern)
	if err != nil {
		return err
	}
	var errs []error
	for _, dir := range folders {
		if !held(filepath.Join(dir, "lock")) {
			errs = append(errs, os.RemoveAll(dir))
		}
	}
	return errors.Join(errs...)
}

// held tells whether a live process holds a lock.
func held(path string) bool {
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	return errors.Is(syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB), syscall.EWOULDBLOCK) //nolint:gosec // a file descriptor fits
}

// removeGroups removes control groups by the pattern of their name, but for those that have processes, or a run that lives.
func removeGroups(pattern string) error {
	var all []string
	for _, where := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/*"} { // version 2, and 1
		found, err := filepath.Glob(filepath.Join(where, pattern))
		if err != nil {
			return err
		}
		all = append(all, found...)
	}
	for _, top := range all {
		if held(filepath.Join(os.TempDir(), filepath.Base(top), "lock")) {
			continue
		}
		var groups []string
		_ = filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error { // what goes meanwhile is gone
			if err == nil && d.IsDir() {
				groups = append(groups, path)
			}
			return nil
		})
		slices.Reverse(groups) // the innermost first
		for _, g := range groups {
			_ = syscall.Rmdir(g) // busy: somebody's who lives
		}
	}
	return nil
}
