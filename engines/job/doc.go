// SPDX-License-Identifier: Apache-2.0

// Package job is the engine that runs one command in one pod, as a Kubernetes Job.
//
//	spec.parameters -> Parameters -> Job (restricted, no TTL, owned by the Operation)
//	Job conditions, and its pods' statuses -> Outcome (package jobs)
//
// Kubernetes may start a pod twice (a node that was lost comes back), so the command is run at least once.
package job
