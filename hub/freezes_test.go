// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// freeze the fleet, under a name that is the test's own, until it ends at the latest.
func (f *fleet) freeze(name string, spec opsv1alpha1.FreezeSpec) *opsv1alpha1.Freeze {
	f.t.Helper()
	freeze := &opsv1alpha1.Freeze{ObjectMeta: metav1.ObjectMeta{Name: f.ns + "-" + name}, Spec: spec}
	f.must(api.Create(f.ctx, freeze))
	f.t.Cleanup(func() { _ = api.Delete(context.Background(), freeze) })
	return freeze
}

// frozen is which Freezes are brought to a cluster, with their reasons; empty when there is no ManifestWork for them.
func (f *fleet) frozen(cluster string) (string, error) {
	work := &workv1.ManifestWork{}
	if err := api.Get(f.ctx, types.NamespacedName{Namespace: cluster, Name: freezeWork}, work); err != nil {
		return "", client.IgnoreNotFound(err)
	}
	var all []string
	for _, m := range work.Spec.Workload.Manifests {
		var freeze opsv1alpha1.Freeze
		if err := json.Unmarshal(m.Raw, &freeze); err != nil {
			return "", err
		}
		all = append(all, strings.TrimPrefix(freeze.Name, freezePrefix+f.ns+"-")+"="+freeze.Spec.Reason)
	}
	return strings.Join(all, " "), nil
}

func (f *fleet) awaitFrozen(cluster, want string) {
	f.t.Helper()
	f.eventually("the Freezes of "+cluster, func() (string, error) {
		is, err := f.frozen(cluster)
		return differs(is, want), err
	})
}

// TestFreezesGoToClusters: to each with an agent, also one that comes later, also from a hub that brings no catalog; they change and go as they do on the hub, at
// once; and without any there is no ManifestWork.
func TestFreezesGoToClusters(t *testing.T) {
	f := newCatalogFleet(t, 3, 1)
	f.options.DeliverCatalog = false
	w := f.countWrites()
	stop := f.startHub()
	here, later, never := f.clusters[0], f.clusters[1], f.clusters[2]
	until := metav1.NewTime(time.Now().Add(time.Hour).Truncate(time.Second))
	b := f.freeze("b", opsv1alpha1.FreezeSpec{Reason: "outage", Types: []opsv1alpha1.OperationType{opsv1alpha1.TypeUpgrade}, Until: &until})
	a := f.freeze("a", opsv1alpha1.FreezeSpec{Reason: "closing"})
	f.awaitFrozen(here, "a=closing b=outage")
	f.claim(later, "job"+opsv1alpha1.ClaimEngine)
	f.awaitFrozen(later, "a=closing b=outage")
	work := &workv1.ManifestWork{}
	f.must(api.Get(f.ctx, types.NamespacedName{Namespace: here, Name: freezeWork}, work))
	if e := work.Spec.Executor; e == nil || e.Subject.ServiceAccount == nil || e.Subject.ServiceAccount.Name != opsv1alpha1.CatalogExecutor {
		t.Errorf("executor %+v", e)
	}
	var sent opsv1alpha1.Freeze
	f.must(json.Unmarshal(work.Spec.Workload.Manifests[1].Raw, &sent))
	if s := sent.Spec; !s.Until.Equal(&until) || len(s.Types) != 1 || sent.Name != freezePrefix+b.Name {
		t.Errorf("%s was sent as %+v", b.Name, sent)
	}
	before := b.DeepCopy()
	b.Spec.Reason = "outage of payments"
	f.must(api.Patch(f.ctx, b, client.MergeFrom(before)))
	f.awaitFrozen(here, "a=closing b=outage of payments")
	f.awaitFrozen(later, "a=closing b=outage of payments")
	stop()
	writes := w.total()
	stop = f.startHub()
	if n := f.settled(w) - writes; n != 0 {
		t.Errorf("%d writes of a hub that came up again, want none", n)
	}
	stop()
	f.must(api.Delete(f.ctx, a)) // while nobody looks
	f.startHub()
	f.awaitFrozen(here, "b=outage of payments")
	f.must(api.Delete(f.ctx, b))
	for _, c := range []string{here, later} {
		f.eventually("the work to go", func() (string, error) {
			work := &workv1.ManifestWork{}
			err := api.Get(f.ctx, types.NamespacedName{Namespace: c, Name: freezeWork}, work)
			if apierrors.IsNotFound(err) {
				return "", nil
			}
			if err == nil && !work.DeletionTimestamp.IsZero() {
				f.agentDeletes(work)
			}
			return "it is there", err
		})
	}
	if is, err := f.frozen(never); is != "" || err != nil {
		t.Errorf("a cluster without an agent got %q, %v", is, err)
	}
}

