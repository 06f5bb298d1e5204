// SPDX-License-Identifier: Apache-2.0

// Package scenarios holds the end-to-end tests on the embedded fleet: real control planes, real Open Cluster Management, real Flux, the
// built hub and agents with the rights of deploy/. Only pods are simulated. One fleet serves the whole package; a test cleans up what
// it asked for and leaves the fleet as it found it.
package scenarios
