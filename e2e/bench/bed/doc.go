// SPDX-License-Identifier: Apache-2.0

// Package bed is the machine that benchmarks run on: one real kube-apiserver with etcd, Open Cluster Management's placement and work controllers beside
// it, as many fake clusters as asked for, one writer that plays all their agents, and meters that read what it costs.
//
// The clusters are fakes: a ManagedCluster, its namespace and nothing behind. What their agents would write is written by Report, for every arm alike.
package bed
