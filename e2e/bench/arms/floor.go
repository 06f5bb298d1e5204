// SPDX-License-Identifier: Apache-2.0

package arms

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	workv1 "open-cluster-management.io/api/work/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/e2e/bench/bed"
	"vworkspace.io/fleet/e2e/testbed"
)

// labelRun names the run that a floor's or a replica set's work is of.
const labelRun = "bench.vworkspace.io/run"

// floor creates by plain client-go, bed.Workers at once, the very ManifestWorks that ours would: what the API server takes, with nobody in between. It
// promises nothing to anybody and rolls nothing up.
type floor struct {
	bed   *bed.Bed
	model *model
}

func (*floor) Name() string { return "floor" }

func (*floor) Beyond() string { return "" }

func (f *floor) Prepare(ctx context.Context, b *bed.Bed, _ int) error {
	f.bed = b
	return f.model.prepare(ctx, b)
}

func (*floor) Start(context.Context, int) error { return nil }

func (*floor) Stop() error { return nil }

func (*floor) Processes() []*testbed.Process { return nil }

func (f *floor) Send(ctx context.Context, name string, n int) (*Run, error) {
	clusters := f.bed.Clusters(n)
	work := func(i int) *workv1.ManifestWork {
		return &workv1.ManifestWork{
			ObjectMeta: metav1.ObjectMeta{Namespace: clusters[i], Name: name, Labels: map[string]string{labelRun: name}, Annotations: f.model.work.Annotations},
			Spec:       f.model.work.Spec,
		}
	}
	err := bed.Each(ctx, n, func(ctx context.Context, i int) error { return f.bed.Client.Create(ctx, work(i)) })
	return &Run{
		Children: WorkKind, Labels: client.MatchingLabels{labelRun: name}, Report: workDone,
		Delete: func(ctx context.Context) error {
			return bed.Each(ctx, n, func(ctx context.Context, i int) error {
				return client.IgnoreNotFound(f.bed.Client.Delete(ctx, work(i))) // of a run that failed, some were not created
			})
		},
	}, err
}
