// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"fmt"
	"slices"
	"strings"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	"vworkspace.io/fleet/engines/helm"
)

// Conditions and states that Flux writes and its API module does not name.
const (
	fluxReady       = "Ready"
	fluxReconciling = "Reconciling"
	fluxStalled     = "Stalled"
	helmDeployed    = "deployed"
	// fluxSourceNotReady is the reason of a HelmRelease that waits for its chart.
	fluxSourceNotReady = "SourceNotReady"
	// fluxNotYet is in the message while the chart of a new generation is still being fetched, which is no failure.
	fluxNotYet = "latest generation of object has not been reconciled"
)

// finding is what a HelmRelease says about an instance.
type finding struct {
	ready    metav1.ConditionStatus
	reason   string
	message  string
	changing bool
	degraded bool
	blocked  bool
}

// examine reads a HelmRelease truthfully. Flux's Ready alone lies: it stays True after a change until Flux has noticed, and it is True before
// the history has moved on. So Ready counts only together with the generation, the chart that was deployed and the values it was deployed
// with. wanted is the chart version that shall run, or empty when the HelmRelease's owner decides. sourceFailure is what the
// chart's source complains about.
func examine(hr *helmv2.HelmRelease, wanted, sourceFailure string) finding {
	ready := current(hr, fluxReady)
	latest := hr.Status.History.Latest()
	switch {
	case settled(hr, latest, wanted):
		return finding{ready: metav1.ConditionTrue, reason: appsv1alpha1.ReasonInstalled,
			message: fmt.Sprintf("Helm release %s runs chart %s %s", latest.Name, latest.ChartName, deployedVersion(latest))}
	case sourceFailure != "":
		return finding{ready: metav1.ConditionFalse, reason: appsv1alpha1.ReasonSourceFailed, message: sourceFailure, degraded: latest != nil}
	case failed(hr):
		return failure(hr)
	case ready != nil && ready.Status == metav1.ConditionFalse && sourceReason(ready.Reason) && !strings.Contains(ready.Message, fluxNotYet):
		return finding{ready: metav1.ConditionFalse, reason: appsv1alpha1.ReasonSourceFailed, message: ready.Message, degraded: latest != nil}
	case ready != nil && ready.Status == metav1.ConditionFalse && !sourceReason(ready.Reason):
		return failure(hr)
	case hr.Spec.Suspend:
		return finding{ready: metav1.ConditionUnknown, reason: appsv1alpha1.ReasonProgressing,
			message: "the HelmRelease is suspended: Flux changes nothing until spec.suspend is taken away"}
	}
	message := "waiting for Flux"
	if c := current(hr, fluxReconciling); c != nil && c.Status == metav1.ConditionTrue && c.Message != "" {
		message = c.Message
	}
	return finding{ready: metav1.ConditionUnknown, reason: appsv1alpha1.ReasonProgressing, message: message, changing: true}
}

// settled tells whether Flux is done with exactly what is wanted.
func settled(hr *helmv2.HelmRelease, latest *helmv2.Snapshot, wanted string) bool {
	if hr.Status.ObservedGeneration != hr.Generation || latest == nil || latest.Status != helmDeployed ||
		(!meta.IsStatusConditionTrue(hr.Status.Conditions, fluxReady) && !helm.InSync(hr)) ||
		meta.IsStatusConditionTrue(hr.Status.Conditions, fluxReconciling) ||
		meta.IsStatusConditionTrue(hr.Status.Conditions, fluxStalled) {
		return false
	}
	if d := hr.Status.LastAttemptedConfigDigest; d != "" && d != latest.ConfigDigest {
		return false
	}
	return wanted == "" || helm.SameVersion(latest.ChartVersion, wanted)
}

// failed tells whether Flux has given up on this generation, or has gone back.
func failed(hr *helmv2.HelmRelease) bool {
	for _, kind := range []string{fluxStalled, helmv2.RemediatedCondition} {
		if c := current(hr, kind); c != nil && c.Status == metav1.ConditionTrue {
			return true
		}
	}
	return false
}

func failure(hr *helmv2.HelmRelease) finding {
	f := finding{ready: metav1.ConditionFalse, reason: appsv1alpha1.ReasonReleaseFailed, degraded: true,
		changing: meta.IsStatusConditionTrue(hr.Status.Conditions, fluxReconciling)}
	if c := current(hr, helmv2.RemediatedCondition); c != nil && c.Status == metav1.ConditionTrue && c.Reason == helmv2.RollbackSucceededReason {
		f.reason = appsv1alpha1.ReasonRolledBack
	}
	// The cause first: Released holds Helm's own words, the others what Flux made of it.
	var words []string
	for _, kind := range []string{helmv2.ReleasedCondition, helmv2.TestSuccessCondition, helmv2.RemediatedCondition, fluxStalled, fluxReady} {
		c := current(hr, kind)
		if c == nil || c.Message == "" || slices.Contains(words, c.Message) {
			continue
		}
		bad := c.Status == metav1.ConditionFalse
		if kind == helmv2.RemediatedCondition || kind == fluxStalled {
			bad = c.Status == metav1.ConditionTrue
		}
		if bad {
			words = append(words, c.Message)
		}
	}
	f.message = strings.Join(words, "; ")
	return f
}

// current is a condition that speaks of the HelmRelease's present generation, or nil.
func current(hr *helmv2.HelmRelease, kind string) *metav1.Condition {
	c := meta.FindStatusCondition(hr.Status.Conditions, kind)
	if c == nil || c.ObservedGeneration < hr.Generation {
		return nil
	}
	return c
}

func sourceReason(reason string) bool {
	return reason == fluxSourceNotReady || reason == helmv2.ArtifactFailedReason
}

// lastApplied is the chart that runs: the newest that was deployed, or the newest at all when none is.
func lastApplied(ai *appsv1alpha1.ApplicationInstance, hr *helmv2.HelmRelease) *appsv1alpha1.ChartSnapshot {
	latest := hr.Status.History.Latest()
	if latest == nil {
		return nil
	}
	for _, s := range hr.Status.History {
		if s.Status == helmDeployed {
			latest = s
			break
		}
	}
	chart := &appsv1alpha1.ChartSnapshot{Name: latest.ChartName, Version: deployedVersion(latest)}
	if ai.Spec.Chart != nil {
		chart.SourceType, chart.URL = ai.Spec.Chart.SourceType, ai.Spec.Chart.URL
	}
	return chart
}

func deployedVersion(s *helmv2.Snapshot) string {
	if s.OCIDigest == "" {
		return s.ChartVersion
	}
	v, _, _ := strings.Cut(s.ChartVersion, "+")
	return v
}
