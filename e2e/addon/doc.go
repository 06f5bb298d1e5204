// SPDX-License-Identifier: Apache-2.0

// Package addon holds the add-on of deploy/addon against Open Cluster Management's real add-on manager and work agents, on the embedded fleet:
// what arrives on clusters that the Placement selects, and what stays on one that leaves it.
package addon
