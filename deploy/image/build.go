// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// compile builds the program for one platform and returns the binary's path. The binary holds no path of this machine and needs no file of the
// image's: no libc, and the time zones are in it because the programs import them. The build tag for that would have every package compiled for the
// images alone.
func (o *Options) compile(ctx context.Context, p Program, platform v1.Platform) (string, error) {
	path := filepath.Join(o.work, p.Name+"-"+platform.Architecture)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags=-s -w -buildid= -X main.version="+o.Version, "-o", path, p.Package)
	cmd.Dir = o.Module
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+platform.OS, "GOARCH="+platform.Architecture, "GOFLAGS=-mod=readonly", "GOWORK=off",
		// What else changes the code that is made, whatever this machine prefers.
		"GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s for %s: %w\n%s", p.Package, platform, err, out)
	}
	return path, nil
}
