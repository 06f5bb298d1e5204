// SPDX-License-Identifier: Apache-2.0

// Package pods holds the scenarios that only real nodes can prove: what a platform team installs from charts and images, with least privilege, does
// its work in real pods, with real volumes.
package pods
