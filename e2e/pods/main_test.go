// SPDX-License-Identifier: Apache-2.0

package pods

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	clusterv1beta1 "open-cluster-management.io/api/cluster/v1beta1"
	clusterv1beta2 "open-cluster-management.io/api/cluster/v1beta2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"vworkspace.io/fleet/e2e/kindfleet"
	"vworkspace.io/fleet/spoke"
)

const (
	// spokeCount is how many spokes the fleet has.
	spokeCount = 2
	// checkout is the root of this repository, and version what its images are tagged with.
	checkout, version = "../..", "e2e"
)

var (
	keep = flag.Bool("pods.keep", false, "keep the fleet when the tests have ended, to look at it, until this is interrupted")

	fleet *kindfleet.Fleet
	// impossible is why there is no fleet, when this machine cannot have one.
	impossible error
	scheme     = runtime.NewScheme()
)

func init() {
	utilruntime.Must(errors.Join(clientgoscheme.AddToScheme(scheme), clusterv1beta1.Install(scheme), clusterv1beta2.Install(scheme), spoke.AddToScheme(scheme)))
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
	archives, err := kindfleet.PlatformImages(ctx, checkout, version)
	if err != nil {
		return err
	}
	if err := kindfleet.InSandbox(); err != nil {
		return err
	}
	begun := time.Now()
	if fleet, err = kindfleet.Up(ctx, kit, spokeCount, os.Stderr); err != nil {
		return err
	}
	group, starting := errgroup.WithContext(ctx)
	group.Go(func() error { return fleet.StartOCM(starting) })
	group.Go(func() error { return fleet.StartEngines(starting) })
	if err := group.Wait(); err != nil {
		return err
	}
	if err := installPlatform(ctx, archives); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "the fleet is up after %s\n", time.Since(begun).Round(time.Second))
	return nil
}

// installPlatform installs our own charts, with images of this checkout.
func installPlatform(ctx context.Context, archives map[string]string) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return errors.Join(fleet.Hub.Load(archives["hub"]), fleet.Install(ctx, fleet.Hub, kindfleet.HubRelease(checkout, version)))
	})
	for _, spoke := range fleet.Spokes {
		group.Go(func() error {
			return errors.Join(spoke.Load(archives["spoke"]), fleet.Install(ctx, spoke, kindfleet.SpokeRelease(checkout, version, spoke.Name)))
		})
	}
	return group.Wait()
}

// needsFleet skips a test, and says so, on a machine that can have no fleet.
func needsFleet(t *testing.T) {
	t.Helper()
	if impossible != nil {
		t.Skip("SKIPPED:", impossible)
	}
}
