// SPDX-License-Identifier: Apache-2.0

package kindfleet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// Kit is everything that a fleet of real nodes is made of, in the user's cache folder.
type Kit struct {
	dir      string // of this version of the node
	debian   string // of what comes from Debian
	tools    tools
	binaries binaries
}

// Prepare makes sure that a kit exists: the first time it takes half an hour on two cores, and then a second. Lines of progress go to out,
// which may be nil. It needs root, the Go module proxy and Debian's packages, and must run outside of the sandbox, which has no network.
func Prepare(ctx context.Context, out io.Writer) (*Kit, error) {
	if out == nil {
		out = io.Discard
	}
	begun := time.Now()
	say := func(format string, args ...any) {
		_, _ = fmt.Fprintf(out, "%7.1fs  %s\n", time.Since(begun).Seconds(), fmt.Sprintf(format, args...))
	}
	source, err := sourceDir()
	if err != nil {
		return nil, err
	}
	k, err := newKit(source)
	if err != nil {
		return nil, err
	}
	for _, dir := range []string{k.debian, k.dir} {
		unlock, err := inUse(dir)
		if err != nil {
			return nil, err
		}
		defer unlock()
	}
	bin := filepath.Join(k.dir, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return nil, err
	}
	// Compilers are waited for meanwhile: the rest waits for the network.
	group, making := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		k.binaries, err = buildBinaries(making, say, out, source, bin)
		return err
	})
	group.Go(func() error { return k.makeDebian(making, say) })
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return k, k.makeImages(ctx, say)
}

// makeImages makes the node image, and those that run on nodes.
func (k *Kit) makeImages(ctx context.Context, say func(string, ...any)) error {
	if !exists(k.node()) {
		say("making the node image")
		if err := k.makeNode(ctx); err != nil {
			return fmt.Errorf("make the node image: %w", err)
		}
	}
	if err := k.makePodImages(ctx); err != nil {
		return err
	}
	say("everything is built")
	return nil
}

// makeDebian makes what comes from Debian.
func (k *Kit) makeDebian(ctx context.Context, say func(string, ...any)) error {
	for _, part := range []struct {
		path string
		make func() error
	}{
		{k.tools.dir, func() error { return k.once(k.tools.dir, func(dir string) error { return fetchTools(ctx, say, dir) }) }},
		{k.base(), func() error {
			return k.once(k.base(), func(root string) error { return bootstrap(ctx, say, k.tools, root) })
		}},
		{k.baseArchive(), func() error { return pack(ctx, k.base(), k.baseArchive()) }},
	} {
		if exists(part.path) {
			continue
		}
		if err := part.make(); err != nil {
			return fmt.Errorf("make %s: %w", filepath.Base(part.path), err)
		}
	}
	return nil
}

// newKit says where the kit of these sources is, or will be.
func newKit(source string) (*Kit, error) {
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	key, err := kitKey(source)
	if err != nil {
		return nil, err
	}
	k := &Kit{dir: filepath.Join(cache, "kind-"+key), debian: filepath.Join(cache, "debian-"+debianKey())}
	k.tools = tools{filepath.Join(k.debian, "tools")}
	return k, nil
}

// cacheDir is the folder of ours in the user's cache, which it makes.
func cacheDir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache folder: %w (set XDG_CACHE_HOME)", err)
	}
	cache = filepath.Join(cache, "vworkspace-fleet")
	return cache, os.MkdirAll(cache, 0o755)
}

// inUse makes a folder of the cache, marks it as used now, because the testbed removes what has not been used for long, and locks it.
func inUse(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	now := time.Now()
	if err := os.Chtimes(dir, now, now); err != nil {
		return nil, err
	}
	return lock(filepath.Join(dir, "lock"))
}

// base is the root filesystem that nodes and images take from, baseArchive the same in one file, and node the archive of the node image.
func (k *Kit) base() string        { return filepath.Join(k.debian, "base") }
func (k *Kit) baseArchive() string { return filepath.Join(k.debian, "base.tar") }
func (k *Kit) node() string        { return filepath.Join(k.dir, "node.tar") }

// once fills a folder, or leaves none.
func (k *Kit) once(dir string, fill func(dir string) error) error {
	scratch := dir + ".part"
	if err := os.RemoveAll(scratch); err != nil {
		return err
	}
	if err := os.MkdirAll(scratch, 0o755); err != nil {
		return err
	}
	if err := fill(scratch); err != nil {
		return errors.Join(err, os.RemoveAll(scratch))
	}
	return os.Rename(scratch, dir)
}

// makeNode makes the node image: the base, kind's files, programs, and in containerd's store the images of a control plane.
func (k *Kit) makeNode(ctx context.Context) error {
	root := filepath.Join(k.dir, "node.part")
	if err := os.RemoveAll(root); err != nil {
		return err
	}
	if _, err := run(ctx, command{name: "cp", args: []string{"-a", k.base(), root}}); err != nil {
		return err
	}
	if err := asKindsBase(ctx, root, k.binaries); err != nil {
		return err
	}
	images, err := controlPlaneImages(ctx, root, k.binaries)
	if err != nil {
		return err
	}
	archive := filepath.Join(k.dir, "control-plane.tar")
	if err := writeImages(ctx, archive, images); err != nil {
		return err
	}
	if err := intoStore(ctx, root, archive); err != nil {
		return err
	}
	return errors.Join(pack(ctx, root, k.node()), os.Remove(archive), os.RemoveAll(root))
}

