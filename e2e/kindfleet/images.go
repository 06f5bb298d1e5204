// SPDX-License-Identifier: Apache-2.0

package kindfleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	platform "vworkspace.io/fleet/deploy/image"
)

// Repository is what our own images are called in a fleet.
const Repository = "vworkspace.test"

// imagesFolder names, in the environment, the folder that versions were written to before the sandbox began.
const imagesFolder = "VWORKSPACE_KIND_IMAGES"

// ErrNoCommit is why there is no earlier version: the checkout's history does not go back so far.
var ErrNoCommit = errors.New("the checkout does not have the commit: clone it with its history")

// Version of the platform: its charts, and images of the hub and the agent that only fleets use.
type Version struct {
	// Tag of the images.
	Tag string
	// Checkout is the root of the sources.
	Checkout string

	images string // the folder of their archives
}

// MakeVersion makes the images of a checkout, as `make images` does but for this machine alone. Call it before InSandbox; in the sandbox it returns
// what was made then. What it makes goes with the sandbox. The images' sizes go to say, which may be nil.
func MakeVersion(ctx context.Context, tag, checkout string, say io.Writer) (Version, error) {
	out, _, err := versionFolder(tag)
	if err != nil {
		return Version{}, err
	}
	v := Version{Tag: tag, Checkout: checkout, images: out}
	if exists(out) {
		return v, nil
	}
	for _, p := range platform.Programs {
		built, err := platform.Build(ctx, platform.Options{
			Module: checkout, Out: out, Version: tag, Revision: "e2e", Source: "https://vworkspace.io/fleet", Repository: Repository,
			Created: time.Unix(1, 0), Platforms: []v1.Platform{{OS: "linux", Architecture: runtime.GOARCH}},
		}, p)
		if err != nil {
			return Version{}, errors.Join(err, os.RemoveAll(out))
		}
		if say != nil {
			built.Print(say)
		}
	}
	return v, nil
}

// MakeVersionOf is MakeVersion for a commit of a repository.
func MakeVersionOf(ctx context.Context, tag, repository, commit string) (Version, error) {
	_, source, err := versionFolder(tag)
	if err != nil {
		return Version{}, err
	}
	if !exists(source) {
		_, err := run(ctx, command{name: "git", args: []string{"-C", repository, "cat-file", "-e", commit}})
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) { // also where there is no repository
			return Version{}, fmt.Errorf("%w: %s: %w", ErrNoCommit, commit, err)
		} else if err != nil {
			return Version{}, err
		}
		if err := os.MkdirAll(source, 0o755); err != nil {
			return Version{}, err
		}
		archive := source + ".tar"
		if _, err := run(ctx, command{name: "git", args: []string{"-C", repository, "archive", "--output", archive, commit}}); err != nil {
			return Version{}, err
		}
		if _, err := run(ctx, command{name: "tar", args: []string{"-C", source, "-xf", archive}}); err != nil {
			return Version{}, err
		}
	}
	return MakeVersion(ctx, tag, source, nil)
}

// versionFolder says where a version's images are, or will be, and its sources.
func versionFolder(tag string) (images, source string, err error) {
	dir, made := os.LookupEnv(imagesFolder)
	if !made {
		if dir, err = claimFolder(); err != nil {
			return "", "", err
		}
		if err := os.Setenv(imagesFolder, dir); err != nil {
			return "", "", err
		}
	}
	return filepath.Join(dir, tag+"-images"), filepath.Join(dir, tag+"-source"), nil
}

// Hub is the hub's release of this version, as a platform team installs it. A control plane may ask for Operations in a namespace, which has to be there.
func (v Version) Hub(asked string) Release {
	values := map[string]any{}
	if exists(filepath.Join(v.Checkout, "deploy/charts/hub/templates/controlplane.yaml")) {
		values["controlPlane"] = map[string]any{"enabled": true, "namespaces": []any{asked}}
	}
	return v.release("hub", HubNamespace, values)
}

// Spoke is the agent's release on a cluster, whose owner lets runs make Backups and Restores in Velero's namespace. Versions before there were profiles do so
// with the agent's own rights.
func (v Version) Spoke(cluster string) Release {
	values := map[string]any{"cluster": cluster}
	if exists(filepath.Join(v.Checkout, "deploy/charts/spoke/templates/profiles.yaml")) {
		values["profiles"] = map[string]any{"veleroNamespace": "velero"}
	}
	return v.release("spoke", AgentNamespace, values)
}

func (v Version) release(program, namespace string, values map[string]any) Release {
	values["image"] = map[string]any{"repository": Repository + "/" + program, "tag": v.Tag, "pullPolicy": "Never"}
	return Release{
		Chart: filepath.Join(v.Checkout, "deploy/charts", program), Namespace: namespace, Values: values,
		Images: filepath.Join(v.images, program+"-"+runtime.GOARCH+".tar"),
	}
}
