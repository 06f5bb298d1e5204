// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// newCatalogFleet has agents on its first n clusters of so many, and a hub that brings the catalog there.
func newCatalogFleet(t testing.TB, clusters, n int) *fleet {
	t.Helper()
	f := newFleet(t, clusters)
	f.options.DeliverCatalog, f.options.CatalogDelay = true, 20*time.Millisecond
	for _, c := range f.clusters[:n] {
		f.claim(c, "job"+opsv1alpha1.ClaimEngine)
	}
	t.Cleanup(func() { // the hubs of other tests are not to find them
		for _, c := range f.clusters {
			_ = api.Delete(context.Background(), &clusterv1.ManagedCluster{ObjectMeta: metav1.ObjectMeta{Name: c}})
		}
	})
	return f
}

// claim says what the agents of Open Cluster Management report of a cluster.
func (f *fleet) claim(cluster string, names ...string) {
	f.t.Helper()
	c := &clusterv1.ManagedCluster{}
	f.must(api.Get(f.ctx, types.NamespacedName{Name: cluster}, c))
	c.Status.ClusterClaims = nil
	for _, name := range names {
		c.Status.ClusterClaims = append(c.Status.ClusterClaims, clusterv1.ManagedClusterClaim{Name: name, Value: "installed"})
	}
	f.must(api.Status().Update(f.ctx, c))
}

// shipped are the ManifestWorks of the catalog on a cluster.
func (f *fleet) shipped(cluster string) map[string]workv1.ManifestWork {
	f.t.Helper()
	list := &workv1.ManifestWorkList{}
	f.must(api.List(f.ctx, list, client.InNamespace(cluster)))
	works := map[string]workv1.ManifestWork{}
	for _, w := range list.Items {
		if _, ours := catalogChunk(w.Name); ours {
			works[w.Name] = w
		}
	}
	return works
}

// holds is which of this test's templates the works of a cluster hold, by work, with their description; builtin templates are not told.
func (f *fleet) holds(cluster string) string {
	var lines []string
	for name, work := range f.shipped(cluster) {
		var list []string
		for _, m := range work.Spec.Workload.Manifests {
			var t opsv1alpha1.OperationTemplate
			f.must(json.Unmarshal(m.Raw, &t))
			if own, is := strings.CutPrefix(t.Name, f.ns+"-"); is {
				list = append(list, own+"="+t.Spec.Description)
			}
		}
		lines = append(lines, strings.TrimPrefix(name, catalogWork)+"["+strings.Join(list, " ")+"]")
	}
	slices.Sort(lines)
	return strings.Join(lines, " ")
}

func (f *fleet) awaitHolds(cluster, want string) {
	f.t.Helper()
	f.eventually("the catalog of "+cluster, func() (string, error) { return differs(f.holds(cluster), want), nil })
}

// describe changes a template, the description to "second".
func (f *fleet) describe(t *opsv1alpha1.OperationTemplate, kib int) {
	f.t.Helper()
	before := t.DeepCopy()
	t.Spec.Description = "second"
	t.Spec.InputSchema = nil
	if kib > 0 {
		t.Spec.InputSchema = weighing(kib)
	}
	f.must(api.Patch(f.ctx, t, client.MergeFrom(before)))
}

// weighing is a schema of so many KiB.
func weighing(kib int) *runtime.RawExtension {
	return &runtime.RawExtension{Raw: fmt.Appendf(nil, `{"description":%q}`, strings.Repeat("x", kib<<10))}
}

func described(kib int) func(*opsv1alpha1.OperationTemplateSpec) {
	return func(s *opsv1alpha1.OperationTemplateSpec) {
		if s.Description = "first"; kib > 0 {
			s.InputSchema = weighing(kib)
		}
	}
}

// settled waits until the hub has had time to do what it should not.
func (f *fleet) settled(w *writes) int32 {
	f.t.Helper()
	last, since := w.total(), time.Now()
	f.eventually("the hub to be done", func() (string, error) {
		if now := w.total(); now != last {
			last, since = now, time.Now()
		}
		if time.Since(since) < 10*f.options.CatalogDelay {
			return "it may still write", nil
		}
		return "", nil
	})
	return last
}

