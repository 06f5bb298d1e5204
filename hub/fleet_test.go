// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	clusterv1beta1 "open-cluster-management.io/api/cluster/v1beta1"
	workv1 "open-cluster-management.io/api/work/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// patience bounds every wait; it says nothing about how fast anything is.
const patience = 60 * time.Second

var fleets atomic.Int32

// fleet is a namespace on the hub and some clusters that nobody else uses.
type fleet struct {
	t        testing.TB
	ctx      context.Context
	ns       string
	clusters []string
	options  Options
	funcs    interceptor.Funcs // around the hub's client
}

// newFleet makes a namespace and n available clusters.
func newFleet(t testing.TB, n int) *fleet {
	t.Helper()
	return makeFleet(t, n, (*fleet).addCluster)
}

// newBareFleet makes a namespace and the namespaces of n clusters, which is all that a run needs unless a cluster stays silent.
func newBareFleet(t testing.TB, n int) *fleet {
	t.Helper()
	return makeFleet(t, n, (*fleet).addNamespace)
}

func makeFleet(t testing.TB, n int, add func(*fleet, string) error) *fleet {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	id := fleets.Add(1)
	f := &fleet{t: t, ctx: ctx, ns: fmt.Sprintf("fleet%d", id), options: Options{StatusInterval: 20 * time.Millisecond}}
	f.must(api.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: f.ns}}))
	names := make([]int, n)
	for i := range names {
		names[i] = i
	}
	f.must(each(ctx, names, 32, func(_ context.Context, i int) error {
		return add(f, fmt.Sprintf("f%d-c%04d", id, i))
	}, func(_ int, err error) { t.Error(err) }, nil))
	for i := range n {
		f.clusters = append(f.clusters, fmt.Sprintf("f%d-c%04d", id, i))
	}
	return f
}

func (f *fleet) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fleet) addNamespace(name string) error {
	return api.Create(f.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
}

func (f *fleet) addCluster(name string) error {
	if err := f.addNamespace(name); client.IgnoreAlreadyExists(err) != nil {
		return err
	}
	if err := api.Create(f.ctx, &clusterv1.ManagedCluster{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
		return err
	}
	return f.setAvailable(name, metav1.ConditionTrue)
}

func (f *fleet) setAvailable(name string, status metav1.ConditionStatus) error {
	c := &clusterv1.ManagedCluster{}
	if err := api.Get(f.ctx, types.NamespacedName{Name: name}, c); err != nil {
		return err
	}
	meta.SetStatusCondition(&c.Status.Conditions, metav1.Condition{
		Type: clusterv1.ManagedClusterConditionAvailable, Status: status, Reason: "Test", Message: "as the test says",
	})
	return api.Status().Update(f.ctx, c)
}

// startHub runs a hub that sees this fleet's namespace only, until stop is called or the test ends.
func (f *fleet) startHub() (stop func()) {
	f.t.Helper()
	ctx, cancel := context.WithCancel(f.ctx)
	mgr := f.newHub(ctx, hubConfig, func(*manager.Options) {})
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			f.t.Error("the hub stopped:", err)
		}
	})
	f.t.Cleanup(stop)
	if !mgr.GetCache().WaitForCacheSync(ctx) {
		f.t.Fatal("the hub's cache does not sync")
	}
	return stop
}

// newHub makes a hub that sees this fleet's namespace only.
func (f *fleet) newHub(ctx context.Context, config *restConfig, change func(*manager.Options)) ctrl.Manager {
	f.t.Helper()
	options := ManagerOptions()
	options.Metrics = server.Options{BindAddress: "0"}
	options.Controller = ctrlconfig.Controller{SkipNameValidation: ptr.To(true)}
	options.Logger = testLogger(f.t)
	only := map[string]cache.Config{f.ns: {}, f.options.complete().PlatformNamespace: {}}
	for _, o := range []client.Object{&opsv1alpha1.Operation{}, &appsv1alpha1.ApplicationInstance{}} {
		options.Cache.ByObject[o] = cache.ByObject{Namespaces: only}
	}
	options.NewClient = func(c *restConfig, o client.Options) (client.Client, error) {
		inner, err := client.NewWithWatch(c, o)
		if err != nil {
			return nil, err
		}
		return interceptor.NewClient(inner, f.funcs), nil
	}
	change(&options)
	mgr, err := ctrl.NewManager(config, options)
	f.must(err)
	f.must(Setup(ctx, mgr, f.options))
	return mgr
}

