// SPDX-License-Identifier: Apache-2.0

// Package helm is the engine that upgrades a release by Flux: another chart version, other values, or both.
//
//	managed:  ApplicationInstance.spec.chart.version  --agent-->  HelmRelease (or its OCIRepository)  --Flux-->  Helm release
//	adopted:                                                      HelmRelease (or its OCIRepository)  --Flux-->  Helm release
//	          ^ the plan applies here                                                 and the end is read here   ^
//
// Two things make it less simple than that. What is applied under our field manager replaces what we applied there before, so every
// change carries our earlier fields along (owned.go). And what Flux says may be older than our change: nothing is believed until Flux has
// seen the change itself (release.go).
package helm
