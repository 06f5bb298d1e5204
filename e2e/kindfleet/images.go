// SPDX-License-Identifier: Apache-2.0

package kindfleet

import (
	"context"
	"path/filepath"
	"runtime"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	platform "vworkspace.io/fleet/deploy/image"
)

// Repository is what our own images are called in a fleet.
const Repository = "vworkspace.test"

// PlatformImages makes the images of the hub and the agent from a checkout, as `make images` does but for this machine alone, and returns their
// archives by name. Call it outside of the sandbox.
func PlatformImages(ctx context.Context, checkout, version, out string) (map[string]string, error) {
	archives := map[string]string{}
	for _, p := range platform.Programs {
		_, err := platform.Build(ctx, platform.Options{
			Module: checkout, Out: out, Version: version, Revision: "e2e", Source: "https://vworkspace.io/fleet", Repository: Repository,
			Created: time.Unix(1, 0), Platforms: []v1.Platform{{OS: "linux", Architecture: runtime.GOARCH}},
		}, p)
		if err != nil {
			return nil, err
		}
		archives[p.Name] = filepath.Join(out, p.Name+"-"+runtime.GOARCH+".tar")
	}
	return archives, nil
}
