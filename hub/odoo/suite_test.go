// SPDX-License-Identifier: Apache-2.0

package odoo

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/e2e/apiserver"
	"vworkspace.io/fleet/e2e/testbed"
	"vworkspace.io/fleet/hub"
)

// One real API server for all tests of the package. Each has a namespace, ControlPlanes, a Secret for each, and a hub of its own.
var (
	hubConfig *rest.Config  // of the hub's ServiceAccount, with the rights of testdata/rbac.yaml and no more
	api       client.Client // an administrator's, past every cache
)

func TestMain(m *testing.M) { os.Exit(apiserver.Main(m, setUp)) }

func setUp(s *apiserver.Server) (err error) {
	ctx := context.Background()
	if api, err = client.New(s.Config, client.Options{Scheme: hub.NewScheme()}); err != nil {
		return err
	}
	shipped := filepath.Join("..", "..", "deploy")
	if err := testbed.ApplyFiles(ctx, s.Config, filepath.Join(shipped, "hub", "namespace.yaml"), filepath.Join(shipped, "hub", "rbac.yaml"), filepath.Join(shipped, "controlplane"),
		filepath.Join(shipped, "policies", "requester.yaml"), filepath.Join("testdata", "rbac.yaml")); err != nil {
		return err
	}
	hubConfig, err = asHub(ctx, s.Config)
	return err
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
