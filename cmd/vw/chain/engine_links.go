// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"cmp"
	"fmt"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	volsyncv1alpha1 "github.com/backube/volsync/api/v1alpha1"
	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// made is something that a run made or changed, with its parts.
func (w *walk) made(in *Instance, m *Made, depth int) {
	ref := m.Ref
	name := ref.Kind + " " + ref.Name
	if ref.Namespace != "" {
		name = ref.Kind + " " + ref.Namespace + "/" + ref.Name
	}
	n := node{Link: Link{Step: StepEngine, Depth: depth, Name: name, Object: &ref, State: OK}}
	over := in.Operation.Status.Phase.Terminal()
	switch {
	case m.Object == nil && m.Why != "":
		n.State, n.Phase, n.Message = Unknown, "not seen", m.Why
	case m.Object == nil:
		n.State, n.Phase = Unknown, "gone"
		if !over {
			n.State, n.Message = Broken, "it is gone, and the run has not ended"
			n.advice = advise(opsv1alpha1.ReasonResultLost, w.here(ref.Namespace))
		}
	default:
		w.engine(&n, in, m)
	}
	if in.Operation.Status.Phase == opsv1alpha1.PhaseSucceeded && n.State == Broken {
		n.State = Unknown // what has become of it since is not of this run
	}
	w.add(n)
	if m.Object == nil || in.Operation.Status.Phase == opsv1alpha1.PhaseSucceeded && len(m.Parts) > 3 {
		return
	}
	w.parts(m, depth+1)
}

// engine says how an object of an engine is.
func (w *walk) engine(n *node, in *Instance, m *Made) {
	switch o := m.Object.(type) {
	case *batchv1.Job:
		w.job(n, o, m)
	case *wfv1.Workflow:
		w.workflow(n, o)
	case *velerov1.Backup:
		veleroTask(n, string(o.Status.Phase), o.Status.FailureReason, o.Status.ValidationErrors, o.Status.Errors, o.Status.StartTimestamp, o.Status.CompletionTimestamp)
		n.advice = cmp.Or(n.advice, fmt.Sprintf("%s; velero -n %s backup describe %s --details", w.logs(), o.Namespace, o.Name))
	case *velerov1.Restore:
		veleroTask(n, string(o.Status.Phase), o.Status.FailureReason, o.Status.ValidationErrors, o.Status.Errors, o.Status.StartTimestamp, o.Status.CompletionTimestamp)
		n.advice = cmp.Or(n.advice, fmt.Sprintf("%s; velero -n %s restore describe %s --details", w.logs(), o.Namespace, o.Name))
	case *helmv2.HelmRelease:
		w.release(n, o)
		w.chart(n, in)
	case *volsyncv1alpha1.ReplicationSource:
		if s := o.Status; s != nil {
			w.replication(n, s.LatestMoverStatus, s.Conditions, s.LastSyncTime, o.Spec.Paused)
		}
	case *volsyncv1alpha1.ReplicationDestination:
		if s := o.Status; s != nil {
			w.replication(n, s.LatestMoverStatus, s.Conditions, s.LastSyncTime, o.Spec.Paused)
		}
	case *corev1.PersistentVolumeClaim:
		n.Phase, n.Since = string(o.Status.Phase), &o.CreationTimestamp
	default:
		n.Phase, n.Since = "there", created(m.Object)
	}
	n.Phase = cmp.Or(n.Phase, "new")
}

func created(o client.Object) *metav1.Time {
	t := o.GetCreationTimestamp()
	return &t
}

// parts of something that was made.
func (w *walk) parts(m *Made, depth int) {
	for _, part := range m.Parts {
		switch o := part.(type) {
		case *corev1.Pod:
			w.pod(o, depth)
		case *velerov1.PodVolumeBackup:
			w.volume("PodVolumeBackup", o, string(o.Status.Phase), o.Status.Message, o.Status.StartTimestamp, depth)
		case *velerov1.PodVolumeRestore:
			w.volume("PodVolumeRestore", o, string(o.Status.Phase), o.Status.Message, o.Status.StartTimestamp, depth)
		}
	}
}

// job is a Job. That it failed is the effect of its pod, where there still is one.
func (w *walk) job(n *node, job *batchv1.Job, m *Made) {
	n.Phase, n.Since = "running", job.Status.StartTime
	n.Message = fmt.Sprintf("%d active, %d succeeded, %d failed", job.Status.Active, job.Status.Succeeded, job.Status.Failed)
	for _, c := range job.Status.Conditions {
		if c.Status != corev1.ConditionTrue {
			continue
		}
		switch c.Type {
		case batchv1.JobComplete:
			n.Phase, n.Since = "Complete", &c.LastTransitionTime
		case batchv1.JobFailed:
			n.State, n.Phase, n.Since, n.Message = Broken, "Failed", &c.LastTransitionTime, said(c.Reason, c.Message)
			n.effect = true
			n.cause = fmt.Sprintf("Job %s/%s failed: %s", job.Namespace, job.Name, said(c.Reason, c.Message))
			n.advice = w.logs() + " shows what its pods said, as long as they are there"
			return
		case batchv1.JobSuspended:
			n.State, n.Phase = Waiting, "Suspended"
			n.advice = fmt.Sprintf("kubectl -n %s patch job %s -p '{\"spec\":{\"suspend\":false}}'", job.Namespace, job.Name)
			return
		case batchv1.JobSuccessCriteriaMet, batchv1.JobFailureTarget: // announce an end whose pods still run
		}
	}
	if len(m.Parts) == 0 && n.Phase == "running" && len(m.Events) > 0 {
		e := m.Events[0]
		n.State, n.Phase, n.Message = Broken, e.Reason, e.Message
		n.cause = fmt.Sprintf("Job %s/%s has no pod: %s", job.Namespace, job.Name, said(e.Reason, e.Message))
		n.advice = "its ServiceAccount has to be there, and quotas and Pod Security have to allow the pod; it goes on by itself then"
	}
}

func partRef(version, kind string, o client.Object) *opsv1alpha1.ResourceRef {
	return &opsv1alpha1.ResourceRef{APIVersion: version, Kind: kind, Namespace: o.GetNamespace(), Name: o.GetName(), UID: o.GetUID()}
}
