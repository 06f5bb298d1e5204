// SPDX-License-Identifier: Apache-2.0

// Package vwtest lays down fleet Operations as a hub leaves them behind, for the tests of vw: the Operation with its status, the ConfigMaps that hold its plan, and a
// ManifestWork for each cluster, of the size that a work agent makes of it. No hub runs; a test says what each cluster reports.
//
//	run := vwtest.Seed(t, client, namespace, "nightly", vwtest.Group("canary", 3), vwtest.Group("rest", 37))
//	run.Report(t, "canary-0", placement.ClusterResult{State: placement.Failed, Reason: "BackupFailed"})
//	run.Tell(t, func(s *opsv1alpha1.OperationStatus) { s.Phase = opsv1alpha1.PhaseFailed })
package vwtest
