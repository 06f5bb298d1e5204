// SPDX-License-Identifier: Apache-2.0

package arms

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	workv1alpha1 "open-cluster-management.io/api/work/v1alpha1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/e2e/bench/bed"
	"vworkspace.io/fleet/e2e/testbed"
)

// labelReplicaSet is on every work of a ManifestWorkReplicaSet: NAMESPACE.NAME of its own.
const labelReplicaSet = "work.open-cluster-management.io/manifestworkreplicaset"

// replicaSet is Open Cluster Management's own fan-out: a ManifestWorkReplicaSet with a Placement, of the same work as ours. Its parent counts the clusters
// and keeps no result of any. It runs with its default client limits (50 requests a second), or with them lifted.
type replicaSet struct {
	lifted bool

	bed     *bed.Bed
	model   *model
	process *testbed.Process
}

func (r *replicaSet) Name() string {
	if r.lifted {
		return "mwrs-lifted"
	}
	return "mwrs"
}

func (*replicaSet) Beyond() string { return "nothing: counts only" }

func (r *replicaSet) Prepare(ctx context.Context, b *bed.Bed, _ int) (err error) {
	if r.process != nil {
		return nil
	}
	if err := r.model.prepare(ctx, b); err != nil {
		return err
	}
	r.bed, r.process = b, b.Fleet.Process(bed.WorkManager)
	if !r.lifted {
		return nil
	}
	command := r.process.Command()
	command.Name += "-lifted"
	command.Args = append(command.Args, "--kube-api-qps=10000", "--kube-api-burst=10000")
	if r.process, err = b.Fleet.Start(command); err != nil {
		return err
	}
	return r.process.Stop()
}

// Start is over when a first set, of one cluster, has its work.
func (r *replicaSet) Start(ctx context.Context, _ int) error {
	if err := r.process.Restart(); err != nil {
		return err
	}
	return warmUp(ctx, r.bed, r)
}

func (r *replicaSet) Stop() error { return r.process.Stop() }

func (r *replicaSet) Processes() []*testbed.Process { return []*testbed.Process{r.process} }

func (r *replicaSet) Send(ctx context.Context, name string, n int) (*Run, error) {
	set := &workv1alpha1.ManifestWorkReplicaSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: bed.Namespace, Name: name},
		Spec: workv1alpha1.ManifestWorkReplicaSetSpec{
			ManifestWorkTemplate: r.model.work.Spec,
			PlacementRefs:        []workv1alpha1.LocalPlacementReference{{Name: bed.Placement(n)}},
		},
	}
	if err := r.bed.Client.Create(ctx, set); err != nil {
		return nil, fmt.Errorf("create ManifestWorkReplicaSet %s: %w", name, err)
	}
	return &Run{
		Children: WorkKind, Labels: client.MatchingLabels{labelReplicaSet: bed.Namespace + "." + name}, Report: workDone,
		Parent: schema.GroupVersion(workv1alpha1.GroupVersion).WithKind("ManifestWorkReplicaSet"), Key: client.ObjectKeyFromObject(set),
		Completed: func(parent *unstructured.Unstructured) int {
			n, _, _ := unstructured.NestedInt64(parent.Object, "status", "summary", "available")
			return int(n)
		},
		Delete: func(ctx context.Context) error { return r.bed.Client.Delete(ctx, set) },
	}, nil
}
