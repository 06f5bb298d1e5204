// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/apiserver"
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

func TestMain(m *testing.M) { os.Exit(apiserver.Main(m, setUp)) }

func setUp(s *apiserver.Server) (err error) {
	apiConfig, kubeconfig, kubectlDir = s.Config, s.Kubeconfig, s.Bin
	if api, err = client.New(apiConfig, client.Options{Scheme: NewScheme()}); err != nil {
		return err
	}
	hubConfig = rest.CopyConfig(apiConfig)
	Brief(hubConfig)
	hubConfig.Impersonate.UserName = "system:serviceaccount:vworkspace-hub:vworkspace-hub"
	folder := filepath.Join("..", "deploy", "hub")
	return testbed.ApplyFiles(context.Background(), apiConfig, filepath.Join(folder, "namespace.yaml"), filepath.Join(folder, "rbac.yaml"), filepath.Join("..", "deploy", "controlplane"),
		filepath.Join("..", "deploy", "catalog"))
}

// firstWork is the ManifestWork of the first attempt on a cluster.
func firstWork(op *opsv1alpha1.Operation, cluster string) types.NamespacedName {
	return types.NamespacedName{Namespace: cluster, Name: opsv1alpha1.RunName(op.Name, op.UID)}
}
