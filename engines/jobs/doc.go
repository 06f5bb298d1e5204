// SPDX-License-Identifier: Apache-2.0

// Package jobs says how a run's Kubernetes Job stands. It is what the engines that run Jobs share: job makes one out of parameters,
// helmHookJob out of a chart's hook, and from then on a Job is a Job.
//
//	Job conditions, and its pods' statuses -> engines.Outcome
//
// The Job's own conditions decide; pods only explain.
package jobs
