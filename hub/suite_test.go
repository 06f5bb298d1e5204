// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/testbed"
)

// One real API server for all tests of the package. Each test has a namespace, clusters and a hub of its own.
var (
	apiConfig *rest.Config  // of an administrator
	hubConfig *rest.Config  // of the hub's ServiceAccount, with the rights in deploy/hub and deploy/controlplane, and no more
	api       client.Client // reads and writes past every cache
	// kubeconfig is an administrator's, as a file's content, and kubectlDir is where kubectl is.
	kubeconfig []byte
	kubectlDir string
)

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	ctx := context.Background()
	logf.SetLogger(logr.Discard())
	env := &envtest.Environment{ErrorIfCRDPathMissing: true}
	if kubectlDir = os.Getenv("KUBEBUILDER_ASSETS"); kubectlDir == "" {
		dir, err := testbed.Assets(ctx, os.Stderr)
		if err != nil {
			fmt.Fprintln(os.Stderr, "cannot build the control plane:", err)
			return 1
		}
		env.BinaryAssetsDirectory, kubectlDir = dir, dir
	}
	crds, err := crdFolders(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot find the CRDs:", err)
		return 1
	}
	env.CRDDirectoryPaths = crds
	// The tests delete by hand what a controller manager would, and nothing here needs etcd to be durable.
	env.ControlPlane.GetAPIServer().Configure().Set("max-requests-inflight", "3000").Set("max-mutating-requests-inflight", "1500")
	env.ControlPlane.Etcd = &envtest.Etcd{}
	env.ControlPlane.Etcd.Configure().Set("unsafe-no-fsync", "true")
	config, err := env.Start()
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot start the control plane:", err)
		return 1
	}
	defer func() { _ = env.Stop() }()
	config.QPS, config.Burst = 5000, 5000
	apiConfig, kubeconfig = config, env.KubeConfig
	if api, err = client.New(config, client.Options{Scheme: NewScheme()}); err != nil {
		fmt.Fprintln(os.Stderr, "cannot make a client:", err)
		return 1
	}
	hubConfig = rest.CopyConfig(config)
	hubConfig.Impersonate.UserName = "system:serviceaccount:vworkspace-hub:vworkspace-hub"
	folder := filepath.Join("..", "deploy", "hub")
	if err := testbed.ApplyFiles(ctx, config, filepath.Join(folder, "namespace.yaml"), filepath.Join(folder, "rbac.yaml"), filepath.Join("..", "deploy", "controlplane"),
		filepath.Join("..", "deploy", "catalog")); err != nil {
		fmt.Fprintln(os.Stderr, "cannot install what the hub may do:", err)
		return 1
	}
	return m.Run()
}

// crdFolders are ours and those of the OCM API module that go.mod names.
func crdFolders(ctx context.Context) ([]string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "open-cluster-management.io/api").Output()
	if err != nil {
		return nil, err
	}
	ocm := strings.TrimSpace(string(out))
	return []string{
		filepath.Join("..", "deploy", "crds"),
		filepath.Join(ocm, "work", "v1"), filepath.Join(ocm, "cluster", "v1"), filepath.Join(ocm, "cluster", "v1beta1"),
	}, nil
}

// firstWork is the ManifestWork of the first attempt on a cluster.
func firstWork(op *opsv1alpha1.Operation, cluster string) types.NamespacedName {
	return types.NamespacedName{Namespace: cluster, Name: opsv1alpha1.RunName(op.Name, op.UID)}
}
