// SPDX-License-Identifier: Apache-2.0

package kindfleet

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestRemoveFolders: what nobody holds goes, as after a kill, and what a run holds stays.
func TestRemoveFolders(t *testing.T) {
	dir := t.TempDir()
	left, holds := filepath.Join(dir, workPrefix+"left"), filepath.Join(dir, workPrefix+"held")
	for _, folder := range []string{left, holds} {
		if err := os.MkdirAll(filepath.Join(folder, "data"), 0o755); err != nil {
			t.Fatal(err)
		}
		unlock, err := lock(filepath.Join(folder, "lock"))
		if err != nil {
			t.Fatal(err)
		}
		if folder == left {
			unlock()
		} else {
			defer unlock()
		}
	}
	if err := removeFolders(filepath.Join(dir, workPrefix+"*")); err != nil {
		t.Fatal(err)
	}
	if exists(left) {
		t.Error("a folder that nobody holds stays")
	}
	if !exists(filepath.Join(holds, "data")) {
		t.Error("a folder that a run holds is gone")
	}
}

// TestNoCommit: a checkout without the commit, and a folder that is no checkout at all, are told from what else may go wrong.
func TestNoCommit(t *testing.T) {
	t.Setenv(imagesFolder, t.TempDir())
	empty, bare := t.TempDir(), t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "git", "-C", empty, "init", "--quiet").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, repository := range []string{empty, bare} {
		if _, err := MakeVersionOf(t.Context(), "before", repository, "a70095052380d81e393c394bd546b98bc28efd9d"); !errors.Is(err, ErrNoCommit) {
			t.Errorf("got error %v, want one that is ErrNoCommit", err)
		}
	}
}