// TestCatalogGoesWhereAgentsAre: and nowhere else; it is as the executor of the catalog, without force, and whole.
func TestCatalogGoesWhereAgentsAre(t *testing.T) {
	f := newCatalogFleet(t, 4, 1)
	itself, other := f.clusters[1], f.clusters[2]
	f.must(api.Patch(f.ctx, &clusterv1.ManagedCluster{ObjectMeta: metav1.ObjectMeta{Name: itself}},
		client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"local-cluster":"true"}}}`))))
	f.claim(itself, "job"+opsv1alpha1.ClaimEngine)
	f.claim(other, "id.k8s.io")
	f.startHub()
	f.listed("one", described(0))
	f.awaitHolds(f.clusters[0], "[one=first]")
	f.claim(f.clusters[3], "nextcloud"+opsv1alpha1.ClaimApp)
	f.awaitHolds(f.clusters[3], "[one=first]")
	for _, c := range []string{itself, other} {
		if got := f.shipped(c); len(got) > 0 {
			t.Errorf("%s has %d ManifestWorks", c, len(got))
		}
	}
	work := f.shipped(f.clusters[0])[catalogWork]
	all := &opsv1alpha1.OperationTemplateList{}
	f.must(api.List(f.ctx, all))
	if len(work.Spec.Workload.Manifests) != len(all.Items) || len(work.Spec.ManifestConfigs) != len(all.Items) {
		t.Errorf("%d manifests and %d configs for %d templates", len(work.Spec.Workload.Manifests), len(work.Spec.ManifestConfigs), len(all.Items))
	}
	if e := work.Spec.Executor; e == nil || e.Subject.ServiceAccount == nil ||
		*e.Subject.ServiceAccount != (workv1.ManifestWorkSubjectServiceAccount{Namespace: opsv1alpha1.DefaultAgentNamespace, Name: opsv1alpha1.CatalogExecutor}) {
		t.Errorf("executor %+v", e)
	}
	for _, c := range work.Spec.ManifestConfigs {
		s := c.UpdateStrategy
		if s == nil || s.Type != workv1.UpdateStrategyTypeServerSideApply || s.ServerSideApply.Force || s.ServerSideApply.FieldManager != catalogManager {
			t.Fatalf("%s is applied with %+v", c.ResourceIdentifier.Name, s)
		}
	}
}

// TestCatalogChanges: many changes are one write for each cluster; no change is none, also for a hub that comes up again; and a cluster whose claims have
// gone keeps its catalog, and that stays up to date.
func TestCatalogChanges(t *testing.T) {
	f := newCatalogFleet(t, 2, 2)
	f.options.CatalogDelay = time.Second // longer than it takes to apply them
	w := f.countWrites()
	stop := f.startHub()
	var all []*opsv1alpha1.OperationTemplate
	for i := range 5 {
		all = append(all, f.listed(fmt.Sprint("t", i), described(0)))
	}
	const first, second = "[t0=first t1=first t2=first t3=first t4=first]", "[t0=second t1=second t2=second t3=second t4=first]"
	for _, c := range f.clusters {
		f.awaitHolds(c, first)
	}
	f.claim(f.clusters[1])
	before := f.settled(w)
	for _, template := range all[:4] {
		f.describe(template, 0)
	}
	for _, c := range f.clusters {
		f.awaitHolds(c, second)
	}
	if n := f.settled(w) - before; n != 2 {
		t.Errorf("%d writes for 4 changes on 2 clusters, want 2", n)
	}
	stop()
	before = w.total()
	f.options.CatalogDelay = 20 * time.Millisecond
	f.startHub()
	f.must(api.Patch(f.ctx, all[0], client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"seen":"yes"}}}`))))
	if n := f.settled(w) - before; n != 0 {
		t.Errorf("%d writes of a hub that came up again, want none", n)
	}
	f.must(api.Delete(f.ctx, all[4]))
	for _, c := range f.clusters {
		f.awaitHolds(c, "[t0=second t1=second t2=second t3=second]")
	}
}

