// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"fmt"
	"strings"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	fluxmeta "github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// maxHelmFailures is how often Helm may fail before it wrote a release, until the run fails. Flux goes on trying for ever then: a template
// that does not render never will, while an API server that was away comes back. Five tries take it some ten seconds.
const maxHelmFailures = 5

// maxQuote bytes of a second cause leave room for the first.
const maxQuote = 256

// statusDeployed is Helm's word for the release that is in force.
const statusDeployed = "deployed"

// judge says how Flux fares with what the HelmRelease asks for now. The chart comes first: while it is not there, Flux does not attempt
// anything, and the conditions are those of the attempt before.
func (w *wanted) judge(live *release) engines.Outcome {
	if o := w.judgeSource(live); o != nil {
		return *o
	}
	hr := live.hr
	if !w.attempted(live) {
		if c := w.stalledEarly(hr); c != nil {
			return engines.Failed(ReasonStalled, "Flux gave up on HelmRelease %s: %s: %s", hr.Name, c.Reason, c.Message)
		}
		return w.before(hr)
	}
	switch {
	case isTrue(hr, fluxmeta.StalledCondition):
		return w.failed(live)
	case isTrue(hr, fluxmeta.ReconcilingCondition):
		if isFalse(hr, helmv2.ReleasedCondition) && hr.Status.Failures >= maxHelmFailures && hr.Status.UpgradeFailures+hr.Status.InstallFailures == 0 {
			return w.failed(live)
		}
		return w.waiting(hr)
	case w.deployed(live):
		return engines.Succeeded(opsv1alpha1.ReasonEngineCompleted, "HelmRelease %s runs chart version %s", hr.Name, live.version())
	}
	return w.waiting(hr)
}

// attempted tells whether Flux's last attempt was at what the HelmRelease asks for now. Until then its conditions, a Ready=True as much as
// a Stalled=True, speak of something older. A new OCI tag does not move the generation, so the revision and its digest count as well.
func (w *wanted) attempted(live *release) bool {
	s := &live.hr.Status
	if s.LastAttemptedGeneration != live.hr.Generation {
		return false
	}
	if goal := w.goal(); goal != "" && !SameVersion(s.LastAttemptedRevision, goal) {
		return false
	}
	digest := live.ociDigest()
	return digest == "" || s.LastAttemptedRevisionDigest == "" || s.LastAttemptedRevisionDigest == digest
}

// deployed tells whether the release in force is the one that was attempted last. Ready alone is not enough: it turns True before the
// history moves, and stays True until Flux notices a change.
func (w *wanted) deployed(live *release) bool {
	hr, latest := live.hr, live.hr.Status.History.Latest()
	ready := meta.FindStatusCondition(hr.Status.Conditions, fluxmeta.ReadyCondition)
	switch {
	case ready == nil || ready.ObservedGeneration != hr.Generation:
		return false
	case ready.Status != metav1.ConditionTrue && !InSync(hr):
		return false
	case hr.Status.ObservedGeneration != hr.Generation, latest == nil || latest.Status != statusDeployed:
		return false
	case plainVersion(latest.ChartVersion) != plainVersion(hr.Status.LastAttemptedRevision):
		return false
	case hr.Status.LastAttemptedConfigDigest != "" && latest.ConfigDigest != hr.Status.LastAttemptedConfigDigest:
		return false
	}
	return latest.OCIDigest == "" || hr.Status.LastAttemptedRevisionDigest == "" || latest.OCIDigest == hr.Status.LastAttemptedRevisionDigest
}

// failed says how the upgrade failed, and what Flux did about it.
func (w *wanted) failed(live *release) engines.Outcome {
	hr := live.hr
	remediated := meta.FindStatusCondition(hr.Status.Conditions, helmv2.RemediatedCondition)
	var what, reason string
	switch {
	case remediated != nil && remediated.Status == metav1.ConditionTrue && remediated.Reason == helmv2.UninstallSucceededReason:
		reason, what = ReasonUninstalled, "the upgrade failed and Flux uninstalled the release"
	case remediated != nil && remediated.Status == metav1.ConditionTrue:
		reason, what = ReasonRolledBack, "the upgrade failed and Flux rolled back"+live.backTo()
	case remediated != nil && remediated.Status == metav1.ConditionFalse:
		reason, what = ReasonUpgradeFailed, "the upgrade failed, and so did putting the release before back ("+opsv1alpha1.Truncate(remediated.Message, maxQuote)+")"
	case isFalse(hr, helmv2.TestSuccessCondition):
		reason, what = ReasonTestFailed, "the upgrade was made and its tests failed"
	case isFalse(hr, helmv2.ReleasedCondition):
		reason, what = ReasonUpgradeFailed, "the upgrade failed and nothing was put back"
	default:
		reason, what = ReasonStalled, "Flux gave up"
	}
	return engines.Failed(reason, "HelmRelease %s: %s%s", hr.Name, what, because(hr))
}

// because quotes Helm, or else Flux.
func because(hr *helmv2.HelmRelease) string {
	for _, kind := range []string{helmv2.TestSuccessCondition, helmv2.ReleasedCondition, fluxmeta.StalledCondition, fluxmeta.ReadyCondition} {
		c := meta.FindStatusCondition(hr.Status.Conditions, kind)
		if c == nil || c.Message == "" || (kind != fluxmeta.StalledCondition && c.Status != metav1.ConditionFalse) {
			continue
		}
		return ": " + c.Message
	}
	return ""
}

