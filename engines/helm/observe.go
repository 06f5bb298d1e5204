// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"fmt"
	"strconv"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// observe says where the run stands, from the place that the plan changed down to the Helm release.
func (w *wanted) observe(live *release) engines.Outcome {
	o := w.arrived(live)
	if o == nil {
		judged := w.judge(live)
		o = &judged
	}
	o.Outputs = w.outputs(live)
	if live.hr != nil {
		o.LogsRef = &opsv1alpha1.LogsRef{Kind: helmv2.HelmReleaseKind, Name: live.hr.Name, Namespace: live.hr.Namespace}
	}
	return *o
}

// arrived follows the change to the HelmRelease and its source. Nil means that it is there, and that what Flux says counts.
func (w *wanted) arrived(live *release) *engines.Outcome {
	marked := w.marked(live)
	switch {
	case marked == nil:
		return running(opsv1alpha1.ReasonEngineStarted, "HelmRelease %s does not exist", releaseName(w.run))
	case !w.made(marked) && !w.run.Applied() && w.written(live) && w.settled(live):
		o := engines.Succeeded(opsv1alpha1.ReasonNoChange, "HelmRelease %s runs chart version %s with these values already", live.hr.Name, live.version())
		return &o
	case !w.made(marked):
		return running(opsv1alpha1.ReasonEngineStarted, "%s does not show the change of this run yet", marked.GetName())
	case !w.written(live):
		o := engines.Failed(ReasonTargetChanged, "%s was changed by somebody else before the upgrade was done: its chart version or values are no longer "+
			"those that this run has set", marked.GetName())
		return &o
	}
	if w.managed() {
		if o := w.handedOn(live); o != nil {
			return o
		}
	}
	if o := w.moved(live); o != nil {
		return o
	}
	if w.asked(live.hr) && live.hr.Status.LastHandledReconcileAt != w.token() {
		return running(opsv1alpha1.ReasonEngineStarted, "Flux has not looked at HelmRelease %s again yet", live.hr.Name)
	}
	return nil
}

// managed tells whether the ApplicationInstance decides what its HelmRelease is.
func (w *wanted) managed() bool {
	return w.run.Target != nil && w.run.Target.Spec.Mode != appsv1alpha1.ModeAdopted
}

// marked is the object that carries the run's mark, or nil.
func (w *wanted) marked(live *release) client.Object {
	if w.managed() {
		return w.run.Target
	}
	if live.hr == nil {
		return nil
	}
	return live.hr
}

// goal is the chart version to reach; empty when any will do, because only the values of an adopted release are changed.
func (w *wanted) goal() string {
	if w.version == "" && w.managed() {
		return w.run.Target.Spec.Chart.Version
	}
	return w.version
}

// written tells whether what the run wants still stands where the plan wrote it.
func (w *wanted) written(live *release) bool {
	if w.managed() {
		return holdsAll(w.run.Target, w.instanceFields())
	}
	if !holdsAll(live.hr, valuesFields(w.values, "spec", "values")) {
		return false
	}
	source := live.versionSource()
	if w.version == "" || (source != live.hr && !w.made(source)) {
		return true // not written yet, or not looked at yet: moved waits for it
	}
	return live.wants() == w.version
}

// handedOn waits for the agent's own reconciler, which writes the HelmRelease of a managed instance.
func (w *wanted) handedOn(live *release) *engines.Outcome {
	target := w.run.Target
	if target.Status.ObservedGeneration == target.Generation && live.hr != nil {
		return nil
	}
	return running(opsv1alpha1.ReasonEngineStarted, "ApplicationInstance %s has not been handed on to HelmRelease %s yet%s", target.Name, releaseName(w.run),
		said(target, appsv1alpha1.ConditionBlocked, appsv1alpha1.ConditionReady))
}

// said is what an instance says about its present generation in the first of some conditions.
func said(target *appsv1alpha1.ApplicationInstance, kinds ...string) string {
	for _, kind := range kinds {
		if c := meta.FindStatusCondition(target.Status.Conditions, kind); c != nil && c.ObservedGeneration == target.Generation && c.Message != "" {
			return ": " + c.Reason + ": " + c.Message
		}
	}
	return ""
}

// held is why the agent does not make the HelmRelease what a managed instance wants: somebody else has set a field of it, perhaps.
func (w *wanted) held() string {
	if !w.managed() || !meta.IsStatusConditionTrue(w.run.Target.Status.Conditions, appsv1alpha1.ConditionBlocked) {
		return ""
	}
	return said(w.run.Target, appsv1alpha1.ConditionBlocked)
}

// moved waits until the HelmRelease, or the source that decides its version, says what is wanted.
func (w *wanted) moved(live *release) *engines.Outcome {
	if live.hr.Spec.Suspend {
		return running(ReasonSuspended, "HelmRelease %s is suspended, so Flux does nothing: set its spec.suspend to false", live.hr.Name)
	}
	if goal := w.goal(); goal != "" && live.wants() != "" && live.wants() != goal {
		return running(opsv1alpha1.ReasonEngineStarted, "HelmRelease %s does not ask for chart version %s yet but for %s%s", live.hr.Name, goal, live.wants(), w.held())
	}
	if !holdsAll(live.hr, valuesFields(w.values, "spec", "values")) {
		return running(opsv1alpha1.ReasonEngineStarted, "HelmRelease %s does not have the new values yet%s", live.hr.Name, w.held())
	}
	return nil
}

// settled tells whether the release runs what is wanted, and did so before this run touched anything.
func (w *wanted) settled(live *release) bool {
	if live.hr == nil || (w.managed() && w.handedOn(live) != nil) || w.moved(live) != nil {
		return false
	}
	return w.judge(live).State == engines.StateSucceeded
}

// outputs are names for helm and flux on the command line.
func (w *wanted) outputs(live *release) map[string]string {
	out := map[string]string{}
	if v := w.goal(); v != "" {
		out["toVersion"] = v
	}
	if live.hr == nil {
		return out
	}
	out["helmRelease"] = live.hr.Namespace + "/" + live.hr.Name
	if latest := live.hr.Status.History.Latest(); latest != nil {
		out["revision"] = strconv.Itoa(latest.Version)
	}
	from := live.version()
	if marked := w.marked(live); w.made(marked) {
		from = marked.GetAnnotations()[appsv1alpha1.AnnotationUpgradedFrom]
	}
	if from != "" {
		out["fromVersion"] = from
	}
	return out
}

// holdsAll tells whether obj has all of the values.
func holdsAll(obj client.Object, fields []leaf) bool {
	if len(fields) == 0 {
		return true
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	return err == nil && !(&object{content: content}).lacks(fields)
}

func running(reason, format string, args ...any) *engines.Outcome {
	o := engines.Running(reason, "%s", fmt.Sprintf(format, args...))
	return &o
}
