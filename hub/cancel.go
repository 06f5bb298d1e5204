// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	workv1 "open-cluster-management.io/api/work/v1"
)

// setCancel is the JSON patch operation that cancels the Operation inside a ManifestWork. It may be applied any number of times.
const setCancel = `{"op":"add","path":"/spec/workload/manifests/0/spec/cancel","value":true}`

// cancel passes spec.cancel on to the clusters that were started and have not ended. The run is over when they have: a cancel is a
// request, and what became of it is the spoke's to say. Clusters that were not started are skipped by the rollout.
func (r *OperationReconciler) cancel(ctx context.Context, p *pass) error {
	if !p.op.Spec.Cancel {
		return nil
	}
	var errs []error
	_, err := inTurn(ctx, r, p, p.run.untold(), turn, func(ctx context.Context, cluster string) error {
		key := p.run.workOf(cluster)
		work := &workv1.ManifestWork{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
		err := r.Patch(ctx, work, client.RawPatch(types.JSONPatchType, []byte("["+setCancel+"]")))
		if client.IgnoreNotFound(err) != nil {
			return err
		}
		p.run.mu.Lock()
		p.run.told[cluster] = true
		p.run.mu.Unlock()
		return nil
	}, func(cluster string, err error) {
		errs = append(errs, fmt.Errorf("cancel on cluster %s: %w", cluster, err))
	})
	return errors.Join(append(errs, err)...)
}

// untold are the clusters at work that have not been told of the cancel.
func (r *run) untold() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.loaded {
		return nil
	}
	var clusters []string
	for _, g := range r.plan.Groups {
		for _, c := range g.Clusters {
			if result, _ := r.tally.Result(c); !r.told[c] && result.State != "" && !result.State.Terminal() {
				clusters = append(clusters, c)
			}
		}
	}
	return clusters
}
