// SPDX-License-Identifier: Apache-2.0

// Package transport holds the tests of how works reach clusters and results come back, with nothing of vWorkspace between: Open Cluster Management's agents
// on two clusters, of which one reaches the hub by its API server and the other by OCM's gRPC server. What is asked of both is what the hub relies on:
//
//	create, change, delete on the hub -> the cluster      with propagation, and after either end was gone
//	feedback of a watched field       -> the hub          as it changes, and after either end was gone
//	who may do what                                       a cluster sees and tells of itself only
//
// Scenarios run over both transports too: see e2e/scenarios.
package transport
