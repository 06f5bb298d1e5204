// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	workv1 "open-cluster-management.io/api/work/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

var testNow = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

// before the reader's now.
func before(d time.Duration) metav1.Time { return metav1.NewTime(testNow.Add(-d)) }

func condition(kind string, is bool, reason, message string) metav1.Condition {
	status := metav1.ConditionFalse
	if is {
		status = metav1.ConditionTrue
	}
	return metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message, LastTransitionTime: before(5 * time.Minute)}
}

// operationIn a phase.
func operationIn(namespace, name string, phase opsv1alpha1.OperationPhase, reason, message string) *opsv1alpha1.Operation {
	op := &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: name, UID: types.UID("uid-of-" + name), CreationTimestamp: before(10 * time.Minute),
	}}
	op.Spec.Type = opsv1alpha1.TypeBackup
	op.Status.Phase, op.Status.Reason, op.Status.Message = phase, reason, message
	op.Status.History = []opsv1alpha1.Transition{{Time: before(4 * time.Minute), Phase: phase, Reason: reason, Message: message}}
	return op
}

// blocked makes an Operation wait. One that is held while it rolls out says so in its condition alone, as the hub does.
func blocked(op *opsv1alpha1.Operation) *opsv1alpha1.Operation {
	op.Status.Blocked = true
	op.Status.Conditions = append(op.Status.Conditions, condition(opsv1alpha1.ConditionBlocked, true, op.Status.Reason, op.Status.Message))
	if op.Spec.Placement != nil && op.Status.Phase == opsv1alpha1.PhaseRunning {
		op.Status.Reason = opsv1alpha1.ReasonRollingOut
	}
	return op
}

// running is a run that works as it should on spoke1: told, applied, taken up, and seen from the hub alone.
func running() Facts {
	op := operationIn("shops", "nightly", opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonRollingOut, "0 of 3 clusters ended, 1 running")
	op.Spec.Placement = &opsv1alpha1.PlacementSpec{}
	op.Status.Plan = &opsv1alpha1.PlanStatus{Clusters: 3}
	op.Status.Rollout = &opsv1alpha1.RolloutStatus{Group: "canary", Groups: 2, Started: 1}
	return Facts{
		Now: testNow, Operation: op, Cluster: "spoke1", WorkName: "nightly-abc", Planned: []string{"spoke1", "spoke2", "spoke3"},
		Place:          &Place{Group: "canary", Index: 1, Total: 2, Position: 1, Clusters: 3},
		Result:         placement.ClusterResult{Cluster: "spoke1", State: placement.Running, Reason: opsv1alpha1.ReasonExpanded, Message: "0 of 1 done", StartedAt: testNow.Add(-4 * time.Minute)},
		Work:           found(applied(work(), string(opsv1alpha1.PhaseRunning))),
		ManagedCluster: found(managed(true, "")),
		Lease:          found(lease(20 * time.Second)),
		NoWay:          "cluster spoke1 itself was not looked at",
	}
}

func work() *workv1.ManifestWork {
	return &workv1.ManifestWork{ObjectMeta: metav1.ObjectMeta{Namespace: "spoke1", Name: "nightly-abc", CreationTimestamp: before(5 * time.Minute)}}
}

// applied on the cluster, which has reported a phase, or nothing when that is empty.
func applied(w *workv1.ManifestWork, phase string) *workv1.ManifestWork {
	m := workv1.ManifestCondition{Conditions: []metav1.Condition{condition(workv1.ManifestApplied, true, "AppliedManifestComplete", "")}}
	if phase != "" {
		m.StatusFeedbacks.Values = []workv1.FeedbackValue{{Name: "phase", Value: workv1.FieldValue{Type: workv1.String, String: &phase}}}
	}
	w.Status.ResourceStatus.Manifests = []workv1.ManifestCondition{m}
	return w
}

// notApplied because of something.
func notApplied(w *workv1.ManifestWork, message string) *workv1.ManifestWork {
	w.Status.ResourceStatus.Manifests = []workv1.ManifestCondition{{Conditions: []metav1.Condition{condition(workv1.ManifestApplied, false, "AppliedManifestFailed", message)}}}
	return w
}

func managed(available bool, message string) *clusterv1.ManagedCluster {
	mc := &clusterv1.ManagedCluster{ObjectMeta: metav1.ObjectMeta{Name: "spoke1"}}
	mc.Spec.HubAcceptsClient, mc.Spec.LeaseDurationSeconds = true, 60
	mc.Status.Conditions = []metav1.Condition{condition(clusterv1.ManagedClusterConditionAvailable, available, "ManagedClusterAvailable", message)}
	mc.Status.ClusterClaims = []clusterv1.ManagedClusterClaim{{Name: "velero" + opsv1alpha1.ClaimEngine, Value: "healthy"}}
	return mc
}

