// SPDX-License-Identifier: Apache-2.0

package sinks

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"vworkspace.io/fleet/e2e/testbed"
	"vworkspace.io/fleet/hub"
)

// One real API server for the tests that need one.
var (
	apiConfig *rest.Config
	api       client.Client // reads and writes past every cache
)

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	logf.SetLogger(logr.Discard())
	env := &envtest.Environment{ErrorIfCRDPathMissing: true, CRDDirectoryPaths: []string{filepath.Join("..", "..", "..", "deploy", "crds")}}
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		dir, err := testbed.Assets(context.Background(), os.Stderr)
		if err != nil {
			fmt.Fprintln(os.Stderr, "cannot build the control plane:", err)
			return 1
		}
		env.BinaryAssetsDirectory = dir
	}
	env.ControlPlane.Etcd = &envtest.Etcd{}
	env.ControlPlane.Etcd.Configure().Set("unsafe-no-fsync", "true")
	config, err := env.Start()
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot start the control plane:", err)
		return 1
	}
	defer func() { _ = env.Stop() }()
	apiConfig = config
	if api, err = client.New(config, client.Options{Scheme: hub.NewScheme()}); err != nil {
		fmt.Fprintln(os.Stderr, "cannot make a client:", err)
		return 1
	}
	return m.Run()
}
