// SPDX-License-Identifier: Apache-2.0

package pods

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	clusterv1beta1 "open-cluster-management.io/api/cluster/v1beta1"
	clusterv1beta2 "open-cluster-management.io/api/cluster/v1beta2"
	workv1 "open-cluster-management.io/api/work/v1"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"vworkspace.io/fleet/e2e/kindfleet"
	"vworkspace.io/fleet/e2e/testbed"
	"vworkspace.io/fleet/spoke"
)

const (
	// spokeCount is how many spokes the fleet has.
	spokeCount = 2
	// checkout is the root of this repository.
	checkout = "../.."
	// previous is the commit of the version before this one: what people upgrade from. Move it when a version is released.
	previous = "a70095052380d81e393c394bd546b98bc28efd9d"
)

var (
	keep = flag.Bool("pods.keep", false, "keep the fleet when the tests have ended, to look at it, until this is interrupted")

	fleet *kindfleet.Fleet
	// current is this version of the platform, and earlier the previous one; none where the checkout has no history.
	current kindfleet.Version
	earlier *kindfleet.Version
	// memory is how much less the machine had at its worst, in bytes.
	memory func() uint64
	// impossible is why there is no fleet, when this machine cannot have one.
	impossible error
	scheme     = runtime.NewScheme()
)

func init() {
	utilruntime.Must(errors.Join(clientgoscheme.AddToScheme(scheme), apiextensionsv1.AddToScheme(scheme), clusterv1.Install(scheme), clusterv1beta1.Install(scheme), clusterv1beta2.Install(scheme), workv1.Install(scheme), spoke.AddToScheme(scheme)))
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) (code int) {
	flag.Parse()
	ctrllog.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if os.Geteuid() != 0 {
		impossible = kindfleet.ErrNotRoot
		return m.Run()
	}
	if err := setUp(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "the fleet:", err)
		code = 1
	} else {
		ended := context.AfterFunc(ctx, func() { // killed: the tests would go on
			_ = fleet.Down()
			os.Exit(1)
		})
		code = m.Run()
		ended()
	}
	if fleet != nil {
		if *keep {
			fmt.Fprintf(os.Stderr, "the fleet stays until you interrupt this; go in with\n  %s\n", fleet.Enter())
			<-ctx.Done()
		}
		if err := fleet.Down(); err != nil {
			fmt.Fprintln(os.Stderr, "the fleet:", err)
			code = 1
		}
	}
	return code
}

func setUp(ctx context.Context) error {
	kit, err := kindfleet.Prepare(ctx, os.Stderr)
	if err != nil {
		return err
	}
	if current, err = kindfleet.MakeVersion(ctx, "now", checkout, os.Stderr); err != nil {
		return err
	}
	switch v, err := kindfleet.MakeVersionOf(ctx, "before", checkout, previous); {
	case err == nil:
		earlier = &v
	case !errors.Is(err, kindfleet.ErrNoCommit):
		return err
	}
	if err := kindfleet.InSandbox(); err != nil {
		return err
	}
	begun := time.Now()
	taken, err := kindfleet.WatchMemory(ctx)
	if err != nil {
		return err
	}
	memory = taken
	if fleet, err = kindfleet.Up(ctx, kit, spokeCount, os.Stderr); err != nil {
		return err
	}
	group, starting := errgroup.WithContext(ctx)
	group.Go(func() error { return fleet.StartOCM(starting) })
	group.Go(func() error { return fleet.StartEngines(starting) })
	if err := group.Wait(); err != nil {
		return err
	}
	if err := installPlatform(ctx, current); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "the fleet is up after %s\n", time.Since(begun).Round(time.Second))
	return nil
}

// installPlatform installs a version of our own charts on all clusters, or upgrades to it.
func installPlatform(ctx context.Context, v kindfleet.Version) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return installHub(ctx, v) })
	group.Go(func() error { return installAgents(ctx, v) })
	return group.Wait()
}

// installHub installs the chart and then the catalog, where the version has one.
func installHub(ctx context.Context, v kindfleet.Version) error {
	if err := tenantOnHub(ctx); err != nil {
		return err
	}
	if err := fleet.Install(ctx, fleet.Hub, v.Hub(tenant)); err != nil {
		return err
	}
	catalog := filepath.Join(v.Checkout, "deploy", "catalog")
	if _, err := os.Stat(catalog); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return testbed.ApplyFiles(ctx, fleet.Hub.Config, catalog)
}

func installAgents(ctx context.Context, v kindfleet.Version) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, spoke := range fleet.Spokes {
		group.Go(func() error { return fleet.Install(ctx, spoke, v.Spoke(spoke.Name)) })
	}
	return group.Wait()
}

// scenario is one thing that happens to a fleet.
type scenario struct {
	name string
	run  func(t *testing.T)
}

// TestFleet is what happens to a fleet, in this order. Each by itself can be chosen: -run TestFleet//velero.
func TestFleet(t *testing.T) {
	if impossible != nil {
		t.Skip("SKIPPED:", impossible)
	}
	tenantEverywhere(t)
	t.Run("at rest", inOrder(scenario{"idle", idle}, scenario{"rights", rights}))
	t.Run("at work", atOnce(scenario{"job", job}, scenario{"workflow", workflow}, scenario{"volsync", volsync}, scenario{"velero", velero}, scenario{"helm", helm}))
	t.Run("in trouble", inOrder(scenario{"away", away}, scenario{"executors die", executorsDie}))
	t.Run("changes", inOrder(scenario{"metrics", metrics}, scenario{"usage", usage}, scenario{"hosted", hostedAgents},
		scenario{"uninstall", uninstall}, scenario{"upgrade", upgrade}, scenario{"leave", leave}))
	t.Logf("at its worst the machine had %d MB of memory less than in the beginning", memory()>>20)
}

// inOrder runs scenarios one after the other: a later one finds what earlier ones have left.
func inOrder(all ...scenario) func(t *testing.T) {
	return func(t *testing.T) {
		for _, s := range all {
			t.Run(s.name, func(t *testing.T) {
				tellFailure(t)
				s.run(t)
			})
		}
	}
}

// atOnce runs scenarios that have nothing to do with each other side by side: most of their time they wait.
func atOnce(all ...scenario) func(t *testing.T) {
	return func(t *testing.T) {
		for _, s := range all {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				tellFailure(t)
				s.run(t)
			})
		}
	}
}

// tellFailure tells of a failure when the test ends: go test tells only when all have ended, and this run may be broken off.
func tellFailure(t *testing.T) {
	begun := time.Now()
	t.Cleanup(func() {
		if t.Failed() {
			_, _ = fmt.Fprintln(os.Stderr, "--- FAIL, and the others go on:", t.Name())
		} else {
			_, _ = fmt.Fprintf(os.Stderr, "%s: %s\n", t.Name(), time.Since(begun).Round(time.Second))
		}
	})
}

// everywhere does something on every spoke at once, and returns what came of it by the spokes' names.
func everywhere[T any](t *testing.T, what string, do func(t *testing.T, spoke *kindfleet.Cluster) T) map[string]T {
	t.Helper()
	var mutex sync.Mutex
	all := map[string]T{}
	if !t.Run(what, func(t *testing.T) {
		for _, spoke := range fleet.Spokes {
			t.Run(spoke.Name, func(t *testing.T) {
				t.Parallel()
				one := do(t, spoke)
				mutex.Lock()
				defer mutex.Unlock()
				all[spoke.Name] = one
			})
		}
	}) {
		t.FailNow()
	}
	return all
}