// TestCatalogIsPutRight: whatever somebody does to the ManifestWork, it becomes what it should be again.
func TestCatalogIsPutRight(t *testing.T) {
	f := newCatalogFleet(t, 1, 1)
	w := f.countWrites()
	f.startHub()
	f.listed("one", described(0))
	c := f.clusters[0]
	f.awaitHolds(c, "[one=first]")
	right := f.shipped(c)[catalogWork]
	for name, edit := range map[string]func(*workv1.ManifestWork){
		"manifests": func(w *workv1.ManifestWork) { w.Spec.Workload.Manifests = w.Spec.Workload.Manifests[:1] },
		"executor":  func(w *workv1.ManifestWork) { w.Spec.Executor = nil },
		"deletion": func(w *workv1.ManifestWork) {
			w.Spec.DeleteOption = &workv1.DeleteOption{PropagationPolicy: workv1.DeletePropagationPolicyTypeOrphan}
		},
		"labels":          func(w *workv1.ManifestWork) { w.Labels = nil },
		"annotation":      func(w *workv1.ManifestWork) { w.Annotations = nil },
		"annotation lies": func(w *workv1.ManifestWork) { w.Annotations[annotationCatalog] = `{"digest":"x","generation":1}` },
	} {
		work := f.shipped(c)[catalogWork]
		edit(&work)
		f.must(api.Update(f.ctx, &work))
		f.eventually("the work to be put right after somebody edited its "+name, func() (string, error) {
			now, want := f.shipped(c)[catalogWork], right
			now.Spec.DeepCopyInto(&want.Spec)
			if missing := differs(fmt.Sprint(now.Labels), fmt.Sprint(right.Labels)); missing != "" {
				return missing, nil
			}
			if s, reliable := shipmentOf(&now); !reliable || s.Digest == "x" {
				return "the annotation is " + now.Annotations[annotationCatalog], nil
			}
			is, err := json.Marshal(now.Spec)
			f.must(err)
			should, err := json.Marshal(right.Spec)
			f.must(err)
			return differs(string(is), string(should)), nil
		})
		if before := w.total(); f.settled(w)-before > 1 {
			t.Errorf("%s: the hub writes on", name)
		}
	}
	work := f.shipped(c)[catalogWork]
	f.must(api.Delete(f.ctx, &work))
	f.awaitHolds(c, "[one=first]")
}

// TestCatalogInChunks: what is too much for one ManifestWork goes into two, and a hub that dies between them finishes. A template that outgrows its work
// leaves it only when the cluster has it from the other one. What is left empty goes.
func TestCatalogInChunks(t *testing.T) {
	f := newCatalogFleet(t, 1, 1)
	c := f.clusters[0]
	// Beside them are the builtin ones, which take less than 100 KiB.
	large := f.listed("a", described(290))
	f.listed("b", described(290))
	small := f.listed("s", described(0))
	var died atomic.Bool
	f.funcs.Create = func(ctx context.Context, cl client.WithWatch, o client.Object, opts ...client.CreateOption) error {
		if o.GetName() == catalogWork+"-1" && !died.Swap(true) {
			return errors.New("the hub dies here")
		}
		return cl.Create(ctx, o, opts...)
	}
	stop := f.startHub()
	f.eventually("the hub to die", func() (string, error) { return differs(fmt.Sprint(died.Load()), "true"), nil })
	stop()
	f.startHub()
	f.awaitHolds(c, "-1[b=first] [a=first s=first]")

	f.describe(small, 200)
	f.awaitHolds(c, "-1[b=first] -2[s=second] [a=first s=first]") // it waits for the cluster
	f.describe(large, 290)
	f.listed("t", described(0))
	f.awaitHolds(c, "-1[b=first t=first] -2[s=second] [a=first s=first]") // what has to wait holds nothing else up
	f.seeTo(c, catalogWork+"-2", "", f.ns+"-s")
	f.awaitHolds(c, "-1[b=first t=first] -2[s=second] [a=second]")

	f.must(api.Delete(f.ctx, &opsv1alpha1.OperationTemplate{ObjectMeta: metav1.ObjectMeta{Name: f.ns + "-s"}}))
	f.eventually("the work that nothing is in to go", func() (string, error) {
		work := &workv1.ManifestWork{}
		err := api.Get(f.ctx, types.NamespacedName{Namespace: c, Name: catalogWork + "-2"}, work)
		if err == nil && !work.DeletionTimestamp.IsZero() {
			f.agentDeletes(work)
		}
		if apierrors.IsNotFound(err) {
			return "", nil
		}
		return "it is there", err
	})
	f.awaitHolds(c, "-1[b=first t=first] [a=second]")
}

