// SPDX-License-Identifier: Apache-2.0

package addon

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	addonv1alpha1 "open-cluster-management.io/api/addon/v1alpha1"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	clusterv1beta1 "open-cluster-management.io/api/cluster/v1beta1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/testbed"
)

// patience is how long anything may take that takes seconds on an idle machine.
const patience = 5 * time.Minute

// fleet is the one fleet of this package: a hub with the add-on manager, and two clusters without engines.
var fleet *testbed.Fleet

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctrllog.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if fleet, err = testbed.Up(ctx, testbed.Options{Clusters: 2, Engines: []string{}, AddOns: true, Progress: os.Stderr, Timeout: 2 * patience}); err != nil {
		fmt.Fprintln(os.Stderr, "start the fleet:", err)
		return 1
	}
	defer func() {
		if err := fleet.Down(); err != nil {
			fmt.Fprintln(os.Stderr, "stop the fleet:", err)
		}
	}()
	return m.Run()
}

func connect(t *testing.T, c *testbed.Cluster) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, addonv1alpha1.Install, clusterv1.Install,
		clusterv1beta1.Install, appsv1alpha1.AddToScheme, opsv1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	cl, err := client.New(c.Config(), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatalf("connect to %s: %v", c.Name, err)
	}
	return cl
}

// eventually polls until ok holds; what says what was waited for, with the last that was seen.
func eventually(t *testing.T, what string, ok func(ctx context.Context) (bool, string)) {
	t.Helper()
	last := ""
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, patience, true, func(ctx context.Context) (done bool, err error) {
		done, last = ok(ctx)
		return done, nil
	})
	if err != nil {
		t.Fatalf("wait for %s: %v; last seen: %s", what, err, last)
	}
}