func lease(age time.Duration) *coordinationv1.Lease {
	return &coordinationv1.Lease{Spec: coordinationv1.LeaseSpec{RenewTime: &metav1.MicroTime{Time: testNow.Add(-age)}}}
}

// onCluster is running, looked at on the cluster, where the Operation of one instance is as given.
func onCluster(instance *opsv1alpha1.Operation, more ...func(*Instance)) Facts {
	f := running()
	f.NoWay = ""
	delivered := operationIn(opsv1alpha1.DefaultAgentNamespace, "nightly-abc", opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonExpanded, "0 of 1 done")
	if s := instance.Status; s.Phase == opsv1alpha1.PhaseFailed {
		f.Result.State, f.Result.Reason, f.Result.Message = placement.Failed, opsv1alpha1.ReasonSomeFailed, fmt.Sprintf("1 of 1 failed: shops/shop-a: %s: %s", s.Reason, s.Message)
		delivered = operationIn(opsv1alpha1.DefaultAgentNamespace, "nightly-abc", opsv1alpha1.PhaseFailed, f.Result.Reason, f.Result.Message)
	} else if s.Blocked {
		f.Result.Waiting = true
		delivered.Status.Message = fmt.Sprintf("0 of 1 done, 1 blocked: shops/shop-a: %s: %s", s.Reason, s.Message)
		f.Result.Message = delivered.Status.Message
		delivered.Status.Blocked = true
		delivered.Status.Conditions = []metav1.Condition{condition(opsv1alpha1.ConditionBlocked, true, s.Reason, delivered.Status.Message)}
	}
	instance.Spec.TargetRef = &opsv1alpha1.TargetRef{Name: "shop-a"}
	in := Instance{Operation: instance}
	for _, m := range more {
		m(&in)
	}
	f.Below = &Below{Through: "context spoke1", Operation: found(delivered), Proven: true, Instances: []Instance{in}}
	return f
}

// instanceIn a phase, in namespace shops.
func instanceIn(phase opsv1alpha1.OperationPhase, reason, message string) *opsv1alpha1.Operation {
	return operationIn("shops", "nightly-abc-shop-a", phase, reason, message)
}

// made adds something that the run made.
func made(kind, namespace, name string, o client.Object, parts ...client.Object) func(*Instance) {
	return func(in *Instance) {
		in.Made = append(in.Made, Made{Ref: opsv1alpha1.ResourceRef{Kind: kind, Namespace: namespace, Name: name}, Object: o, Parts: parts})
	}
}

func beside(o ...client.Object) func(*Instance) {
	return func(in *Instance) { in.Beside = append(in.Beside, o...) }
}

func target(ready bool, reason, message string) func(*Instance) {
	return func(in *Instance) {
		ai := &appsv1alpha1.ApplicationInstance{ObjectMeta: metav1.ObjectMeta{Namespace: "shops", Name: "shop-a"}}
		ai.Status.Conditions = []metav1.Condition{condition(appsv1alpha1.ConditionReady, ready, reason, message)}
		in.Target = found(ai)
	}
}

// failedJob is a Job that has failed.
func failedJob() *batchv1.Job {
	j := runningJob()
	j.Status.Conditions = []batchv1.JobCondition{{Type: batchv1.JobFailed, Status: corev1.ConditionTrue, Reason: batchv1.JobReasonBackoffLimitExceeded,
		Message: "Job has reached the specified backoff limit", LastTransitionTime: before(time.Minute)}}
	return j
}

func runningJob() *batchv1.Job {
	return &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "shops", Name: "nightly-job"}, Status: batchv1.JobStatus{StartTime: ptr.To(before(3 * time.Minute))}}
}

// pod with one container in a state.
func pod(phase corev1.PodPhase, state corev1.ContainerState, last corev1.ContainerState) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shops", Name: "nightly-job-x1"}, Status: corev1.PodStatus{Phase: phase}}
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "main", Image: "registry.example.com/shop:9", State: state, LastTerminationState: last, RestartCount: 4}}
	return p
}

func waitingFor(reason, message string) corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
}

func exited(code int32, reason, message string) corev1.ContainerState {
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason, Message: message, FinishedAt: before(time.Minute)}}
}
