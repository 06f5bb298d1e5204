// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	volsyncv1alpha1 "github.com/backube/volsync/api/v1alpha1"
	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines/velero"
)

const (
	// labelWorkflow is on the pods of a Workflow.
	labelWorkflow = "workflows.argoproj.io/workflow"
	kindInstance  = "ApplicationInstance"
)

// Refs are what a run made or changed, in its order, with what was made to prepare its target, and the HelmRelease behind an instance that was upgraded.
func (in *Instance) Refs() []opsv1alpha1.ResourceRef {
	s := &in.Operation.Status
	var all []opsv1alpha1.ResourceRef
	for _, p := range s.Preparations {
		if p.State != opsv1alpha1.PreparationUndone || p.Message != "" || s.Reason == opsv1alpha1.ReasonQuiesceFailed {
			all = append(all, p.Resources...)
			all = append(all, p.UndoResources...)
		}
	}
	for _, r := range s.Resources {
		if r.Kind != kindInstance { // it is the target, and has a link of its own
			all = append(all, r)
		}
	}
	isRelease := func(r opsv1alpha1.ResourceRef) bool { return r.Kind == helmv2.HelmReleaseKind }
	if s.Engine == opsv1alpha1.EngineHelm && !slices.ContainsFunc(all, isRelease) && in.Target.Object != nil {
		if r := in.Target.Object.Status.HelmReleaseRef; r != nil {
			all = append(all, opsv1alpha1.ResourceRef{APIVersion: helmv2.GroupVersion.String(), Kind: helmv2.HelmReleaseKind, Namespace: r.Namespace, Name: r.Name})
		}
	}
	return all
}

// readMade reads what the run made, and what its engine needs.
func (in *Instance) readMade(ctx context.Context, from client.Reader) error {
	for _, ref := range in.Refs() {
		m, err := readObject(ctx, from, ref)
		if err != nil {
			return err
		}
		if m.Object != nil {
			if m.Parts, err = Parts(ctx, from, in.Operation, m.Object); err != nil {
				m.Why = err.Error()
			}
			if _, isJob := m.Object.(*batchv1.Job); isJob && len(m.Parts) == 0 {
				m.Events = warnings(ctx, from, m.Object)
			}
		}
		in.Made = append(in.Made, m)
	}
	if cmp.Or(in.Operation.Status.Engine, in.Operation.Spec.Engine) == opsv1alpha1.EngineVelero || slices.Contains(storageReasons, in.Operation.Status.Reason) {
		list := &velerov1.BackupStorageLocationList{}
		if err := from.List(ctx, list, client.InNamespace(in.veleroNamespace())); err == nil { // else the Operation's own message has to do
			for i := range list.Items {
				in.Beside = append(in.Beside, &list.Items[i])
			}
		}
	}
	return nil
}

func (in *Instance) veleroNamespace() string {
	for _, r := range in.Operation.Status.Resources {
		if r.Kind == "Backup" || r.Kind == "Restore" {
			return r.Namespace
		}
	}
	return velero.DefaultNamespace
}

// readObject that a run made. Another one of that name is not it.
func readObject(ctx context.Context, from client.Reader, ref opsv1alpha1.ResourceRef) (Made, error) {
	m := Made{Ref: ref}
	gv, err := schema.ParseGroupVersion(ref.APIVersion)
	if err != nil {
		return m, fmt.Errorf("status.resources names apiVersion %q: %w", ref.APIVersion, err)
	}
	o := newObject(gv.WithKind(ref.Kind))
	switch err := from.Get(ctx, client.ObjectKey{Namespace: ref.Namespace, Name: ref.Name}, o); {
	case apierrors.IsNotFound(err):
	case unreadable(err):
		m.Why = short(err)
	case err != nil:
		return m, fmt.Errorf("read %s %s/%s: %w", ref.Kind, ref.Namespace, ref.Name, err)
	case ref.UID == "" || o.GetUID() == ref.UID:
		m.Object = o
	}
	return m, nil
}