// TestCatalogOfAnOwner: a template that the cluster's owner has made his own does not keep others where they are not to be.
func TestCatalogOfAnOwner(t *testing.T) {
	f := newCatalogFleet(t, 1, 1)
	c := f.clusters[0]
	f.listed("a", described(290))
	small := f.listed("s", described(0))
	f.startHub()
	f.awaitHolds(c, "[a=first s=first]")
	f.describe(small, 200)
	f.awaitHolds(c, "-1[s=second] [a=first s=first]")
	f.seeTo(c, catalogWork+"-1", `Failed to apply manifest: Apply failed with 1 conflict: conflict with "kubectl": .spec.description`, f.ns+"-s")
	f.awaitHolds(c, "-1[s=second] [a=first]")
}

// seeTo says what the work agent says of templates that it has applied, or could not.
func (f *fleet) seeTo(cluster, name, problem string, templates ...string) {
	f.t.Helper()
	f.must(f.tryReportOn(types.NamespacedName{Namespace: cluster, Name: name}, func(w *workv1.ManifestWork) bool {
		w.Status.ResourceStatus.Manifests = nil
		status := metav1.ConditionTrue
		if problem != "" {
			status = metav1.ConditionFalse
		}
		applied := metav1.Condition{
			Type: workv1.WorkApplied, Status: status, Reason: "Test", Message: problem, ObservedGeneration: w.Generation, LastTransitionTime: metav1.Now(),
		}
		w.Status.Conditions = []metav1.Condition{applied}
		for _, template := range templates {
			w.Status.ResourceStatus.Manifests = append(w.Status.ResourceStatus.Manifests, workv1.ManifestCondition{
				ResourceMeta: workv1.ManifestResourceMeta{Group: "ops.vworkspace.io", Resource: "operationtemplates", Name: template},
				Conditions:   []metav1.Condition{applied},
			})
		}
		return true
	}))
}

// TestCatalogTooLarge: a template that no ManifestWork can carry stays behind, and an Event says so; the others go.
func TestCatalogTooLarge(t *testing.T) {
	f := newCatalogFleet(t, 1, 1)
	f.startHub()
	f.listed("huge", described(600))
	f.listed("one", described(0))
	f.awaitHolds(f.clusters[0], "[one=first]")
	f.eventually("an Event", func() (string, error) {
		list := &eventsv1.EventList{}
		if err := api.List(f.ctx, list, client.InNamespace(metav1.NamespaceDefault)); err != nil {
			return "none", err
		}
		for _, e := range list.Items {
			if e.Regarding.Name == f.ns+"-huge" && e.Reason == "TooLarge" && strings.Contains(e.Note, "490 KiB") {
				return "", nil
			}
		}
		return fmt.Sprint(len(list.Items), " others"), nil
	})
}

// TestCatalogGoesWithItsCluster: nothing is written to a cluster that is on its way out, and a hub that does not deliver the catalog touches none.
func TestCatalogGoesWithItsCluster(t *testing.T) {
	f := newCatalogFleet(t, 1, 1)
	c := &clusterv1.ManagedCluster{}
	f.must(api.Get(f.ctx, types.NamespacedName{Name: f.clusters[0]}, c))
	c.Finalizers = []string{"test.vworkspace.io/leaving"}
	f.must(api.Update(f.ctx, c))
	f.must(api.Delete(f.ctx, c))
	w := f.countWrites()
	stop := f.startHub()
	f.listed("one", nil)
	f.settled(w)
	if got := f.shipped(c.Name); len(got) > 0 {
		t.Errorf("%d ManifestWorks for a cluster that leaves", len(got))
	}
	stop()
	f.must(api.Patch(f.ctx, c, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))))
	f.must(f.addCluster(c.Name))
	f.claim(c.Name, "job"+opsv1alpha1.ClaimEngine)
	f.options.DeliverCatalog = false
	stop = f.startHub()
	f.listed("two", nil)
	f.settled(w)
	if got := f.shipped(c.Name); len(got) > 0 {
		t.Errorf("%d ManifestWorks of a hub that delivers no catalog", len(got))
	}
	stop()
	f.options.DeliverCatalog = true
	f.startHub()
	f.awaitHolds(c.Name, "[one= two=]")
}
