// SPDX-License-Identifier: Apache-2.0

// Package chain follows one Operation to where it happens, and says at which link it stops.
//
//	Operation -> plan -> ManifestWork -> ManagedCluster -> work agent -> delivery -> agent      on the hub
//	          -> Operation of the cluster -> one per instance -> engine resource -> pod         on the cluster
//
// Read and ReadCluster look, and write down what they saw in Facts, also what they could not see and why. Walk decides: a pure function from Facts to links, of
// which at most one is where it stops. Overview does the same for an Operation as a whole. The package knows no flags and prints nothing but what its Writes say.
package chain
