// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"regexp"
	"strings"

	fluxmeta "github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// absent are the words of registries and repositories for: there is no such chart or version. Not among them: "unauthorized" and
// "denied". Some registries say that of what does not exist, but it is also what an expired password looks like, and that heals.
var absent = regexp.MustCompile(`MANIFEST_UNKNOWN|NAME_UNKNOWN|NOT_FOUND|404 Not Found|status code 404|: not found|no chart version found|no chart name found|no '[^']*' chart with version matching`)

// invalidReference is Flux's reason for a chart or version that the repository's index does not have. Flux then waits for a new index.
const invalidReference = "InvalidChartReference"

// judgeSource says what is wrong with the chart. Nil means: it is there, or it cannot be told here and Flux will.
func (w *wanted) judgeSource(live *release) *engines.Outcome {
	goal := w.goal()
	switch {
	case goal == "":
		return nil
	case live.oci != nil:
		return w.judgeOCI(live.oci, goal)
	case live.chart != nil:
		return w.judgeChart(live, goal)
	}
	ready := meta.FindStatusCondition(live.hr.Status.Conditions, fluxmeta.ReadyCondition)
	if ready != nil && ready.Reason == "SourceNotReady" && strings.Contains(ready.Message, plainVersion(goal)) && absent.MatchString(ready.Message) {
		return chartNotFound(goal, ready)
	}
	return nil
}

func (w *wanted) judgeOCI(oci *sourcev1.OCIRepository, goal string) *engines.Outcome {
	if w.asked(oci) && oci.Status.LastHandledReconcileAt != w.token() {
		return running(opsv1alpha1.ReasonEngineStarted, "Flux has not looked at OCIRepository %s again yet", oci.Name)
	}
	stalled := present(oci.Status.Conditions, fluxmeta.StalledCondition, oci.Generation)
	failed := present(oci.Status.Conditions, sourcev1.FetchFailedCondition, oci.Generation)
	artifact := oci.Status.Artifact
	switch {
	case stalled != nil:
		return chartInvalid(goal, stalled)
	case artifact != nil && strings.HasPrefix(artifact.Revision, tagOf(goal)+"@") && oci.Status.ObservedGeneration == oci.Generation:
		return nil
	case failed != nil && absent.MatchString(failed.Message):
		return chartNotFound(goal, failed)
	case failed != nil:
		return chartUnavailable(goal, failed)
	}
	return running(opsv1alpha1.ReasonEngineRunning, "OCIRepository %s is fetching chart version %s", oci.Name, goal)
}

func (w *wanted) judgeChart(live *release, goal string) *engines.Outcome {
	chart := live.chart
	stalled := present(chart.Status.Conditions, fluxmeta.StalledCondition, chart.Generation)
	failed := present(chart.Status.Conditions, sourcev1.FetchFailedCondition, chart.Generation)
	if failed == nil {
		failed = present(chart.Status.Conditions, sourcev1.BuildFailedCondition, chart.Generation)
	}
	switch {
	case chart.Spec.Version != goal:
		return running(opsv1alpha1.ReasonEngineRunning, "HelmChart %s does not ask for chart version %s yet", chart.Name, goal)
	case stalled != nil && stalled.Reason == invalidReference:
		if o := w.indexIsOld(live, stalled); o != nil {
			return o
		}
		return chartNotFound(goal, stalled)
	case stalled != nil:
		return chartInvalid(goal, stalled)
	case chart.Status.ObservedGeneration == chart.Generation && chart.Status.Artifact != nil && SameVersion(chart.Status.Artifact.Revision, goal):
		return nil
	case failed != nil && absent.MatchString(failed.Message):
		return chartNotFound(goal, failed)
	case failed != nil:
		return chartUnavailable(goal, failed)
	}
	return running(opsv1alpha1.ReasonEngineRunning, "HelmChart %s is fetching chart version %s", chart.Name, goal)
}

// indexIsOld tells that a version is only missing from an index that was fetched before this run asked for a new one.
func (w *wanted) indexIsOld(live *release, missing *metav1.Condition) *engines.Outcome {
	repository := live.repository
	if repository == nil || !w.asked(repository) {
		return nil
	}
	if failed := meta.FindStatusCondition(repository.Status.Conditions, sourcev1.FetchFailedCondition); failed != nil && failed.Status == metav1.ConditionTrue {
		return running(ReasonChartUnavailable, "HelmRepository %s cannot be fetched; Flux tries again: %s", repository.Name, describe(failed))
	}
	artifact := repository.Status.Artifact
	if repository.Status.LastHandledReconcileAt == w.token() &&
		(artifact == nil || artifact.Revision == live.chart.Status.ObservedSourceArtifactRevision) {
		return nil
	}
	return running(opsv1alpha1.ReasonEngineRunning, "HelmRepository %s is fetching its index again: %s", repository.Name, missing.Message)
}

// present is a condition that is True and speaks of that generation; what speaks of an older one is about an older version.
func present(conditions []metav1.Condition, kind string, generation int64) *metav1.Condition {
	c := meta.FindStatusCondition(conditions, kind)
	if c == nil || c.Status != metav1.ConditionTrue || c.ObservedGeneration != generation {
		return nil
	}
	return c
}

func chartNotFound(version string, c *metav1.Condition) *engines.Outcome {
	o := engines.Failed(ReasonChartNotFound, "there is no chart version %s where the chart comes from; the release was not touched: %s", version, describe(c))
	return &o
}

func chartInvalid(version string, c *metav1.Condition) *engines.Outcome {
	o := engines.Failed(ReasonChartInvalid, "chart version %s cannot be used; the release was not touched: %s", version, describe(c))
	return &o
}

func chartUnavailable(version string, c *metav1.Condition) *engines.Outcome {
	return running(ReasonChartUnavailable, "chart version %s cannot be fetched; Flux tries again: %s", version, describe(c))
}
