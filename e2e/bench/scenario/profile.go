// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"vworkspace.io/fleet/e2e/bench/arms"
)

// profiled is how long processor time is sampled.
const profiled = 30 * time.Second

// profile keeps profiles of an arm in a folder, under a name: of the processor while do runs, for half a minute at most, and after it of the heap and of
// contended locks. Without a folder, or of an arm that serves none, it only runs do.
func profile(ctx context.Context, arm arms.Arm, dir, name string, do func(context.Context) error) error {
	p, ok := arm.(arms.Profiled)
	if !ok || dir == "" {
		return do(ctx)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	sampled := make(chan error, 1)
	go func() {
		sampled <- fetch(ctx, p.ProfilesAt(), fmt.Sprintf("profile?seconds=%d", int(profiled.Seconds())), filepath.Join(dir, name+"-cpu.pprof"))
	}()
	if err := do(ctx); err != nil {
		return err
	}
	return errors.Join(
		fetch(ctx, p.ProfilesAt(), "heap?gc=1", filepath.Join(dir, name+"-heap.pprof")),
		fetch(ctx, p.ProfilesAt(), "mutex", filepath.Join(dir, name+"-mutex.pprof")),
		<-sampled)
}

func fetch(ctx context.Context, address, what, file string) (err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/debug/pprof/"+what, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("profile %s: %s", what, response.Status)
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, response.Body)
	return errors.Join(err, out.Close())
}
