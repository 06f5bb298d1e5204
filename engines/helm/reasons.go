// SPDX-License-Identifier: Apache-2.0

package helm

// Reasons of this engine, beside the shared ones.
const (
	// ReasonRolledBack: the upgrade failed and Flux went back to the release before. The upgrade did not happen.
	ReasonRolledBack = "HelmRolledBack"
	// ReasonUninstalled: the upgrade failed and Flux, as it was told to, removed the release.
	ReasonUninstalled = "HelmUninstalled"
	// ReasonUpgradeFailed: Helm could not upgrade, and nothing was put back.
	ReasonUpgradeFailed = "HelmUpgradeFailed"
	// ReasonTestFailed: the release was made and its tests failed.
	ReasonTestFailed = "HelmTestFailed"
	// ReasonStalled: Flux gave up before it came to Helm.
	ReasonStalled = "HelmReleaseStalled"
	// ReasonChartNotFound: the chart has no such version where it comes from.
	ReasonChartNotFound = "ChartVersionNotFound"
	// ReasonChartInvalid: the chart was found and cannot be used.
	ReasonChartInvalid = "ChartInvalid"
	// ReasonChartUnavailable: the chart cannot be fetched right now. Flux tries again, so the run goes on.
	ReasonChartUnavailable = "ChartUnavailable"
	// ReasonSuspended: the HelmRelease is suspended; Flux does nothing until somebody resumes it.
	ReasonSuspended = "HelmReleaseSuspended"
	// ReasonReleaseNotFound: the HelmRelease that the target names does not exist.
	ReasonReleaseNotFound = "HelmReleaseNotFound"
	// ReasonUnsupportedSource: the place that decides the chart's version is not one that this engine may change.
	ReasonUnsupportedSource = "UnsupportedChartSource"
	// ReasonTargetChanged: somebody set another version or other values while the upgrade was under way.
	ReasonTargetChanged = "TargetChanged"
)
