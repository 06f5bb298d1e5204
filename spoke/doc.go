// SPDX-License-Identifier: Apache-2.0

// Package spoke is the agent of one cluster. It turns Operations into work, and ApplicationInstances into Flux HelmReleases.
//
//	Operation with spec.selector    expand.go    one Operation per matching instance; rollup.go adds up what became of them
//	Operation with spec.targetRef   execute.go   preconditions -> fence -> plan -> apply -> observe -> terminal -> retain
//	Operation with spec.placement   is the hub's and is left alone
//	ApplicationInstance             applicationinstance_controller.go, helmrelease.go, release_status.go
//	what runs here, for the hub     claims.go
//
// Three rules keep a run from happening twice, whatever dies in between:
//
//   - The fence: status Running is accepted by the API server, under optimistic lock, before the first effect.
//   - Names come from the run's UID, and what exists under such a name is looked at before it is taken for the run's own.
//   - Once status.resources is recorded, or status.expandedAt is set, nothing is created again. What is missing then is a lost result.
//
// The reconcilers know no cluster: every request carries a cluster's name and site.go has the clients of each cluster that the
// multicluster manager engages, so that one process may serve one cluster (cmd/spoke) or many (package hosted).
package spoke