// stalledEarly is a condition that ended Flux's work before it came to an attempt, such as a source that it may not read.
func (w *wanted) stalledEarly(hr *helmv2.HelmRelease) *metav1.Condition {
	c := meta.FindStatusCondition(hr.Status.Conditions, fluxmeta.StalledCondition)
	if c == nil || c.Status != metav1.ConditionTrue || c.ObservedGeneration != hr.Generation || hr.Status.ObservedGeneration != hr.Generation {
		return nil
	}
	if c.Reason == "RetriesExceeded" || c.Reason == "MissingRollbackTarget" {
		return nil // about an attempt, so about an older one
	}
	if started := w.run.Operation.Status.StartedAt; started != nil && c.LastTransitionTime.Before(started) {
		return nil
	}
	return c
}

// before tells why Flux has not come to an attempt yet. A condition about an attempt is about an older one.
func (w *wanted) before(hr *helmv2.HelmRelease) engines.Outcome {
	c := meta.FindStatusCondition(hr.Status.Conditions, fluxmeta.ReadyCondition)
	switch {
	case c == nil || aboutAttempt(c.Reason):
		return engines.Running(opsv1alpha1.ReasonEngineRunning, "Flux has not finished with HelmRelease %s", hr.Name)
	case c.Reason == reasonChartMutate && w.goal() != "" && strings.Contains(c.Message, "revision "+tagOf(w.goal())+" "):
		return *chartInvalid(w.goal(), c)
	}
	return w.waiting(hr)
}

// reasonChartMutate is Flux's reason for an OCI tag whose chart says that it is another version.
const reasonChartMutate = "ChartMutateError"

// aboutAttempt tells whether Flux gives a reason for how Helm fared, rather than for why it was not called yet.
func aboutAttempt(reason string) bool {
	switch reason {
	case helmv2.InstallSucceededReason, helmv2.InstallFailedReason, helmv2.UpgradeSucceededReason, helmv2.UpgradeFailedReason,
		helmv2.TestSucceededReason, helmv2.TestFailedReason, helmv2.RollbackSucceededReason, helmv2.RollbackFailedReason,
		helmv2.UninstallSucceededReason, helmv2.UninstallFailedReason, "RetryAfterInterval":
		return true
	}
	return false
}

// waiting tells what Flux is doing, by its own condition, when that speaks of the present generation.
func (w *wanted) waiting(hr *helmv2.HelmRelease) engines.Outcome {
	c := meta.FindStatusCondition(hr.Status.Conditions, fluxmeta.ReadyCondition)
	if c == nil || c.ObservedGeneration != hr.Generation || c.Status == metav1.ConditionTrue {
		return engines.Running(opsv1alpha1.ReasonEngineRunning, "Flux has not finished with HelmRelease %s", hr.Name)
	}
	return engines.Running(opsv1alpha1.ReasonEngineRunning, "HelmRelease %s: %s: %s", hr.Name, c.Reason, c.Message)
}

// backTo names the chart version that is in force after a rollback. Flux may say that it has rolled back before it shows what to.
func (l *release) backTo() string {
	for _, s := range l.hr.Status.History {
		if s.Status == statusDeployed {
			version, _, _ := strings.Cut(s.ChartVersion, "+")
			return " to chart version " + version
		}
	}
	return ""
}

// version is the chart version that runs, without the digest that Flux appends; before the first release it is the one asked for.
func (l *release) version() string {
	if l.hr == nil {
		return ""
	}
	latest := l.hr.Status.History.Latest()
	if latest == nil {
		return l.wants()
	}
	if latest.OCIDigest != "" {
		version, _, _ := strings.Cut(latest.ChartVersion, "+")
		return version
	}
	return latest.ChartVersion
}

// spelledVersion is the chart version that runs, as it was asked for where that is a version: a tag v1.2.3 is found under that name only.
func (l *release) spelledVersion() string {
	if asked := l.wants(); exactVersion(asked) && SameVersion(asked, l.version()) {
		return asked
	}
	return l.version()
}

// versionSource is the object whose spec decides the chart's version.
func (l *release) versionSource() client.Object {
	switch {
	case l.oci != nil:
		return l.oci
	case l.hr.Spec.ChartRef != nil && l.chart != nil:
		return l.chart
	default:
		return l.hr
	}
}

// wants is the chart version that is asked for there, or "" when it cannot be told.
func (l *release) wants() string {
	switch source := l.versionSource().(type) {
	case *sourcev1.OCIRepository:
		if source.Spec.Reference == nil {
			return ""
		}
		return versionOf(source.Spec.Reference.Tag)
	case *sourcev1.HelmChart:
		return source.Spec.Version
	default:
		if l.hr.Spec.Chart == nil {
			return ""
		}
		return l.hr.Spec.Chart.Spec.Version
	}
}

// ociDigest is the digest of the chart that the OCIRepository's tag stands for, or "".
func (l *release) ociDigest() string {
	if l.oci == nil || l.oci.Status.Artifact == nil {
		return ""
	}
	_, digest, _ := strings.Cut(l.oci.Status.Artifact.Revision, "@")
	return digest
}

func isTrue(hr *helmv2.HelmRelease, kind string) bool {
	return meta.IsStatusConditionTrue(hr.Status.Conditions, kind)
}

func isFalse(hr *helmv2.HelmRelease, kind string) bool {
	return meta.IsStatusConditionFalse(hr.Status.Conditions, kind)
}

// describe is a condition in one line.
func describe(c *metav1.Condition) string { return fmt.Sprintf("%s: %s", c.Reason, c.Message) }
