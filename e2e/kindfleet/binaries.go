// SPDX-License-Identifier: Apache-2.0

package kindfleet

import (
	"context"
	"encoding/json"
	"errors"
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
	// argoexec is what Argo runs in the pods of a step, and restic what VolSync runs in a mover.
	argoexec, restic string
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
	b.argoexec, b.restic = filepath.Join(dir, "argoexec"), filepath.Join(dir, "restic")
	for _, a := range apart {
		to := filepath.Join(dir, a.name)
		if exists(to) {
			continue
		}
		say("building %s (some minutes, the first time)", a.name)
		if err := a.build(ctx, source, to); err != nil {
			return b, fmt.Errorf("build %s: %w", a.name, err)
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

// apartBinary is a program that is built in a copy of its module, with the versions that the module asks for.
type apartBinary struct {
	name    string
	module  string // with its version
	pkg     string // in the module
	missing string // a file of the folder of this package's with the binary's name, to be laid into another one of the module; none when empty
	where   string // that folder of the module
}

var apart = []apartBinary{
	{"argoexec", "github.com/argoproj/argo-workflows/v3@v3.7.14", "./cmd/argoexec", "signal_linux.go", "workflow/executor/osspecific"},
	// The version that VolSync's own image has (mover-restic/SOURCE_VERSIONS of its module). Debian's is too old for what VolSync asks of it.
	{"restic", "github.com/restic/restic@v0.18.0", "./cmd/restic", "", ""},
}

func (a apartBinary) build(ctx context.Context, source, to string) error {
	work := to + ".source"
	if err := errors.Join(os.RemoveAll(work), os.Mkdir(work, 0o700)); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	// In a folder without a module, so that none has a say in it.
	said, err := run(ctx, command{name: "go", args: []string{"mod", "download", "-json", a.module}, dir: work, env: []string{"GOWORK=off", "GOFLAGS=-mod=mod"}})
	if err != nil {
		return err
	}
	var module struct{ Dir string }
	if err := json.Unmarshal([]byte(said), &module); err != nil {
		return err
	}
	if err := copyTree(module.Dir, work); err != nil {
		return err
	}
	if a.missing != "" {
		if err := copyFile(filepath.Join(source, a.name, a.missing), filepath.Join(work, a.where, a.missing), 0o644); err != nil {
			return err
		}
	}
	if _, err := goTool(ctx, work, "build", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w", "-o", to+".part", a.pkg); err != nil {
		return err
	}
	return os.Rename(to+".part", to)
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
