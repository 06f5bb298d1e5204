// SPDX-License-Identifier: Apache-2.0

package charts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"vworkspace.io/fleet/e2e/testbed"
)

// patience is how long the control plane may take on a machine that is busy with other things.
const patience = 3 * time.Minute

// One real API server for the tests that install.
var (
	restConfig *rest.Config
	kubeconfig string // path of an administrator's
)

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) (code int) {
	ctrllog.SetLogger(logr.Discard())
	stop, err := start(context.Background())
	defer func() {
		if err := stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot start the control plane:", err)
		return 1
	}
	return m.Run()
}

func start(ctx context.Context) (stop func() error, err error) {
	dir, err := os.MkdirTemp("", "vworkspace-charts-")
	if err != nil {
		return func() error { return nil }, err
	}
	stop = func() error { return os.RemoveAll(dir) }
	env := &envtest.Environment{ControlPlaneStartTimeout: patience, ControlPlaneStopTimeout: patience}
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		if env.BinaryAssetsDirectory, err = testbed.Assets(ctx, os.Stderr); err != nil {
			return stop, err
		}
	}
	if restConfig, err = env.Start(); err != nil {
		return stop, err
	}
	stop = func() error { return errors.Join(env.Stop(), os.RemoveAll(dir)) }
	kubeconfig = filepath.Join(dir, "kubeconfig")
	return stop, os.WriteFile(kubeconfig, env.KubeConfig, 0o600)
}
