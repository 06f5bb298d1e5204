// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/wait"
	clusterv1beta1 "open-cluster-management.io/api/cluster/v1beta1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// What stories are told with. All of it is done as an administrator, past the faults.

// Create makes objects on an API server.
func (w *World) Create(api API, objects ...client.Object) error {
	for _, o := range objects {
		if err := w.insist(func() error { return w.client(api).Create(w.ctx, o) }); err != nil {
			return fmt.Errorf("create %T %s on the %s: %w", o, o.GetName(), api, err)
		}
	}
	return nil
}

// Delete an object, as kubectl does.
func (w *World) Delete(api API, o client.Object) error {
	return w.insist(func() error {
		return client.IgnoreNotFound(w.client(api).Delete(w.ctx, o, client.PropagationPolicy(metav1.DeletePropagationBackground)))
	})
}

// insist tries again while an API server is away, or cannot write: people do.
func (w *World) insist(do func() error) error {
	tried := false
	var last error
	err := wait.PollUntilContextTimeout(w.ctx, 100*time.Millisecond, w.patience, true, func(context.Context) (bool, error) {
		last = do()
		if apierrors.IsAlreadyExists(last) && tried {
			last = nil // the first try has arrived after all
		}
		tried = true
		if last != nil && isOutage(last) {
			return false, nil
		}
		return true, last
	})
	if last != nil {
		return last
	}
	return err
}

// Change an object that others write too.
func (w *World) Change(api API, o client.Object, change func()) error {
	return w.insist(func() error {
		if err := w.client(api).Get(w.ctx, client.ObjectKeyFromObject(o), o); err != nil {
			return err
		}
		base := o.DeepCopyObject().(client.Object)
		change()
		return w.client(api).Patch(w.ctx, o, client.MergeFromWithOptions(base, client.MergeFromWithOptimisticLock{}))
	})
}

// Operation of a namespace as an API server has it; nil when there is none.
func (w *World) Operation(api API, namespace, name string) *opsv1alpha1.Operation {
	o := w.mirror.get(api, "Operation", namespace, name)
	if o == nil {
		return nil
	}
	op := &opsv1alpha1.Operation{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, op); err != nil {
		return nil // the CRD would not have let it through
	}
	return op
}

// Reaches waits until an Operation on the hub has a phase, and a reason when one is given. Another end is an error at once.
func (w *World) Reaches(name string, phase opsv1alpha1.OperationPhase, reason string) error {
	var wrong error
	err := w.await(fmt.Sprintf("Operation %s to be %s/%s", name, phase, reason), func() string {
		op := w.Operation(OnHub, apps, name)
		if op == nil {
			return "it is not there"
		}
		s := op.Status
		if s.Phase == phase && (reason == "" || s.Reason == reason) {
			return ""
		}
		is := fmt.Sprintf("it is %s/%s: %s", s.Phase, s.Reason, s.Message)
		if s.Phase.Terminal() {
			wrong = errors.New(is)
			return ""
		}
		return is
	})
	return errors.Join(err, wrong)
}

// AtWork waits until n runs on the spoke have been recorded, and seen to have begun.
func (w *World) AtWork(n int) error {
	return w.await(fmt.Sprintf("%d runs to be at work", n), func() string {
		begun := 0
		for _, o := range w.mirror.all(OnSpoke, "Operation") {
			if outputs, _, _ := unstructured.NestedMap(o.Object, "status", "outputs"); len(outputs) > 0 {
				begun++
			}
		}
		if begun < n {
			return fmt.Sprintf("%d are", begun)
		}
		return ""
	})
}

// everywhereAtWork waits until the hub knows that every cluster is at work.
func (w *World) everywhereAtWork() error {
	return w.await("all clusters to be at work", func() string {
		op := w.Operation(OnHub, apps, "op")
		if op == nil || op.Status.Summary == nil || op.Status.Summary.Clusters == nil || op.Status.Summary.Clusters.Running < int32(1+len(far)) {
			return "not all are"
		}
		return ""
	})
}

// Installed waits until every instance on the spoke is ready.
func (w *World) Installed() error {
	return w.await("the instances to be ready", func() string {
		all := w.mirror.all(OnSpoke, "ApplicationInstance")
		if len(all) == 0 {
			return "there is none"
		}
		for _, o := range all {
			if text(o, "status", "ready") != "True" {
				return o.GetName() + " is not"
			}
		}
		return ""
	})
}

