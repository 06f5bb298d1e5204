// SPDX-License-Identifier: Apache-2.0

package kindfleet

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"vworkspace.io/fleet/e2e/testbed"
)

// kubernetesVersion of the nodes.
const kubernetesVersion = testbed.KubernetesVersion

// binaries are paths of programs that are built from Go modules, and of the sources of kind.
type binaries struct {
	// components are those of the testbed: Kubernetes, Open Cluster Management, the engines.
	components map[string]string
	// manifests are the folders of their YAML files.
	manifests map[string]string
	// node is the folder of those that only a node has: containerd, CNI plugins, CoreDNS.
	node string
	// workers is the folder of those that executors run in pods.
	workers string
	// kind and volsync are the folders of their modules.
	kind, volsync string
}

// onNode is where programs go on a node.
func (b binaries) onNode() map[string]string {
	at := map[string]string{}
	for dir, names := range map[string][]string{
		"usr/local/bin": {"containerd", "containerd-shim-runc-v2", "ctr"},
		"opt/cni/bin":   {"bridge", "host-local", "loopback", "portmap"},
	} {
		for _, name := range names {
			at[filepath.Join(dir, name)] = filepath.Join(b.node, name)
		}
	}
	for _, name := range []string{"kubelet", "kubeadm", "kubectl"} {
		at[filepath.Join("usr/bin", name)] = b.components[name]
	}
	return at
}

// slim leaves out of containerd what no node of this fleet has a use for, as kind does.
const slim = "no_aufs,no_zfs,no_btrfs,no_devmapper"

// buildBinaries builds what is missing.
func buildBinaries(ctx context.Context, say func(string, ...any), progress io.Writer, source, dir string) (binaries, error) {
	var b binaries
	var err error
	if b.components, b.manifests, err = testbed.NodeBinaries(ctx, progress); err != nil {
		return b, err
	}
	b.kind, err = goTool(ctx, source, "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kind")
	if err != nil {
		return b, err
	}
	if b.volsync, err = goTool(ctx, source, "list", "-m", "-f", "{{.Dir}}", "github.com/backube/volsync"); err != nil {
		return b, err
	}
	if b.workers = filepath.Join(dir, "workers"); !exists(b.workers) {
		say("building Argo's executor and restic (some minutes, the first time)")
		if err := buildWorkers(ctx, source, b.workers); err != nil {
			return b, fmt.Errorf("build Argo's executor and restic: %w", err)
		}
	}
	if b.node = filepath.Join(dir, "node"); exists(b.node) {
		return b, nil
	}
	say("building containerd, CNI plugins and CoreDNS (some minutes, the first time)")
	source = filepath.Join(source, "node")
	tools, err := goTool(ctx, source, "list", "-f", "{{.ImportPath}}", "tool")
	if err != nil {
		return b, err
	}
	args := append([]string{"build", "-buildvcs=false", "-trimpath", "-tags", slim, "-ldflags", "-s -w", "-o", b.node + ".part/"}, strings.Fields(tools)...)
	if _, err := goTool(ctx, source, append(args, "./coredns", "./pause")...); err != nil {
		return b, err
	}
	return b, os.Rename(b.node+".part", b.node)
}

// goTool runs the go tool in a module of its own, with its own settings.
func goTool(ctx context.Context, module string, args ...string) (string, error) {
	out, err := run(ctx, command{name: "go", args: args, dir: module, env: []string{"GOWORK=off", "GOFLAGS=-mod=readonly", "CGO_ENABLED=0", "PWD=" + module}})
	return strings.TrimSpace(out), err
}

// multiarch is Debian's name for this machine's architecture.
func multiarch() string {
	return map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}[runtime.GOARCH]
}
