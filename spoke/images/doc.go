// SPDX-License-Identifier: Apache-2.0

// Package images tells whether a pod may use an image by the list of a cluster's AgentPolicy. It is pure.
package images
