// SPDX-License-Identifier: Apache-2.0

// Package helmhookjob is the engine that runs a hook of the target's chart once more, on its own: a migration that the chart's author wrote for
// upgrades, say, without an upgrade.
//
//	HelmRelease.status.history --the revision that is deployed--> Secret sh.helm.release.v1.NAME.vREVISION --> its hooks (record.go)
//	hooks that the parameters choose, in Helm's order (choose.go) --> one Job each, one after the other (clone.go)
//	Job conditions, and its pods' statuses --> Outcome (package jobs)
//
// Helm's own objects are never touched: a hook is copied into a Job of the run's own. A run keeps to the revision that it began with, which
// its Jobs carry in annotations; the release may be upgraded meanwhile.
//
// The record is read with Helm's type of a hook and without Helm's storage driver. The driver brings three SQL libraries into the agent,
// lists where one named Secret is enough, and dereferences nil on a record that cannot be decoded. And this way nothing but the hooks is
// decoded: the chart's values, which are in the same Secret, are never in a variable that could be told.
package helmhookjob
