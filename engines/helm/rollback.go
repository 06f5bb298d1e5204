// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"cmp"
	"slices"
	"strings"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"k8s.io/apimachinery/pkg/util/validation/field"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	"vworkspace.io/fleet/engines"
)

const (
	// statusSuperseded is Helm's word for a release that was in force.
	statusSuperseded = "superseded"
	// testFailed is Helm's word for a test that did not pass.
	testFailed = "Failed"
)

// versionBefore is the chart version to go back to: what this run has found before, or else what the history says.
func (w *wanted) versionBefore(live *release) (string, error) {
	marked := w.marked(live)
	if marked != nil && w.made(marked) {
		return marked.GetAnnotations()[appsv1alpha1.AnnotationRolledBackTo], nil
	}
	if marked == nil || live.hr == nil {
		return "", w.nothingBefore("there is no release")
	}
	now := w.askedVersion(live)
	var seen []string
	for _, s := range newestFirst(live.hr.Status.History) {
		version, _, _ := strings.Cut(s.ChartVersion, "+")
		if deployedWell(s) && !SameVersion(version, now) {
			return w.spelled(version, marked.GetAnnotations()[appsv1alpha1.AnnotationUpgradedFrom]), nil
		}
		seen = append(seen, version+" ("+s.Status+")")
	}
	return "", w.nothingBefore("Flux's history of HelmRelease " + live.hr.Name + " has " + cmp.Or(strings.Join(seen, ", "), "nothing") +
		", and chart version " + now + " is what is asked for now")
}

// askedVersion is the version that is asked for now. Where that is a range, it is the one that Flux last took from it, whether or not that
// worked.
func (w *wanted) askedVersion(live *release) string {
	asked := live.wants()
	if w.managed() {
		asked = w.run.Target.Spec.Chart.Version
	}
	if exactVersion(asked) {
		return asked
	}
	version, _, _ := strings.Cut(live.hr.Status.LastAttemptedRevision, "+")
	return version
}

// newestFirst leaves the history itself as it is.
func newestFirst(history helmv2.Snapshots) helmv2.Snapshots {
	sorted := slices.Clone(history)
	sorted.SortByVersion()
	return sorted
}

// deployedWell tells whether a revision was in force, and passed its tests if they were run.
func deployedWell(s *helmv2.Snapshot) bool {
	return (s.Status == statusDeployed || s.Status == statusSuperseded) && !s.HasTestInPhase(testFailed)
}

// spelled is the version as it was asked for before, where an Upgrade has noted that: Flux writes the digest of an OCI chart in place of
// the build metadata, and drops a leading v.
func (w *wanted) spelled(version, before string) string {
	if SameVersion(version, before) && exactVersion(before) {
		return before
	}
	return version
}

func (w *wanted) nothingBefore(why string) error {
	return engines.Invalid(field.Invalid(engines.ParametersPath().Child("rollback"), true,
		"there is no earlier chart version to go back to: "+why+"; set targetVersion, or valuesPatch where only the values were changed"))
}
