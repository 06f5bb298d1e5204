// SPDX-License-Identifier: Apache-2.0

// Package reach finds a way from the hub to one of its clusters, for who looks closer at it than the hub does:
//
//	a context or a kubeconfig that is named                      --spoke-context, --spoke-kubeconfig
//	Open Cluster Management's cluster-proxy, with the token      --cluster-proxy, --managed-serviceaccount
//	of a ManagedServiceAccount that the hub holds
//	a context of the same kubeconfig that is named as the cluster is
//
// It does not prove that the cluster is the right one: chain does, by what was delivered there.
package reach
