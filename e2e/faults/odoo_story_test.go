// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/controlplane"
	"vworkspace.io/fleet/e2e/install"
	"vworkspace.io/fleet/hub/odoo/wire"
)

// odooStory: Odoo asks for an Operation, for the same once more under another id, and has it deleted when it has ended. Each job has its one result, and Odoo hears how it
// ended, and on each cluster. All that the hub says to Odoo is a call like those to its API server, and the same is done to it.
var odooStory = Story{
	Name: "odoo",
	Odoo: true,
	Before: both(instances(opsv1alpha1.EngineJob), func(w *World) error {
		return w.connectOdoo()
	}),
	Tell: func(w *World) error {
		op := tool("op")
		request := controlplane.NewJob{
			Job:    wire.Job{ID: "request", Kind: wire.KindIntent, IdempotencyKey: "operation/apps/op@1", RequestedBy: "marie"},
			Object: map[string]any{"intent": "request-operation", "operation": op},
		}
		again := request
		again.ID = "request-again"
		return inTurn(
			w.asks(request, wire.OutcomeSucceeded),
			w.asks(again, wire.OutcomeNoop),
			w.hears(op.Name),
			w.asks(deletion(op.Name), wire.OutcomeSucceeded),
		)
	},
}

// connectOdoo: its credentials are in the Secret, and there is a ControlPlane.
func (w *World) connectOdoo() error {
	return w.Create(OnHub,
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: install.HubNamespace, Name: opsv1alpha1.DefaultCredentialsSecret},
			StringData: map[string]string{opsv1alpha1.SecretToken: w.Odoo.Token(odooCluster), opsv1alpha1.SecretClusterID: odooCluster},
		},
		&opsv1alpha1.ControlPlane{ObjectMeta: metav1.ObjectMeta{Name: "odoo"}, Spec: opsv1alpha1.ControlPlaneSpec{Endpoint: w.Odoo.URL()}},
	)
}

// asks Odoo for something, and waits for its result, which must be that.
func (w *World) asks(job controlplane.NewJob, outcome string) func() error {
	return func() error {
		if _, err := w.Odoo.EnqueueJob(job); err != nil {
			return err
		}
		var wrong error
		err := w.await("the result of job "+job.ID, func() string {
			state := w.Odoo.Job(job.ID)
			if state.Result == nil {
				return fmt.Sprintf("acked %v, %d statuses, closed %v", state.Acked, len(state.Statuses), state.Closed)
			}
			if state.Result.Outcome != outcome {
				wrong = fmt.Errorf("job %s: %s: %s", job.ID, state.Result.Outcome, state.Result.Error)
			}
			return ""
		})
		return errors.Join(err, wrong)
	}
}

// hears Odoo how an Operation has ended, and on each cluster.
func (w *World) hears(name string) func() error {
	return func() error {
		return w.await("Odoo to hear how it ended", func() string {
			ended, clusters := 0, map[string]bool{}
			for _, e := range w.Odoo.Events() {
				switch {
				case e.ResourceRef.Name != name || e.Snapshot:
				case e.Kind == wire.EventClusterResult:
					clusters[e.Cluster] = true
				case e.Terminal():
					ended++
				}
			}
			if ended != 1 || len(clusters) != 1+len(far) {
				return fmt.Sprintf("the end %d times, and that of %v", ended, clusters)
			}
			return ""
		})
	}
}