// eventually waits until check says nothing is missing.
func (f *fleet) eventually(what string, check func() (missing string, err error)) {
	f.t.Helper()
	last := ""
	err := wait.PollUntilContextTimeout(f.ctx, 10*time.Millisecond, patience, true, func(context.Context) (bool, error) {
		missing, err := check()
		if missing == "" && err == nil {
			return true, nil
		}
		if last = missing; err != nil {
			last = err.Error()
		}
		return false, client.IgnoreNotFound(err)
	})
	if err != nil {
		f.t.Fatalf("%s: %v; last seen: %s", what, err, last)
	}
}

// place makes a Placement that has decided for the clusters.
func (f *fleet) place(name string, clusters ...string) {
	f.t.Helper()
	f.decide(f.placement(name), clusters...)
}

func (f *fleet) placement(name string) *clusterv1beta1.Placement {
	f.t.Helper()
	p := &clusterv1beta1.Placement{ObjectMeta: metav1.ObjectMeta{Namespace: f.ns, Name: name}}
	f.must(api.Create(f.ctx, p))
	return p
}

// decide writes what OCM's placement controller writes, in its order.
func (f *fleet) decide(p *clusterv1beta1.Placement, clusters ...string) {
	f.t.Helper()
	group := clusterv1beta1.DecisionGroupStatus{Decisions: []string{}, ClustersCount: int32(len(clusters))}
	for i, rest := 1, clusters; i == 1 || len(rest) > 0; i++ {
		n := min(100, len(rest))
		d := &clusterv1beta1.PlacementDecision{ObjectMeta: metav1.ObjectMeta{
			Namespace: p.Namespace, Name: fmt.Sprintf("%s-decision-%d", p.Name, i),
			Labels: map[string]string{clusterv1beta1.PlacementLabel: p.Name, clusterv1beta1.DecisionGroupIndexLabel: "0"},
		}}
		if err := api.Create(f.ctx, d); apierrors.IsAlreadyExists(err) {
			f.must(api.Get(f.ctx, client.ObjectKeyFromObject(d), d))
		} else {
			f.must(err)
		}
		d.Status.Decisions = []clusterv1beta1.ClusterDecision{}
		for _, c := range rest[:n] {
			d.Status.Decisions = append(d.Status.Decisions, clusterv1beta1.ClusterDecision{ClusterName: c})
		}
		f.must(api.Status().Update(f.ctx, d))
		group.Decisions = append(group.Decisions, d.Name)
		rest = rest[n:]
	}
	f.must(api.Get(f.ctx, client.ObjectKeyFromObject(p), p))
	p.Status.NumberOfSelectedClusters = int32(len(clusters))
	p.Status.DecisionGroups = []clusterv1beta1.DecisionGroupStatus{group}
	meta.SetStatusCondition(&p.Status.Conditions, metav1.Condition{
		Type: clusterv1beta1.PlacementConditionSatisfied, Status: metav1.ConditionTrue, Reason: "AllDecisionsScheduled", Message: "All cluster decisions scheduled",
	})
	f.must(api.Status().Update(f.ctx, p))
}

// operation makes a fleet Operation on a Placement.
func (f *fleet) operation(name, placement string, change ...func(*opsv1alpha1.Operation)) *opsv1alpha1.Operation {
	f.t.Helper()
	op := &opsv1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Namespace: f.ns, Name: name},
		Spec: opsv1alpha1.OperationSpec{
			Placement: &opsv1alpha1.PlacementSpec{PlacementRef: opsv1alpha1.PlacementRef{Name: placement}},
			Selector:  &opsv1alpha1.InstanceSelector{},
			Type:      opsv1alpha1.TypeBackup,
		},
	}
	for _, c := range change {
		c(op)
	}
	f.must(api.Create(f.ctx, op))
	return op
}

