// SPDX-License-Identifier: Apache-2.0

package jobs

import (
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vworkspace.io/fleet/engines"
	"vworkspace.io/fleet/engines/enginetest"
)

// Every condition that a Job can have either ends the run or does not; a new one has to be looked at.
func TestConditions(t *testing.T) {
	want := map[string]engines.State{
		string(batchv1.JobComplete):           engines.StateSucceeded,
		string(batchv1.JobFailed):             engines.StateFailed,
		string(batchv1.JobSuspended):          engines.StateRunning,
		string(batchv1.JobFailureTarget):      engines.StateRunning,
		string(batchv1.JobSuccessCriteriaMet): engines.StateRunning,
	}
	for _, kind := range enginetest.Phases(t, "k8s.io/api/batch/v1", "JobConditionType") {
		job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "check"}, Status: batchv1.JobStatus{
			Conditions: []batchv1.JobCondition{{Type: batchv1.JobConditionType(kind), Status: corev1.ConditionTrue}},
		}}
		o, err := Judge(t.Context(), enginetest.NewCluster(t).Reader(), job, "Job check")
		if state, known := want[kind]; err != nil || !known || o.State != state {
			t.Errorf("condition %s: %s (%s: %s), %v; want %q", kind, o.State, o.Reason, o.Message, err, state)
		}
	}
}

// A sidecar is stopped when the work is done or has failed, and may call that a failure; an init container fails before there is work.
func TestWhichContainerFailed(t *testing.T) {
	ended := func(name string, code int32) corev1.ContainerStatus {
		return corev1.ContainerStatus{Name: name, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code}}}
	}
	for name, c := range map[string]struct {
		status corev1.PodStatus
		want   string
	}{
		"alone": {corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{ended("main", 3)}}, "pod p exited with code 3"},
		"init":  {corev1.PodStatus{InitContainerStatuses: []corev1.ContainerStatus{ended("wait", 2)}}, "pod p exited with code 2"},
		"init before main": {corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "main"}},
			InitContainerStatuses: []corev1.ContainerStatus{ended("wait", 2)}}, "container wait of pod p exited with code 2"},
		"sidecar": {corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{ended("main", 3)},
			InitContainerStatuses: []corev1.ContainerStatus{ended("proxy", 143)}}, "container main of pod p exited with code 3"},
	} {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Status: c.status}
		if got := cause(pod, 200); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
