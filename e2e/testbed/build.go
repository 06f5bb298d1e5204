// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"
)

// binaries is a complete set of components: a folder of the cache, and what KUBEBUILDER_ASSETS provides instead.
type binaries struct {
	dir      string
	provided map[string]string // component name -> path
}

func (b *binaries) path(c component) string {
	if p, ok := b.provided[c.name]; ok {
		return p
	}
	return filepath.Join(b.dir, "bin", c.name)
}

func (b *binaries) manifestDir(m manifest) string {
	return filepath.Join(b.dir, "manifests", m.name)
}

// missing lists what is neither provided nor in the cache.
func (b *binaries) missing(want []component, manifests []manifest) (comps []component, mans []manifest) {
	for _, c := range want {
		if _, err := os.Stat(b.path(c)); err != nil {
			comps = append(comps, c)
		}
	}
	for _, m := range manifests {
		if _, err := os.Stat(b.manifestDir(m)); err != nil {
			mans = append(mans, m)
		}
	}
	return comps, mans
}

// ensure returns binaries that hold everything asked for, and builds what is missing. Two runs at the same time
// build once: the second waits for the first.
func ensure(ctx context.Context, p *progress, provided map[string]string, want []component, manifests []manifest) (*binaries, error) {
	return ensureFrom(ctx, p, componentsModule, provided, want, manifests)
}

// ensureFrom is ensure for components of any module of the checkout. All share one cache; each module has entries of its own there.
func ensureFrom(
	ctx context.Context, p *progress, modulePath string, provided map[string]string, want []component, manifests []manifest,
) (*binaries, error) {
	module, err := moduleDir(modulePath)
	if err != nil {
		return nil, err
	}
	toolchain, err := goOutput(ctx, module, "env", "GOVERSION", "GOOS", "GOARCH")
	if err != nil {
		return nil, err
	}
	key, err := cacheKey(module, toolchain, linkFlags())
	if err != nil {
		return nil, err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("find the cache folder: %w (set XDG_CACHE_HOME)", err)
	}
	b := &binaries{dir: filepath.Join(cache, "vworkspace-fleet", key), provided: provided}
	if comps, mans := b.missing(want, manifests); len(comps)+len(mans) == 0 {
		b.tidy(p)
		return b, nil
	}
	unlock, err := lockFile(ctx, b.dir+".lock", func() { p.say("waiting for another run that builds the components") })
	if err != nil {
		return nil, err
	}
	defer unlock()
	comps, mans := b.missing(want, manifests)
	if err := b.fill(ctx, p, module, comps, mans); err != nil {
		return nil, err
	}
	b.tidy(p)
	return b, nil
}

// tidy removes old entries of the cache. A cache that cannot be written, in a container for instance, still serves.
func (b *binaries) tidy(p *progress) {
	if err := prune(b.dir, time.Now()); err != nil {
		p.say("old binaries stay in the cache: %v", err)
	}
}

// fill builds into a scratch folder beside the cache and moves finished files in, so that whatever is in the cache
// is whole.
func (b *binaries) fill(ctx context.Context, p *progress, module string, comps []component, mans []manifest) (err error) {
	scratch := fmt.Sprintf("%s.%d.tmp", b.dir, os.Getpid())
	if err := os.MkdirAll(scratch, 0o755); err != nil {
		return fmt.Errorf("create the build folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	for _, dir := range []string{"bin", "manifests"} {
		if err := os.MkdirAll(filepath.Join(b.dir, dir), 0o755); err != nil {
			return fmt.Errorf("create the cache folder: %w", err)
		}
	}
	start := time.Now()
	if len(comps) > 0 {
		if err := goBuild(ctx, p, module, scratch, comps); err != nil {
			return err
		}
		for _, c := range comps {
			if err := os.Rename(filepath.Join(scratch, c.output()), filepath.Join(b.dir, "bin", c.name)); err != nil {
				return fmt.Errorf("keep %s: %w", c.name, err)
			}
		}
		p.say("%d components built in %s", len(comps), seconds(start))
	}
	for _, m := range mans {
		if err := copyManifests(ctx, module, m, filepath.Join(scratch, m.name), b.manifestDir(m)); err != nil {
			return err
		}
	}
	return nil
}

// providedBy returns the components that a folder of ready binaries holds (KUBEBUILDER_ASSETS).
func providedBy(dir string, want []component) map[string]string {
	provided := map[string]string{}
	if dir == "" {
		return provided
	}
	for _, c := range want {
		path := filepath.Join(dir, c.name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			provided[c.name] = path
		}
	}
	return provided
}

// copyManifests copies a dependency's YAML out of the module cache, so that a warm start needs neither.
func copyManifests(ctx context.Context, module string, m manifest, scratch, to string) error {
	root, err := goOutput(ctx, module, "list", "-m", "-f", "{{.Dir}}", m.module)
	if err != nil {
		return err
	}
	if root == "" { // known, but not downloaded: its binary was provided
		if _, err := goOutput(ctx, module, "mod", "download", m.module); err != nil {
			return err
		}
		if root, err = goOutput(ctx, module, "list", "-m", "-f", "{{.Dir}}", m.module); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(scratch, 0o755); err != nil {
		return err
	}
	files, err := fs.Glob(os.DirFS(filepath.Join(root, m.dir)), cmp.Or(m.files, "*.yaml"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no manifests in %s of module %s: its layout changed", m.dir, m.module)
	}
	for _, name := range files {
		data, err := os.ReadFile(filepath.Join(root, m.dir, name))
		if err != nil {
			return fmt.Errorf("read the manifests of %s: %w", m.name, err)
		}
		if err := os.WriteFile(filepath.Join(scratch, path.Base(name)), data, 0o644); err != nil {
			return fmt.Errorf("copy the manifests of %s: %w", m.name, err)
		}
	}
	return os.Rename(scratch, to)
}