func (f *fleet) get(op *opsv1alpha1.Operation) *opsv1alpha1.Operation {
	f.t.Helper()
	got := &opsv1alpha1.Operation{}
	f.must(api.Get(f.ctx, client.ObjectKeyFromObject(op), got))
	return got
}

// await waits for a phase and a reason, and returns the Operation as it then is.
func (f *fleet) await(op *opsv1alpha1.Operation, phase opsv1alpha1.OperationPhase, reason string) *opsv1alpha1.Operation {
	f.t.Helper()
	var got *opsv1alpha1.Operation
	f.eventually(fmt.Sprintf("Operation %s shall be %s/%s", op.Name, phase, reason), func() (string, error) {
		got = &opsv1alpha1.Operation{}
		if err := api.Get(f.ctx, client.ObjectKeyFromObject(op), got); err != nil {
			return "not read", err
		}
		if got.Status.Phase == phase && got.Status.Reason == reason {
			return "", nil
		}
		return fmt.Sprintf("%s/%s: %s", got.Status.Phase, got.Status.Reason, got.Status.Message), nil
	})
	return got
}

// works of an Operation by cluster.
func (f *fleet) works(op *opsv1alpha1.Operation) map[string]workv1.ManifestWork {
	f.t.Helper()
	list := &workv1.ManifestWorkList{}
	f.must(api.List(f.ctx, list, client.MatchingLabels{opsv1alpha1.LabelOperation: string(op.UID)}))
	works := map[string]workv1.ManifestWork{}
	for _, w := range list.Items {
		if _, twice := works[w.Namespace]; twice {
			f.t.Errorf("two ManifestWorks of %s in cluster %s", op.Name, w.Namespace)
		}
		works[w.Namespace] = w
	}
	return works
}

// awaitWorks waits until there are n.
func (f *fleet) awaitWorks(op *opsv1alpha1.Operation, n int) map[string]workv1.ManifestWork {
	f.t.Helper()
	f.eventually(fmt.Sprintf("%d ManifestWorks", n), func() (string, error) {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(workListKind)
		err := api.List(f.ctx, list, client.MatchingLabels{opsv1alpha1.LabelOperation: string(op.UID)})
		return differs(fmt.Sprint(len(list.Items)), fmt.Sprint(n)), err
	})
	return f.works(op)
}

func (f *fleet) placementNamed(name string) *clusterv1beta1.Placement {
	f.t.Helper()
	p := &clusterv1beta1.Placement{}
	f.must(api.Get(f.ctx, types.NamespacedName{Namespace: f.ns, Name: name}, p))
	return p
}

// instance makes an ApplicationInstance that is to be delivered to a cluster.
func (f *fleet) instance(name, cluster string) *appsv1alpha1.ApplicationInstance {
	f.t.Helper()
	ai := &appsv1alpha1.ApplicationInstance{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: f.ns, Name: name,
			Labels:      map[string]string{appsv1alpha1.LabelClusterID: cluster, "tier": "web"},
			Annotations: map[string]string{opsv1alpha1.TypeBackup.Capability(): "velero", corev1.LastAppliedConfigAnnotation: "{}"},
		},
		Spec: appsv1alpha1.ApplicationInstanceSpec{
			AppRef:  appsv1alpha1.AppRef{CatalogID: "shop"},
			Chart:   &appsv1alpha1.ChartSpec{SourceType: appsv1alpha1.ChartSourceOCI, URL: "oci://registry.example.com/charts", Name: "shop", Version: "1.0.0"},
			Release: &appsv1alpha1.ReleaseSpec{Name: name, Namespace: f.ns},
			Values:  &appsv1alpha1.ValuesSpec{Source: appsv1alpha1.ValuesInline, Inline: &runtime.RawExtension{Raw: []byte(`{"replicas":2}`)}},
		},
	}
	f.must(api.Create(f.ctx, ai))
	return ai
}