// TestFreezesArePutRight: whatever somebody does to the ManifestWork, the cluster stays frozen.
func TestFreezesArePutRight(t *testing.T) {
	f := newCatalogFleet(t, 1, 1)
	f.startHub()
	c := f.clusters[0]
	f.freeze("a", opsv1alpha1.FreezeSpec{Reason: "closing"})
	f.awaitFrozen(c, "a=closing")
	for name, edit := range map[string]func(*workv1.ManifestWork){
		"spec":   func(w *workv1.ManifestWork) { w.Spec.Executor, w.Spec.ManifestConfigs = nil, nil },
		"labels": func(w *workv1.ManifestWork) { w.Labels = nil },
	} {
		work := &workv1.ManifestWork{}
		f.must(api.Get(f.ctx, types.NamespacedName{Namespace: c, Name: freezeWork}, work))
		edit(work)
		f.must(api.Update(f.ctx, work))
		f.eventually("the work to be put right after somebody edited its "+name, func() (string, error) {
			err := api.Get(f.ctx, types.NamespacedName{Namespace: c, Name: freezeWork}, work)
			return differs(fmt.Sprint(work.Spec.Executor != nil, len(work.Spec.ManifestConfigs), work.Labels), fmt.Sprint(true, 1, catalogLabels())), err
		})
	}
	work := &workv1.ManifestWork{ObjectMeta: metav1.ObjectMeta{Namespace: c, Name: freezeWork}}
	f.must(api.Delete(f.ctx, work))
	f.awaitFrozen(c, "a=closing")
}

// TestFreezePack: a name that is too long is cut, and of more Freezes than fit the first go; an Event tells of the next.
func TestFreezePack(t *testing.T) {
	r := &FreezeReconciler{}
	long := opsv1alpha1.Freeze{ObjectMeta: metav1.ObjectMeta{Name: strings.Repeat("a", 253), UID: "1"}, Spec: opsv1alpha1.FreezeSpec{Reason: "x"}}
	names, manifests, err := r.pack([]opsv1alpha1.Freeze{long})
	if err != nil || len(names) != 1 || !strings.HasPrefix(names[0], "hub.aaa") || len(names[0]) > 60 || !strings.Contains(string(manifests[names[0]]), names[0]) {
		t.Errorf("%v, %v", names, err)
	}
	told := events.NewFakeRecorder(1)
	r.Events = told
	var many []opsv1alpha1.Freeze
	for i := range 1000 {
		many = append(many, opsv1alpha1.Freeze{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("n%04d", i)}, Spec: opsv1alpha1.FreezeSpec{Reason: strings.Repeat("x", 1024)}})
	}
	names, manifests, err = r.pack(many)
	size := 0
	for _, raw := range manifests {
		size += len(raw)
	}
	if err != nil || len(names) < 300 || names[0] != "hub.n0000" || size > chunkSize {
		t.Errorf("%d of 1000 Freezes, %d bytes, %v", len(names), size, err)
	}
	if said := <-told.Events; !strings.Contains(said, "TooMany it holds on the hub, and is not brought to clusters: all Freezes together may take 400 KiB") {
		t.Error(said)
	}
}