// pack a root filesystem into an archive.
func pack(ctx context.Context, root, archive string) error {
	if _, err := run(ctx, command{name: "tar", args: []string{"-C", root, "--exclude=./dev/*", "-cf", archive + ".part", "."}}); err != nil {
		return err
	}
	return os.Rename(archive+".part", archive)
}

// controlPlaneImages are those that kubeadm asks for, by the names that it has for them.
func controlPlaneImages(ctx context.Context, root string, b binaries) ([]image, error) {
	listed, err := run(ctx, command{name: b.components["kubeadm"], args: []string{"config", "images", "list", "--kubernetes-version", kubernetesVersion}})
	if err != nil {
		return nil, err
	}
	pause, err := sandboxImage(root)
	if err != nil {
		return nil, err
	}
	binary := func(name string) map[string]string {
		return map[string]string{"usr/local/bin/" + name: b.components[name]}
	}
	parts := map[string]image{
		"kube-apiserver":          {files: binary("kube-apiserver")},
		"kube-controller-manager": {files: binary("kube-controller-manager")},
		"kube-scheduler":          {files: binary("kube-scheduler")},
		"etcd":                    {files: binary("etcd")},
		"coredns":                 {files: map[string]string{"coredns": filepath.Join(b.node, "coredns")}, entrypoint: []string{"/coredns"}},
		"kube-proxy": {
			root:  root,
			files: map[string]string{"usr/local/bin/kube-proxy": "/usr/local/bin/kube-proxy", "usr/sbin/nft": "/usr/sbin/nft"},
		},
	}
	if err := copyFile(b.components["kube-proxy"], filepath.Join(root, "usr/local/bin/kube-proxy"), 0o755); err != nil {
		return nil, err
	}
	images := []image{{name: pause, files: map[string]string{"pause": filepath.Join(b.node, "pause")}, entrypoint: []string{"/pause"}}}
	for _, ref := range strings.Fields(listed) {
		short := ref[strings.LastIndex(ref, "/")+1 : strings.LastIndex(ref, ":")]
		part, known := parts[short]
		if !known && short != "pause" {
			return nil, fmt.Errorf("kubeadm asks for image %s, which nobody makes here: see node.go", ref)
		}
		if known {
			part.name = ref
			images = append(images, part)
		}
	}
	return images, nil
}

// intoStore puts an archive of images into the containerd store of a root filesystem.
func intoStore(ctx context.Context, root, archive string) error {
	work, err := claimFolder() // whose path is short enough for a socket
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	socket := filepath.Join(work, "c.sock")
	config := fmt.Sprintf("version = 3\nroot = %q\nstate = %q\ndisabled_plugins = [\"io.containerd.cri.v1.images\", \"io.containerd.cri.v1.runtime\", "+
		"\"io.containerd.grpc.v1.cri\", \"io.containerd.nri.v1.nri\", \"io.containerd.internal.v1.opt\"]\n[grpc]\n  address = %q\n",
		filepath.Join(root, "var/lib/containerd"), filepath.Join(work, "state"), socket)
	path := filepath.Join(work, "config.toml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		return err
	}
	daemon, err := start(command{name: filepath.Join(root, "usr/local/bin/containerd"), args: []string{"--config", path}}, filepath.Join(work, "log"))
	if err != nil {
		return err
	}
	ctr := func(args ...string) error {
		_, err := run(ctx, command{name: filepath.Join(root, "usr/local/bin/ctr"), args: append([]string{"--address", socket, "--namespace", "k8s.io"}, args...)})
		return err
	}
	err = until(ctx, patience, func() error { return ctr("version") })
	if err == nil {
		err = ctr("images", "import", "--label=io.cri-containerd.pinned=pinned", "--all-platforms", "--no-unpack", archive)
	}
	return errors.Join(err, daemon.stop())
}

// kitKey names a node image by what goes into it.
func kitKey(source string) (string, error) {
	h := sha256.New()
	_, _ = fmt.Fprintln(h, debianKey())
	for _, pattern := range []string{
		"binaries.go", "workers.go", "rootfs.go", "image.go", "node.go", "podimages.go", "node/go.*", "node/*/*", "argoexec/*",
		"../testbed/components.go", "../testbed/components/go.*", "../testbed/components/*/*.go", "../../go.mod",
	} {
		files, err := filepath.Glob(filepath.Join(source, pattern))
		if err != nil {
			return "", err
		}
		for _, f := range files {
			raw, err := os.ReadFile(f)
			if err != nil {
				return "", err
			}
			_, _ = fmt.Fprintf(h, "%s %d\n%s", filepath.Base(f), len(raw), raw)
		}
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

// debianKey names what comes from Debian by the packages. Their versions are those of the day on which it was made.
func debianKey() string {
	sum := sha256.Sum256(fmt.Append(nil, hostPackages, nodePackages))
	return hex.EncodeToString(sum[:])[:16]
}

// sourceDir is this folder: the kit is built from sources.
func sourceDir() (string, error) {
	_, file, _, _ := runtime.Caller(0)
	dir := filepath.Dir(file)
	if !exists(filepath.Join(dir, "node", "go.mod")) {
		return "", errors.New("cannot find e2e/kindfleet/node: run inside the checkout of vWorkspace Fleet that this was compiled in, without -trimpath")
	}
	return dir, nil
}

// lock a file as long as this process lives, or until unlock.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	return lockFile(f)
}

func lockFile(f *os.File) (unlock func(), err error) {
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil { //nolint:gosec // a file descriptor fits
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil
}