// Stopped waits until n runs on the spoke, and what is delivered to every cluster, have been told to stop.
func (w *World) Stopped(n int) error {
	return w.await(fmt.Sprintf("%d runs to be stopped", n), func() string {
		for _, o := range w.mirror.all(OnHub, "ManifestWork") {
			manifests, _, _ := unstructured.NestedSlice(o.Object, "spec", "workload", "manifests")
			for _, m := range manifests {
				op := unstructured.Unstructured{Object: m.(map[string]any)}
				if cancel, _, _ := unstructured.NestedBool(op.Object, "spec", "cancel"); op.GetKind() == "Operation" && !cancel {
					return "the hub has not told " + o.GetNamespace()
				}
			}
		}
		stopped := 0
		for _, o := range w.mirror.all(OnSpoke, "Operation") {
			if o.GetNamespace() == apps && text(o, "status", "reason") == opsv1alpha1.ReasonUserCancelled {
				stopped++
			}
		}
		if stopped < n {
			return fmt.Sprintf("%d are", stopped)
		}
		return ""
	})
}

// Gone waits until an object of a kind is there no more.
func (w *World) Gone(api API, kind, namespace, name string) error {
	return w.await(fmt.Sprintf("%s %s to be gone", kind, name), func() string {
		if o := w.mirror.get(api, kind, namespace, name); o != nil {
			return fmt.Sprintf("it is there: %s %s: %s", text(o, "status", "phase"), text(o, "status", "reason"), text(o, "status", "message"))
		}
		return ""
	})
}

// None waits until there is no object of some kinds in a namespace.
func (w *World) None(api API, namespace string, kinds ...string) error {
	return w.await(fmt.Sprintf("%s on the %s to be gone", strings.Join(kinds, " and "), api), func() string {
		for _, o := range w.mirror.all(api, kinds...) {
			if o.GetNamespace() == namespace {
				return o.GetKind() + " " + o.GetName() + " is there"
			}
		}
		return ""
	})
}

// Placement on the hub that has decided for clusters.
func (w *World) Placement(name string, clusters ...string) error {
	p := &clusterv1beta1.Placement{ObjectMeta: metav1.ObjectMeta{Namespace: apps, Name: name}}
	d := &clusterv1beta1.PlacementDecision{ObjectMeta: metav1.ObjectMeta{
		Namespace: apps, Name: name + "-decision-1",
		Labels: map[string]string{clusterv1beta1.PlacementLabel: name, clusterv1beta1.DecisionGroupIndexLabel: "0"},
	}}
	if err := w.Create(OnHub, p, d); err != nil {
		return err
	}
	return w.Decide(name, clusters...)
}

// Decide for clusters, as Open Cluster Management's placement controller writes it.
func (w *World) Decide(name string, clusters ...string) error {
	p, d := &clusterv1beta1.Placement{}, &clusterv1beta1.PlacementDecision{}
	if err := errors.Join(
		w.Hub.Get(w.ctx, client.ObjectKey{Namespace: apps, Name: name}, p),
		w.Hub.Get(w.ctx, client.ObjectKey{Namespace: apps, Name: name + "-decision-1"}, d),
	); err != nil {
		return err
	}
	d.Status.Decisions = nil
	for _, c := range clusters {
		d.Status.Decisions = append(d.Status.Decisions, clusterv1beta1.ClusterDecision{ClusterName: c})
	}
	p.Status.NumberOfSelectedClusters = int32(len(clusters))
	p.Status.DecisionGroups = []clusterv1beta1.DecisionGroupStatus{{Decisions: []string{d.Name}, ClustersCount: int32(len(clusters))}}
	meta.SetStatusCondition(&p.Status.Conditions, metav1.Condition{
		Type: clusterv1beta1.PlacementConditionSatisfied, Status: metav1.ConditionTrue, Reason: "AllDecisionsScheduled",
	})
	return errors.Join(w.Hub.Status().Update(w.ctx, d), w.Hub.Status().Update(w.ctx, p))
}

