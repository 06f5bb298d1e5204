// SPDX-License-Identifier: Apache-2.0

// Package hub runs fleet Operations and delivers ApplicationInstances and the catalog, through Open Cluster Management's ManifestWorks.
//
//	Operation -> admit -> plan ------> fence ------> dispatch -----> ManifestWork per cluster ..... spoke
//	                      (ConfigMaps) (status       (created once)        |                          |
//	                                   Running)                            v                          |
//	status <- roll up <- tally <--------------------------------------- collect <-- status feedback --+
//	             |
//	             +-> retain (ConfigMaps), then the ManifestWorks go
//
// One file per step. What is decided is decided in package placement, or in a pure function beside the step; a step only acts. A pass
// over an Operation reads, acts, and writes the status once at its end. Two writes come before any effect: the plan, so that every later
// pass - also one of another process - acts on the same clusters, and the fence, a status that says Running and bears the digest of that
// plan, so that no stale read begins a run twice and no forged plan is followed.
//
// Beside them the catalog of OperationTemplates goes to every cluster with an agent (catalog*.go): it is a state, not a run, and needs neither plan nor fence.
//
// What is kept in memory (run) only saves work: it is built again from the plan, the kept results and the live ManifestWorks.
package hub
