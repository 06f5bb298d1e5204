// SPDX-License-Identifier: Apache-2.0

package kindfleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// workers are what executors run in pods: Argo's argoexec in those of a step, restic in VolSync's movers. They are compiled with the libraries of the
// testbed's components and as those are, so that little is compiled for them: with the libraries that they ask for themselves, it took as long as
// Kubernetes.
const (
	argoexecModule = "github.com/argoproj/argo-workflows/v3" // at the version of the components
	resticModule   = "github.com/restic/restic"
	// resticVersion is that of VolSync's own image (mover-restic/SOURCE_VERSIONS of its module). Debian's is too old for what VolSync asks of it.
	resticVersion = "v0.18.0"
)

// additions are files of the folder argoexec, and what they are in argoexec's module, which does not compile without them.
var additions = map[string]string{
	"signal_linux.go": "workflow/executor/osspecific/signal_linux.go",
	"labels.go.txt":   "workflow/executor/labels.go",
}

// buildWorkers builds them into a folder, in the module of the components with a go.mod of its own.
func buildWorkers(ctx context.Context, source, to string) error {
	components := filepath.Join(source, "../testbed/components")
	work := to + ".source"
	if err := errors.Join(os.RemoveAll(work), os.Mkdir(work, 0o700)); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	goMod := filepath.Join(work, "go.mod")
	if err := workersModule(ctx, source, components, goMod); err != nil {
		return err
	}
	args := []string{
		"build", "-modfile", goMod, "-mod=mod", "-buildvcs=false", "-ldflags", "-s -w", "-o", to + ".part/",
		argoexecModule + "/cmd/argoexec", resticModule + "/cmd/restic",
	}
	if _, err := run(ctx, command{name: "go", args: args, dir: components, env: []string{"GOWORK=off", "GOFLAGS=", "PWD=" + components}}); err != nil {
		return err
	}
	return os.Rename(to+".part", to)
}

// workersModule writes the go.mod of the components with the workers' modules added, its go.sum, and beside them the copy of argoexec's.
func workersModule(ctx context.Context, source, components, goMod string) error {
	work := filepath.Dir(goMod)
	argoexec, err := goTool(ctx, components, "list", "-m", "-f", "{{.Dir}}", argoexecModule)
	if err != nil {
		return err
	}
	// In a folder without a module, so that none has a say in it.
	said, err := run(ctx, command{name: "go", args: []string{"mod", "download", "-json", resticModule + "@" + resticVersion}, dir: work, env: []string{"GOWORK=off", "GOFLAGS=-mod=mod"}})
	if err != nil {
		return err
	}
	var restic struct{ Dir string }
	if err := json.Unmarshal([]byte(said), &restic); err != nil {
		return fmt.Errorf("read where restic's module is: %w", err)
	}
	copied := filepath.Join(work, "argo")
	if err := copyTree(argoexec, copied); err != nil {
		return err
	}
	for file, as := range additions {
		if err := copyFile(filepath.Join(source, "argoexec", file), filepath.Join(copied, as), 0o644); err != nil {
			return err
		}
	}
	// The checksum database does not know every module; the modules' own go.sum files do.
	if err := concatenate(filepath.Join(work, "go.sum"), filepath.Join(components, "go.sum"), filepath.Join(argoexec, "go.sum"), filepath.Join(restic.Dir, "go.sum")); err != nil {
		return err
	}
	if err := copyFile(filepath.Join(components, "go.mod"), goMod, 0o600); err != nil {
		return err
	}
	_, err = run(ctx, command{name: "go", args: []string{
		"mod", "edit", "-require", resticModule + "@" + resticVersion, "-replace", argoexecModule + "=" + copied, goMod,
	}, dir: work})
	return err
}

// concatenate files into a new one.
func concatenate(to string, from ...string) error {
	var all []byte
	for _, path := range from {
		raw, err := os.ReadFile(filepath.Clean(path))
		if err != nil {
			return err
		}
		all = append(all, raw...)
	}
	return os.WriteFile(to, all, 0o600)
}
