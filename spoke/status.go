// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/approvals"
	"vworkspace.io/fleet/catalog"
	"vworkspace.io/fleet/catalog/redact"
	"vworkspace.io/fleet/engines"
	"vworkspace.io/fleet/telemetry"
)

// visit is one look at one Operation: what was read, what has become of its status, and when to look again.
type visit struct {
	*site
	// op is changed in place; finish writes its status.
	op     *opsv1alpha1.Operation
	before opsv1alpha1.OperationStatus
	// clock tells what time it is by now, and now is when the visit began. A quiesce lies between them, which may take minutes.
	clock clock.PassiveClock
	now   time.Time
	again time.Duration
	// redaction of what is told about the run: in its status and so in Events and log lines, which follow from it, and in errors.
	redaction redact.Redaction
	// approval by which the Operation starts, if it needs one.
	approval *approvals.Approval
	// back are the parameters that put each instance back which another run has changed.
	back map[types.NamespacedName]*runtime.RawExtension
	// idle: what failed lately was left alone for a moment.
	idle bool
}

// newVisit of an Operation. One that has started goes by the parameters that it started with.
func newVisit(s *site, op *opsv1alpha1.Operation, c clock.PassiveClock) *visit {
	v := &visit{site: s, op: op, before: *op.Status.DeepCopy(), clock: c, now: c.Now(), redaction: redact.Of(op)}
	if v.running() {
		op.Spec.Parameters = catalog.Filled(op)
	}
	return v
}

func (v *visit) to() opsv1alpha1.Transitioner { return v.op.Transition(v.clock.Now()) }

// moment is the present one, as a status holds it.
func (v *visit) moment() metav1.Time { return metav1.NewTime(v.clock.Now().Truncate(time.Second)) }

func (v *visit) terminal() bool { return v.op.Status.Phase.Terminal() }

func (v *visit) running() bool { return v.op.Status.Phase == opsv1alpha1.PhaseRunning }

// stopping tells whether somebody wants the run to end, by spec.cancel or by deleting the Operation.
func (v *visit) stopping() bool { return v.op.Spec.Cancel || !v.op.DeletionTimestamp.IsZero() }

// lookAgain after d at the latest. The smallest of several wins; what is past means at once.
func (v *visit) lookAgain(d time.Duration) {
	if d = max(d, time.Millisecond); v.again == 0 || d < v.again {
		v.again = d
	}
}

// remember since when a run gets no further. A visit that tried nothing tells nothing about it, and neither does one that met a newer version.
func (v *visit) remember(err error) {
	switch s := &v.op.Status; {
	case !v.running() || v.op.Spec.TargetRef == nil || v.idle || apierrors.IsConflict(err):
	case err == nil:
		s.FailingSince = nil
	case s.FailingSince == nil:
		now := v.moment()
		s.FailingSince = &now
	}
}

// failing is since when the run gets no further: from now on, when that is new.
func (v *visit) failing() time.Time {
	if since := v.op.Status.FailingSince; since != nil {
		return since.Time
	}
	return v.now
}

// failedFor tells whether the run has got no further for as long as that.
func (v *visit) failedFor(d time.Duration) bool { return v.now.Sub(v.failing()) >= d }

// write puts the status where others see it, if it differs from what is there, and then tells and counts what has come to be. It fails with a
// conflict when the Operation has changed since it was read. After an error nothing may be done that needed the write.
func (v *visit) write(ctx context.Context) error {
	v.redaction.Status(&v.op.Status)
	if equality.Semantic.DeepEqual(v.before, v.op.Status) {
		return nil
	}
	want := v.op.DeepCopy()
	if err := v.Status().Update(ctx, want); err != nil {
		return fmt.Errorf("write the status of Operation %s/%s: %w", v.op.Namespace, v.op.Name, err)
	}
	before := v.before
	v.op.ResourceVersion, v.op.Status = want.ResourceVersion, want.Status
	v.before = *want.Status.DeepCopy()
	telemetry.Tell(ctx, v.recorder, v.op, before)
	v.metrics.wrote(v.op, before.Phase)
	return nil
}

func (v *visit) tell(kind, reason, message string) {
	v.recorder.Eventf(v.op, nil, kind, reason, string(v.op.Spec.Type), "%s", v.redaction.Text(message))
}

// report takes over what an engine says besides where the run stands.
func (v *visit) report(out engines.Outcome) error {
	s := &v.op.Status
	s.Progress = out.Progress
	if out.LogsRef != nil {
		s.LogsRef = out.LogsRef.DeepCopy()
	}
	said := v.redaction.Outputs(out.Outputs)
	if len(said) == 0 || maps.Equal(said, outputs(s.Outputs)) {
		return nil
	}
	raw, err := json.Marshal(said)
	if err != nil {
		return fmt.Errorf("encode the outputs: %w", err)
	}
	s.Outputs = &runtime.RawExtension{Raw: raw}
	return nil
}

// outputs decodes what was recorded; what cannot be decoded counts as nothing and is replaced.
func outputs(raw *runtime.RawExtension) map[string]string {
	var m map[string]string
	if raw == nil || json.Unmarshal(raw.Raw, &m) != nil {
		return nil
	}
	return m
}
