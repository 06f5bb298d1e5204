// SPDX-License-Identifier: Apache-2.0

// Package inventory knows what a fleet is made of, as far as its hub can tell: clusters with what runs on them, applications over all clusters, templates with
// their parameters, and versions. It knows no flags and prints nothing. What it may not read it leaves out and says so in notes.
//
//	ManagedClusters, Leases, ManifestWorks, Freezes, MaintenanceWindows -> Clusters
//	ApplicationInstances, ClusterClaims                                 -> Apps
//	OperationTemplates                                                  -> Templates, Parameters
//	Deployments                                                         -> Versions
package inventory
