// SPDX-License-Identifier: Apache-2.0

// Package hosted runs the agents of many clusters in one process. The reconcilers are those of package spoke; what is here is where the clusters
// come from and how they are kept apart:
//
//	kubeconfig.go  which kubeconfigs are taken: those that carry their credentials and run nothing here
//	cluster.go     a cluster that is engaged before its API server has answered, and never waited for
//	provider.go    the clusters of a namespace's Secrets, by multicluster-runtime's kubeconfig provider
package hosted
