// SPDX-License-Identifier: Apache-2.0

package kindfleet

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// nodePackages are what kind's base image takes from Debian, and what images of this fleet take: a shell and small tools.
var nodePackages = []string{
	"systemd", "systemd-sysv", "conntrack", "iptables", "nftables", "iproute2", "ethtool", "util-linux", "mount", "kmod", "libseccomp2", "pigz", "bash",
	"ca-certificates", "curl", "jq", "procps", "e2fsprogs", "runc", "busybox-static",
}

// bootstrap makes a root filesystem of the packages.
func bootstrap(ctx context.Context, say func(string, ...any), t tools, root string) error {
	url, suite, err := mirror(ctx)
	if err != nil {
		return err
	}
	say("making a root filesystem of Debian %s (%d packages and what they need)", suite, len(nodePackages))
	// What it mounts goes with its namespace, also when it is broken off.
	_, err = run(ctx, command{name: "unshare", env: t.environment(), args: []string{
		"--mount", "--propagation", "private", t.path("debootstrap"), "--variant=minbase", "--include=" + strings.Join(nodePackages, ","), suite, root, url,
	}})
	if err != nil {
		return err
	}
	return clean(root, "var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale", "var/log")
}

// clean folders of a root filesystem.
func clean(root string, folders ...string) error {
	for _, folder := range folders {
		entries, err := os.ReadDir(filepath.Join(root, folder))
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := os.RemoveAll(filepath.Join(root, folder, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// idleUnits are what systemd would start and a node has no use for, as in kind's base image.
var idleUnits = []string{
	"lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service", "lib/systemd/system/multi-user.target.wants/*",
	"lib/systemd/system/local-fs.target.wants/*", "lib/systemd/system/basic.target.wants/*", "lib/systemd/system/sockets.target.wants/*udev*",
	"lib/systemd/system/sockets.target.wants/*initctl*", "etc/systemd/system/*.wants/*",
}

// asKindsBase makes of a root filesystem what kind's base image is: its files, its units, and programs.
func asKindsBase(ctx context.Context, root string, b binaries) error {
	files := filepath.Join(b.kind, "images/base/files")
	if err := copyTree(files, root); err != nil {
		return err
	}
	for _, pattern := range idleUnits {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return err
		}
		for _, f := range found {
			if err := os.Remove(f); err != nil {
				return err
			}
		}
	}
	for _, f := range []string{"usr/local/bin/entrypoint", "kind/bin/create-kubelet-cgroup-v2.sh", "kind/bin/mount-product-files.sh", "kind/bin/undo-mount-hacks.sh"} {
		if err := os.Chmod(filepath.Join(root, f), 0o755); err != nil {
			return err
		}
	}
	for to, from := range b.onNode() {
		if err := copyFile(from, filepath.Join(root, to), 0o755); err != nil {
			return err
		}
	}
	if err := configure(ctx, root); err != nil {
		return err
	}
	for _, args := range [][]string{{"enable", "kubelet.service", "containerd.service", "undo-mount-hacks.service"}, {"mask", "systemd-binfmt.service"}} {
		if _, err := run(ctx, command{name: "chroot", args: append([]string{root, "systemctl", "-q"}, args...)}); err != nil {
			return err
		}
	}
	return nil
}

// bridge is the network of the pods of one node; kind's own plugin is for clusters of several.
const bridge = `{"cniVersion": "1.0.0", "name": "bridge", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}
]}
`

// configure writes the settings that kind's Dockerfile makes while it builds.
func configure(ctx context.Context, root string) error {
	for _, dir := range []string{"etc/kubernetes/manifests", "etc/cni/net.d", "kind/manifests"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	spec, err := run(ctx, command{name: "chroot", args: []string{root, "sh", "-c",
		`ctr oci spec | jq '.hooks.createContainer = [{"path": "/kind/bin/mount-product-files.sh"}] | del(.process.rlimits)'`}})
	if err != nil {
		return err
	}
	for name, content := range map[string]string{
		"etc/containerd/cri-base.json": spec, "etc/cni/net.d/10-bridge.conflist": bridge, "kind/version": kubernetesVersion,
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o644); err != nil { //nolint:gosec // not secret, and read by everybody on the node
			return err
		}
	}
	// Without CAP_SYS_RESOURCE nothing gets an oom_score_adj below containerd's own.
	return edit(filepath.Join(root, "etc/containerd/config.toml"), "restrict_oom_score_adj = false", "restrict_oom_score_adj = true")
}

// sandboxImage is the name that kind's containerd expects of the pause image.
func sandboxImage(root string) (string, error) {
	raw, err := os.ReadFile(filepath.Join(root, "etc/containerd/config.toml"))
	if err != nil {
		return "", err
	}
	found := regexp.MustCompile(`sandbox_image = "([^"]+)"`).FindSubmatch(raw)
	if found == nil {
		return "", fmt.Errorf("no sandbox_image in kind's containerd configuration: its layout has changed, see rootfs.go")
	}
	return string(found[1]), nil
}

// edit replaces a text in a file, which has to be there.
func edit(path, old, text string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !strings.Contains(string(raw), old) {
		return fmt.Errorf("no %q in %s: kind's base image has changed, see rootfs.go", old, path)
	}
	return os.WriteFile(path, []byte(strings.ReplaceAll(string(raw), old, text)), 0o644) //nolint:gosec // read by everybody on the node
}

// copyTree copies the files of a folder over those of another.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		return copyFile(path, filepath.Join(to, rel), 0o644)
	})
}

func copyFile(from, to string, mode fs.FileMode) error {
	raw, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, raw, mode)
}
