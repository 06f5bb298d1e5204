// SPDX-License-Identifier: Apache-2.0

package helm

import (
	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	fluxmeta "github.com/fluxcd/pkg/apis/meta"
)

// InSync tells whether Flux is content although Ready still holds the words of a failure before. When a release is asked back to the very
// version that it never left, Flux (helm-controller v1.4.0, atomic_release.go) finds nothing to do, forgets its failures, and leaves
// Ready=False as it was. While it is at work, or has given up, it is Reconciling or Stalled and counts failures. Which version it is content
// with, the caller compares.
func InSync(hr *helmv2.HelmRelease) bool {
	s, latest := &hr.Status, hr.Status.History.Latest()
	return s.Failures+s.InstallFailures+s.UpgradeFailures == 0 &&
		s.LastAttemptedGeneration == hr.Generation && latest != nil && SameVersion(latest.ChartVersion, s.LastAttemptedRevision) &&
		isFalse(hr, helmv2.ReleasedCondition) &&
		!isTrue(hr, fluxmeta.ReconcilingCondition) && !isTrue(hr, fluxmeta.StalledCondition) && !isTrue(hr, helmv2.RemediatedCondition)
}
