// SPDX-License-Identifier: Apache-2.0

package ask

import (
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// previewTTL is how long a dry run is kept, in seconds: long enough to look at it again.
const previewTTL = 3600

// Request is all that a person has said. What is left out is left out in the Operation too.
type Request struct {
	Namespace string
	// Name of the Operation; made from Type when empty.
	Name string
	Type opsv1alpha1.OperationType
	// Template that it follows, and Engine that it runs on; hub and agents find them when empty.
	Template string
	Engine   opsv1alpha1.OperationEngine
	// Parameters for the engine.
	Parameters map[string]any
	// Aim is where it goes; its Clusters must have been given a Placement.
	Aim Aim
	// Follow takes clusters in that join the Placement later.
	Follow bool
	// InstancesAtOnce is how many instances of a cluster are at work at a time; all when 0.
	InstancesAtOnce int32
	Rollout         *opsv1alpha1.RolloutSpec
	Window          *opsv1alpha1.Window
	// Timeout of each instance; none when 0.
	Timeout time.Duration
	// Suspend begins no cluster until it is resumed.
	Suspend bool
	// Approval asks for a person's.
	Approval bool
	// ConcurrencyKey names what must not run twice at a time.
	ConcurrencyKey string
	// DryRun does nothing, and says what would be done, as far as its scope goes.
	DryRun opsv1alpha1.DryRunScope
}

// Operation that was asked for. The error is an Invalid one.
func (r Request) Operation() (*opsv1alpha1.Operation, error) {
	op := &opsv1alpha1.Operation{
		TypeMeta:   metav1.TypeMeta{APIVersion: opsv1alpha1.GroupVersion.String(), Kind: "Operation"},
		ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: r.Name},
		Spec: opsv1alpha1.OperationSpec{
			Type: r.Type, Engine: r.Engine, Rollout: r.Rollout, MaintenanceWindow: r.Window, ConcurrencyKey: r.ConcurrencyKey, Suspend: r.Suspend,
		},
	}
	if r.Name == "" {
		op.GenerateName = strings.ToLower(string(r.Type)) + "-"
	}
	if r.Template != "" {
		op.Spec.TemplateRef = &opsv1alpha1.TemplateRef{Name: r.Template}
	}
	if err := r.aim(op); err != nil {
		return nil, err
	}
	if len(r.Parameters) > 0 {
		data, err := raw(r.Parameters)
		if err != nil {
			return nil, err
		}
		op.Spec.Parameters = &runtime.RawExtension{Raw: data}
	}
	if r.Timeout != 0 {
		op.Spec.Timeout = &metav1.Duration{Duration: r.Timeout}
	}
	if r.Approval {
		op.Spec.Approvals = &opsv1alpha1.ApprovalsSpec{Required: true}
	}
	if r.DryRun != "" {
		ttl := int32(previewTTL)
		op.Spec.DryRun, op.Spec.TTLSecondsAfterFinished = true, &ttl
		if r.DryRun != opsv1alpha1.DryRunHub {
			op.Spec.DryRunScope = r.DryRun
		}
	}
	return op, nil
}

// aim the Operation.
func (r Request) aim(op *opsv1alpha1.Operation) error {
	if r.Aim.Target != "" {
		op.Spec.TargetRef = &opsv1alpha1.TargetRef{APIVersion: appsv1alpha1.GroupVersion.String(), Kind: "ApplicationInstance", Name: r.Aim.Target}
		if r.InstancesAtOnce > 0 {
			return invalid("max-instances", "it goes to one instance: leave it out")
		}
	}
	if r.Aim.Selector != nil {
		op.Spec.Selector = r.Aim.Selector.DeepCopy()
		if r.InstancesAtOnce > 0 {
			op.Spec.Selector.MaxConcurrency = &r.InstancesAtOnce
		}
	}
	if r.Aim.Placement != "" {
		op.Spec.Placement = &opsv1alpha1.PlacementSpec{PlacementRef: opsv1alpha1.PlacementRef{Name: r.Aim.Placement}}
		if r.Follow {
			op.Spec.Placement.OnChange = opsv1alpha1.ChangeFollow
		}
		return nil
	}
	switch {
	case r.Rollout != nil:
		return invalid("canary", "there are no clusters to act on one after the other: --canary, --max-concurrency and the like go with --placement or --cluster")
	case r.Suspend:
		return invalid("suspend", "there are no clusters to hold back: it goes with --placement or --cluster")
	case r.Follow:
		return invalid("follow", "there is no Placement to follow: it goes with --placement")
	}
	return nil
}
