// SPDX-License-Identifier: Apache-2.0

// Package stream tells those who want to know what Operations and ApplicationInstances of the hub do: at least once, in order for each object, and without a
// queue that could grow. What is to be told is in the objects themselves, and an Operation stays until it has been (docs/adr/0023).
package stream
