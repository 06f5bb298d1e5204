// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// requestedAt asks Flux to look now; lastHandledReconcileAt answers.
const requestedAt = "reconcile.fluxcd.io/requestedAt"

// repository plays source-controller: the index is there, and was looked at when somebody has asked for it.
func (p *players) repository(o *unstructured.Unstructured) bool {
	asked, s := o.GetAnnotations()[requestedAt], status(o)
	if s["artifact"] != nil && s["observedGeneration"] == o.GetGeneration() && text(o, "status", "lastHandledReconcileAt") == asked {
		return false
	}
	fields := map[string]any{
		"observedGeneration": o.GetGeneration(), "artifact": artifact("index.yaml", "sha256:1"), "conditions": []any{ready(o, "Succeeded", "stored artifact")},
	}
	if asked != "" {
		fields["lastHandledReconcileAt"] = asked
	}
	return become(o, fields)
}

// chart plays source-controller: the version that is asked for has been fetched. And helm-controller, which removes the chart of a release that is gone.
func (p *players) chart(o *unstructured.Unstructured) bool {
	if p.w.mirror.get(OnSpoke, "HelmRelease", o.GetNamespace(), strings.TrimPrefix(o.GetName(), o.GetNamespace()+"-")) == nil {
		if err := p.w.Spoke.Delete(p.w.ctx, o); err != nil && !passing(err) {
			p.w.note("the played helm-controller cannot delete a HelmChart: " + err.Error())
		}
		return false
	}
	if status(o)["observedGeneration"] == o.GetGeneration() {
		return false
	}
	return become(o, map[string]any{
		"observedGeneration": o.GetGeneration(), "observedSourceArtifactRevision": "sha256:1", "observedChartName": text(o, "spec", "chart"),
		"artifact":   artifact("chart.tgz", text(o, "spec", "version")),
		"conditions": []any{ready(o, "ChartPullSucceeded", "pulled the chart")},
	})
}

func artifact(file, revision string) map[string]any {
	return map[string]any{
		"path": file, "url": "http://source.example.com/" + file, "revision": revision, "digest": "sha256:" + fmt.Sprintf("%064d", 0), "lastUpdateTime": now(),
	}
}

func ready(o *unstructured.Unstructured, reason, message string) map[string]any {
	return map[string]any{
		"type": "Ready", "status": "True", "reason": reason, "message": message, "observedGeneration": o.GetGeneration(), "lastTransitionTime": now(),
	}
}

// release plays helm-controller: it has the chart fetched, and then it is installed or upgraded.
func (p *players) release(o *unstructured.Unstructured) bool {
	if suspended, _, _ := unstructured.NestedBool(o.Object, "spec", "suspend"); suspended {
		return false
	}
	version := text(o, "spec", "chart", "spec", "version")
	chart := p.w.mirror.get(OnSpoke, "HelmChart", o.GetNamespace(), o.GetNamespace()+"-"+o.GetName())
	if chart == nil || text(chart, "spec", "version") != version {
		p.wantChart(o)
		return false
	}
	if status(o)["observedGeneration"] == o.GetGeneration() || text(chart, "status", "artifact", "revision") != version || !p.may(o) {
		return false
	}
	message := fmt.Sprintf("Helm upgrade succeeded for release %s/%s with chart %s@%s", o.GetNamespace(), o.GetName(), text(o, "spec", "chart", "spec", "chart"), version)
	before, _, _ := unstructured.NestedSlice(o.Object, "status", "history")
	if p.fails(o) {
		return rolledBack(o, before, version)
	}
	released := ready(o, "UpgradeSucceeded", message)
	released["type"] = "Released"
	return become(o, map[string]any{
		"observedGeneration": o.GetGeneration(), "lastAttemptedGeneration": o.GetGeneration(), "lastAttemptedRevision": version,
		"lastAttemptedConfigDigest": "sha256:aa", "storageNamespace": o.GetNamespace(), "helmChart": chart.GetNamespace() + "/" + chart.GetName(),
		"history":    history(o, before, version),
		"conditions": []any{ready(o, "UpgradeSucceeded", message), released},
	})
}

// rolledBack is a release whose upgrade has failed, and that was put back to what it was, as our agent has Flux do it.
func rolledBack(o *unstructured.Unstructured, before []any, version string) bool {
	if len(before) == 0 {
		return false // there is nothing to go back to: a story lets nothing fail before it is installed
	}
	was, _ := before[0].(map[string]any)["chartVersion"].(string)
	attempt := history(o, before, version)
	attempt[0].(map[string]any)["status"] = "failed"
	condition := func(kind, status, reason, message string) any {
		c := ready(o, reason, message)
		c["type"], c["status"] = kind, status
		return c
	}
	failure := fmt.Sprintf("Helm upgrade failed for release %s/%s: disk full", o.GetNamespace(), o.GetName())
	return become(o, map[string]any{
		"observedGeneration": o.GetGeneration(), "lastAttemptedGeneration": o.GetGeneration(), "lastAttemptedRevision": version, "upgradeFailures": int64(1),
		"history": history(o, attempt, was),
		"conditions": []any{
			condition("Ready", "False", "UpgradeFailed", failure),
			condition("Stalled", "True", "RetriesExceeded", "Failed to upgrade after 1 attempt(s)"),
			condition("Released", "False", "UpgradeFailed", failure),
			condition("Remediated", "True", "RollbackSucceeded", "Helm rollback to the release before succeeded"),
		},
	})
}

// history of a release after another version than those of old: newest first.
func history(o *unstructured.Unstructured, old []any, version string) []any {
	if len(old) > 0 && old[0].(map[string]any)["chartVersion"] == version {
		return old
	}
	for _, s := range old {
		if was := s.(map[string]any); was["status"] == "deployed" {
			was["status"] = "superseded"
		}
	}
	name := text(o, "spec", "releaseName")
	if name == "" {
		name = o.GetName()
	}
	return append([]any{map[string]any{
		"name": name, "namespace": o.GetNamespace(), "version": int64(len(old) + 1), "status": "deployed",
		"chartName": text(o, "spec", "chart", "spec", "chart"), "chartVersion": version, "configDigest": "sha256:aa", "digest": "sha256:00",
		"firstDeployed": now(), "lastDeployed": now(),
	}}, old...)
}

// wantChart makes the HelmChart of a release, or asks it for another version; but not for a release that has gone since it was seen, which a finalizer keeps the
// real one from.
func (p *players) wantChart(o *unstructured.Unstructured) {
	live := o.DeepCopy()
	err := p.w.Spoke.Get(p.w.ctx, client.ObjectKeyFromObject(o), live)
	if apierrors.IsNotFound(err) || live.GetUID() != o.GetUID() || live.GetDeletionTimestamp() != nil {
		return // looked at again when that is seen
	}
	spec, _, _ := unstructured.NestedMap(o.Object, "spec", "chart", "spec")
	chart := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "HelmChart",
		"metadata": map[string]any{"namespace": o.GetNamespace(), "name": o.GetNamespace() + "-" + o.GetName()},
		"spec": map[string]any{
			"chart": spec["chart"], "version": spec["version"], "interval": "10m", "sourceRef": spec["sourceRef"],
		},
	}}
	apply := client.ApplyConfigurationFromUnstructured(chart)
	if err := p.w.Spoke.Apply(p.w.ctx, apply, client.FieldOwner("helm-controller"), client.ForceOwnership); err != nil && !passing(err) {
		p.w.note("the played helm-controller cannot make a HelmChart: " + err.Error())
	}
}
