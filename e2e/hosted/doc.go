// SPDX-License-Identifier: Apache-2.0

// Package hosted holds the end-to-end tests of hosted mode on the embedded fleet: a hub and three clusters that Open Cluster Management has joined,
// and one process, with a ServiceAccount that may read Secrets in one namespace, that is the agent of all of them; and three such processes that share the
// clusters of package crowd.
package hosted