// Placeholder is an instance on the spoke without a release, that advertises every type with an engine.
func Placeholder(name string, engine opsv1alpha1.OperationEngine) *appsv1alpha1.ApplicationInstance {
	ai := &appsv1alpha1.ApplicationInstance{
		ObjectMeta: metav1.ObjectMeta{Namespace: apps, Name: name, Annotations: map[string]string{}},
		Spec:       appsv1alpha1.ApplicationInstanceSpec{Mode: appsv1alpha1.ModePlaceholder, AppRef: appsv1alpha1.AppRef{CatalogID: "shop"}},
	}
	for _, typ := range opsv1alpha1.OperationTypes() {
		ai.Annotations[typ.Capability()] = string(engine)
	}
	return ai
}

// Release is an instance on the spoke that Flux installs from a chart repository.
func Release(name string, engine opsv1alpha1.OperationEngine) *appsv1alpha1.ApplicationInstance {
	ai := Placeholder(name, engine)
	ai.Spec.Mode = appsv1alpha1.ModeManaged
	ai.Spec.Chart = &appsv1alpha1.ChartSpec{SourceType: appsv1alpha1.ChartSourceHelm, URL: "https://charts.example.com", Name: "shop", Version: "1.0.0"}
	ai.Spec.Values = &appsv1alpha1.ValuesSpec{Source: appsv1alpha1.ValuesInline, Inline: &runtime.RawExtension{Raw: []byte(`{"size":"small"}`)}}
	ai.Spec.Release = &appsv1alpha1.ReleaseSpec{Name: name, Namespace: apps}
	return ai
}

// Fleetwide is an Operation on the instances of every cluster of a Placement.
func Fleetwide(name, placement string, typ opsv1alpha1.OperationType, parameters map[string]any) *opsv1alpha1.Operation {
	op := &opsv1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Namespace: apps, Name: name},
		Spec: opsv1alpha1.OperationSpec{
			Placement: &opsv1alpha1.PlacementSpec{PlacementRef: opsv1alpha1.PlacementRef{Name: placement}},
			Selector:  &opsv1alpha1.InstanceSelector{}, Type: typ,
		},
	}
	if parameters != nil {
		raw, err := json.Marshal(parameters)
		if err != nil {
			panic(err) // a story's own parameters
		}
		op.Spec.Parameters = &runtime.RawExtension{Raw: raw}
	}
	return op
}

// Hold keeps the executors of some kinds, or of every kind, and the agents of far clusters from ending what they begin, until Release.
func (w *World) Hold(kinds ...string) { w.play.hold.set(kinds...) }

// Idle keeps the executors of some kinds from beginning, and the agents of far clusters from ending, until Release.
func (w *World) Idle(kinds ...string) { w.play.idle.set(kinds...) }

// Release lets them.
func (w *World) Release() {
	w.play.hold.unset()
	w.play.idle.unset()
}

// Fail makes the executors of some kinds, or of every kind, fail what they do; and far clusters, by their names, all but to put something back.
func (w *World) Fail(kinds ...string) { w.play.fail.set(kinds...) }

// note writes a line into the world's log, which is shown when the story does not come out.
func (w *World) note(line string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	const most = 64 << 10
	if w.log.Len() < most {
		_, _ = io.WriteString(&w.log, time.Now().Format("15:04:05.000 ")+line+"\n")
	}
}

func (w *World) logger(component string) logr.Logger {
	return funcr.New(func(_, args string) {
		if !isHumdrum(args) {
			w.note(component + " " + args)
		}
	}, funcr.Options{})
}

// isHumdrum tells whether what is logged says nothing about a story.
func isHumdrum(args string) bool {
	return slices.ContainsFunc([]string{`"msg"="Start`, `"msg"="Stop`, `"msg"="All workers`, `"msg"="Shutdown`, `"msg"="Wait completed`}, func(said string) bool {
		return strings.Contains(args, said)
	})
}

// errOutage is what a test says of an API server that is away.
var errOutage = apierrors.NewServiceUnavailable("away")

// isOutage tells whether an error is of an API server that is away or in trouble, or of a write that was late.
func isOutage(err error) bool {
	return apierrors.IsConflict(err) || apierrors.IsInternalError(err) || apierrors.IsServiceUnavailable(err) || apierrors.IsTooManyRequests(err) ||
		apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err) || apierrors.IsUnexpectedServerError(err) ||
		utilnet.IsConnectionRefused(err) || utilnet.IsConnectionReset(err) || utilnet.IsProbableEOF(err) || strings.Contains(err.Error(), "database space exceeded")
}
