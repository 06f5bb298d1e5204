// SPDX-License-Identifier: Apache-2.0

package kindfleet

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	platform "vworkspace.io/fleet/deploy/image"
)

// Repository is what our own images are called in a fleet.
const Repository = "vworkspace.test"

// imagesFolder names, in the environment, the folder that the images were written to before the sandbox began.
const imagesFolder = "VWORKSPACE_KIND_IMAGES"

// PlatformImages makes the images of the hub and the agent from a checkout, as `make images` does but for this machine alone, and returns their
// archives by name. Call it before InSandbox; in the sandbox it returns what was made then. The archives go with the sandbox.
func PlatformImages(ctx context.Context, checkout, version string) (map[string]string, error) {
	out, made := os.LookupEnv(imagesFolder)
	if !made {
		var err error
		if out, err = claimFolder(); err != nil {
			return nil, err
		}
		if err := os.Setenv(imagesFolder, out); err != nil {
			return nil, err
		}
	}
	archives := map[string]string{}
	for _, p := range platform.Programs {
		archives[p.Name] = filepath.Join(out, p.Name+"-"+runtime.GOARCH+".tar")
		if made {
			continue
		}
		_, err := platform.Build(ctx, platform.Options{
			Module: checkout, Out: out, Version: version, Revision: "e2e", Source: "https://vworkspace.io/fleet", Repository: Repository,
			Created: time.Unix(1, 0), Platforms: []v1.Platform{{OS: "linux", Architecture: runtime.GOARCH}},
		}, p)
		if err != nil {
			return nil, errors.Join(err, os.RemoveAll(out))
		}
	}
	return archives, nil
}
