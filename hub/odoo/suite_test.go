// SPDX-License-Identifier: Apache-2.0

package odoo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"vworkspace.io/fleet/e2e/testbed"
	"vworkspace.io/fleet/hub"
)

// One real API server for all tests of the package. Each has a namespace, ControlPlanes, a Secret for each, and a hub of its own.
var (
	hubConfig *rest.Config  // of the hub's ServiceAccount, with the rights of testdata/rbac.yaml and no more
	api       client.Client // an administrator's, past every cache
)

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	ctx := context.Background()
	logf.SetLogger(logr.Discard())
	env := &envtest.Environment{ErrorIfCRDPathMissing: true, CRDDirectoryPaths: []string{filepath.Join("..", "..", "deploy", "crds")}}
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		dir, err := testbed.Assets(ctx, os.Stderr)
		if err != nil {
			fmt.Fprintln(os.Stderr, "cannot build the API server:", err)
			return 1
		}
		env.BinaryAssetsDirectory = dir
	}
	env.ControlPlane.Etcd = &envtest.Etcd{}
	env.ControlPlane.Etcd.Configure().Set("unsafe-no-fsync", "true")
	config, err := env.Start()
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot start the API server:", err)
		return 1
	}
	defer func() { _ = env.Stop() }()
	config.QPS, config.Burst = 5000, 5000
	if api, err = client.New(config, client.Options{Scheme: hub.NewScheme()}); err != nil {
		fmt.Fprintln(os.Stderr, "cannot make a client:", err)
		return 1
	}
	shipped := filepath.Join("..", "..", "deploy")
	if err := testbed.ApplyFiles(ctx, config, filepath.Join(shipped, "hub", "namespace.yaml"), filepath.Join(shipped, "hub", "rbac.yaml"), filepath.Join(shipped, "controlplane"),
		filepath.Join(shipped, "policies", "requester.yaml"), filepath.Join("testdata", "rbac.yaml")); err != nil {
		fmt.Fprintln(os.Stderr, "cannot install what the hub may do:", err)
		return 1
	}
	if hubConfig, err = asHub(ctx, config); err != nil {
		fmt.Fprintln(os.Stderr, "cannot be the hub:", err)
		return 1
	}
	return m.Run()
}

// asHub is a config of the hub's ServiceAccount by a token of its own: the hub impersonates others, so that nobody can impersonate it here.
func asHub(ctx context.Context, config *rest.Config) (*rest.Config, error) {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: hubNamespace, Name: "vworkspace-hub"}}
	token := &authenticationv1.TokenRequest{}
	if err := api.SubResource("token").Create(ctx, account, token); err != nil {
		return nil, err
	}
	mine := rest.AnonymousClientConfig(config)
	mine.BearerToken, mine.QPS, mine.Burst = token.Status.Token, config.QPS, config.Burst
	return mine, nil
}