// scheme is Scheme, made once.
var scheme = Scheme()

func newObject(gvk schema.GroupVersionKind) client.Object {
	if o, err := scheme.New(gvk); err == nil {
		if typed, is := o.(client.Object); is {
			return typed
		}
	}
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(gvk)
	return u
}

// Parts of an object that a run made: pods of a Job, a Workflow or a mover in the order in which they began, volumes of a Backup or Restore.
func Parts(ctx context.Context, from client.Reader, op *opsv1alpha1.Operation, o client.Object) ([]client.Object, error) {
	run := client.MatchingLabels{opsv1alpha1.LabelOperation: string(op.UID)}
	switch o := o.(type) {
	case *batchv1.Job:
		return podsWith(ctx, from, o.Namespace, client.MatchingLabels{batchv1.JobNameLabel: o.Name}, func(p *corev1.Pod) bool { return metav1.IsControlledBy(p, o) })
	case *wfv1.Workflow:
		return podsWith(ctx, from, o.Namespace, client.MatchingLabels{labelWorkflow: o.Name}, func(*corev1.Pod) bool { return true })
	case *volsyncv1alpha1.ReplicationSource, *volsyncv1alpha1.ReplicationDestination:
		return podsWith(ctx, from, o.GetNamespace(), run, func(p *corev1.Pod) bool { return p.Labels[opsv1alpha1.LabelStep] == "" })
	case *velerov1.Backup:
		list := &velerov1.PodVolumeBackupList{}
		err := from.List(ctx, list, client.InNamespace(o.Namespace), client.MatchingLabels{velerov1.BackupNameLabel: o.Name})
		return pointers(list.Items), err
	case *velerov1.Restore:
		list := &velerov1.PodVolumeRestoreList{}
		err := from.List(ctx, list, client.InNamespace(o.Namespace), client.MatchingLabels{velerov1.RestoreNameLabel: o.Name})
		return pointers(list.Items), err
	}
	return nil, nil
}

func pointers[T any, P interface {
	*T
	client.Object
}](items []T) []client.Object {
	all := make([]client.Object, len(items))
	for i := range items {
		all[i] = P(&items[i])
	}
	return all
}

func podsWith(ctx context.Context, from client.Reader, namespace string, labels client.MatchingLabels, of func(*corev1.Pod) bool) ([]client.Object, error) {
	list := &corev1.PodList{}
	if err := from.List(ctx, list, client.InNamespace(namespace), labels); err != nil {
		return nil, fmt.Errorf("list the pods: %w", err)
	}
	pods := slices.DeleteFunc(list.Items, func(p corev1.Pod) bool { return !of(&p) })
	slices.SortFunc(pods, func(a, b corev1.Pod) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	return pointers(pods), nil
}

// warnings about an object, the newest first. Who may not read Events sees none.
func warnings(ctx context.Context, from client.Reader, o client.Object) []corev1.Event {
	list := &corev1.EventList{}
	if err := from.List(ctx, list, client.InNamespace(o.GetNamespace()), client.MatchingFields{"involvedObject.uid": string(o.GetUID())}); err != nil {
		return nil
	}
	all := slices.DeleteFunc(list.Items, func(e corev1.Event) bool { return e.Type != corev1.EventTypeWarning })
	slices.SortFunc(all, func(a, b corev1.Event) int { return EventTime(&b).Compare(EventTime(&a).Time) })
	return all
}

// EventTime is when an Event was last seen.
func EventTime(e *corev1.Event) *metav1.Time {
	if e.Series != nil {
		return &metav1.Time{Time: e.Series.LastObservedTime.Time}
	}
	if !e.LastTimestamp.IsZero() {
		return &e.LastTimestamp
	}
	if !e.EventTime.IsZero() {
		return &metav1.Time{Time: e.EventTime.Time}
	}
	return &e.CreationTimestamp
}
