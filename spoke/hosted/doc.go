// SPDX-License-Identifier: Apache-2.0

// Package hosted runs the agents of many clusters in one process, or in several that share them. The reconcilers are those of package spoke; what is here is
// where the clusters come from, how they are kept apart, and who serves which. docs/adr/0025-a-lease-per-hosted-cluster.md says why so.
//
//	Secret -> claim (Lease held) -> fence -> cluster -> the reconcilers
//
//	provider.go    which Secrets, and the manager of what they name
//	secrets.go     a Secret becomes a claim, in every replica
//	kubeconfig.go  which kubeconfigs are taken: those that carry their credentials and run nothing here
//	shard.go       a replica's share: its claims, from start to end
//	replicas.go    which replicas are alive, and whose turn a cluster is
//	presence.go    how they know of each other, and which Leases are nobody's any more
//	claim.go       one cluster: contend, serve, hand over
//	lease.go       its Lease, by client-go's leader election
//	fence.go       no request without a Lease that was renewed of late
//	clusters.go    the clusters that are served, for multicluster-runtime
//	cluster.go     a cluster that is engaged before its API server has answered, and never waited for
//	mapper.go      the resources of kinds, without all that an API server serves
package hosted
