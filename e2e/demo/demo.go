// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	clusterv1beta1 "open-cluster-management.io/api/cluster/v1beta1"
	workv1 "open-cluster-management.io/api/work/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/install"
	"vworkspace.io/fleet/e2e/testbed"
)

const (
	installedWithin = 3 * time.Minute
	endedWithin     = 5 * time.Minute
)

// MinClusters are a canary, one that fails after it, and one that is held back.
const MinClusters = 3

// Options of a demo.
type Options struct {
	// Clusters is the number of spokes, at least MinClusters; 3 when 0.
	Clusters int
	// GRPC is how many of them, the last ones, reach the hub by Open Cluster Management's gRPC server instead of its API server.
	GRPC int
	// Dir holds kubeconfigs and logs; a temporary folder, gone at the end, when empty.
	Dir string
	// Screen shows how it goes on.
	Screen *Screen
}

// platformManifest holds the shops' namespace on a spoke, and hubManifest that on the hub.
//
//go:embed platform.yaml
var platformManifest []byte

//go:embed hub.yaml
var hubManifest []byte

// Demo is a fleet with vWorkspace Fleet on it.
type Demo struct {
	// Fleet of real control planes.
	Fleet *testbed.Fleet
	// Installed processes of vWorkspace Fleet.
	Installed *install.Installation
	// Hub talks to the hub, and so does everything that the demo asks for.
	Hub client.Client

	odoo   *odoo // once it is connected
	screen *Screen
	bin    string // our binaries, kept until the end: a process may be restarted
}

// Scheme knows every kind that a person meets on the hub.
func Scheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, appsv1alpha1.AddToScheme, opsv1alpha1.AddToScheme,
		workv1.Install, clusterv1.Install, clusterv1beta1.Install,
	} {
		if err := add(scheme); err != nil {
			panic(err) // only a kind registered twice fails, and that is a bug of this list
		}
	}
	return scheme
}

// Start brings a fleet up and installs vWorkspace Fleet and six shops on it, through the hub. Down ends it.
func Start(ctx context.Context, o Options) (*Demo, error) {
	if o.Clusters == 0 {
		o.Clusters = 3
	}
	d := &Demo{screen: o.Screen}
	d.screen.Heading("A hub and %d clusters: real control planes, Open Cluster Management, Flux, Velero, Argo and VolSync, as processes on loopback. Pods are simulated (KWOK).", o.Clusters)
	var err error
	if d.bin, err = os.MkdirTemp("", "vw-demo-bin-"); err != nil {
		return nil, fmt.Errorf("make a folder for binaries: %w", err)
	}
	hub, spoke, err := d.bringUp(ctx, o)
	if err != nil {
		return nil, errors.Join(err, d.Down())
	}
	if err := d.install(ctx, hub, spoke); err != nil {
		return nil, errors.Join(err, d.Down())
	}
	return d, nil
}

// bringUp starts the fleet and, beside it, builds our own binaries.
func (d *Demo) bringUp(ctx context.Context, o Options) (hub, spoke string, err error) {
	charts, remove, err := unpackCharts()
	if err != nil {
		return "", "", err
	}
	defer remove()
	group, ctx2 := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		hub, spoke, err = install.Binaries(ctx2, d.bin)
		return err
	})
	// The fleet outlives this function, so it must not be tied to the group's context.
	d.Fleet, err = testbed.Up(ctx, testbed.Options{Dir: o.Dir, Clusters: o.Clusters, GRPC: o.GRPC, Charts: []string{filepath.Join(charts, "charts")}, Progress: d.screen})
	return hub, spoke, errors.Join(err, group.Wait())
}

func (d *Demo) install(ctx context.Context, hub, spoke string) (err error) {
	if d.Hub, err = client.New(d.Fleet.Hub.Config(), client.Options{Scheme: Scheme()}); err != nil {
		return fmt.Errorf("connect to the hub: %w", err)
	}
	d.screen.Heading("Install vWorkspace Fleet: CRDs and rights, one hub controller, one agent per cluster")
	if d.Installed, err = install.Install(ctx, d.Fleet, hub, spoke); err != nil {
		return err
	}
	for _, c := range append([]*testbed.Cluster{d.Fleet.Hub}, d.Fleet.Spokes...) {
		if err := d.openNamespace(ctx, c); err != nil {
			return err
		}
	}
	d.screen.Say("hub controller and %d agents are running; namespace %q is opened to them on every cluster", len(d.Fleet.Spokes), Namespace)
	if err := d.Fleet.Place(ctx, Namespace, Placement); err != nil {
		return err
	}
	return d.installShops(ctx)
}

// openNamespace creates the shops' namespace, as the platform team of each cluster does.
func (d *Demo) openNamespace(ctx context.Context, c *testbed.Cluster) error {
	manifest := platformManifest
	if c == d.Fleet.Hub {
		manifest = hubManifest
	}
	if err := testbed.Apply(ctx, c.Config(), manifest); err != nil {
		return fmt.Errorf("open namespace %s on %s: %w", Namespace, c.Name, err)
	}
	return nil
}

// installShops creates the ApplicationInstances on the hub and waits until the hub says that they are Ready.
func (d *Demo) installShops(ctx context.Context) error {
	var clusters []string
	for _, c := range d.Fleet.Spokes {
		clusters = append(clusters, c.Name)
	}
	wanted := shops(clusters, d.Fleet.ChartRepoURL, d.Fleet.OCIURL)
	d.screen.Heading("Create %d ApplicationInstances of chart shop 1.0.0 on the hub; Flux installs them on their clusters", len(wanted))
	for _, instance := range wanted {
		if err := d.Hub.Create(ctx, instance); err != nil {
			return fmt.Errorf("create ApplicationInstance %s: %w", instance.Name, err)
		}
	}
	seen := -1
	ctx, cancel := context.WithTimeout(ctx, installedWithin)
	defer cancel()
	err := d.until(ctx, func(ctx context.Context) (bool, error) {
		ready, err := d.readyShops(ctx)
		if ready != seen {
			d.screen.Move(fmt.Sprintf("ready on their clusters, as the hub sees it: %d/%d", ready, len(wanted)))
			seen = ready
		}
		return ready == len(wanted), err
	})
	d.screen.Keep()
	if err != nil {
		return fmt.Errorf("wait for %d ApplicationInstances to be Ready (%d are; kubectl -n %s get appinst says why): %w", len(wanted), seen, Namespace, err)
	}
	return nil
}

func (d *Demo) readyShops(ctx context.Context) (int, error) {
	var list appsv1alpha1.ApplicationInstanceList
	if err := d.Hub.List(ctx, &list, client.InNamespace(Namespace)); err != nil {
		return 0, fmt.Errorf("list ApplicationInstances: %w", err)
	}
	ready := 0
	for _, instance := range list.Items {
		if instance.Status.Ready == metav1.ConditionTrue {
			ready++
		}
	}
	return ready, nil
}

// until polls done until it is true; it gives up when the fleet dies.
func (d *Demo) until(ctx context.Context, done wait.ConditionWithContextFunc) error {
	return wait.PollUntilContextCancel(ctx, lookEvery, true, func(ctx context.Context) (bool, error) {
		if err := d.Fleet.Err(); err != nil {
			return false, err
		}
		return done(ctx)
	})
}

// Play tells the story and reports how each Operation ended. The error says what came out otherwise than it should.
func (d *Demo) Play(ctx context.Context) (Report, error) {
	report := Report{Operations: []OperationReport{}}
	var wrong []error
	for _, step := range story(len(d.Fleet.Spokes)) {
		d.screen.Heading("Operation %s: %s", step.Operation.Name, step.Says)
		ended, err := d.play(ctx, step)
		report.Operations = append(report.Operations, ended)
		if err != nil {
			wrong = append(wrong, err)
		}
	}
	return report, errors.Join(wrong...)
}

// play takes one step of the story.
func (d *Demo) play(ctx context.Context, step Step) (OperationReport, error) {
	ctx, cancel := context.WithTimeout(ctx, endedWithin)
	defer cancel()
	op := step.Operation
	if step.Before != nil {
		if err := step.Before(ctx, d, op); err != nil {
			return reportOf(op, 0), fmt.Errorf("before Operation %s: %w", op.Name, err)
		}
	}
	ask := step.Ask
	if ask == nil {
		ask = create
	}
	start := time.Now()
	if err := ask(ctx, d, op); err != nil {
		return reportOf(op, time.Since(start)), fmt.Errorf("ask for Operation %s: %w", op.Name, err)
	}
	group, ctx2 := errgroup.WithContext(ctx)
	if step.Meanwhile != nil {
		watched := op.DeepCopy()
		group.Go(func() error { return step.Meanwhile(ctx2, d, watched) })
	}
	group.Go(func() error { return Watch(ctx2, d.Hub, op, d.screen.Move) })
	err := group.Wait()
	d.screen.Keep()
	ended := reportOf(op, time.Since(start))
	if err == nil {
		err = check(step, ended)
	}
	if err == nil && step.After != nil {
		err = step.After(ctx, d)
	}
	return ended, err
}

// create an Operation on the hub, as an administrator.
func create(ctx context.Context, d *Demo, op *opsv1alpha1.Operation) error {
	return d.Hub.Create(ctx, op)
}

// check compares how an Operation ended with how it must end.
func check(want Step, got OperationReport) error {
	c := got.Clusters
	if got.Phase != want.Phase || c.Failed != want.Failed || c.Succeeded != c.Total-want.Failed || c.Total == 0 {
		return fmt.Errorf("%s: want %s with %d failed clusters, got %s with %d of %d succeeded and %d failed (%s: %s)",
			got.Name, want.Phase, want.Failed, got.Phase, c.Succeeded, c.Total, c.Failed, got.Reason, got.Message)
	}
	return nil
}

// Down stops everything. It may be called on a demo that did not start.
func (d *Demo) Down() error {
	var errs []error
	if d.odoo != nil {
		d.odoo.close()
	}
	if d.Fleet != nil {
		errs = append(errs, d.Fleet.Down())
	}
	if d.bin != "" {
		errs = append(errs, os.RemoveAll(d.bin))
	}
	return errors.Join(errs...)
}
