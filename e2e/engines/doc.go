// SPDX-License-Identifier: Apache-2.0

// Package engines proves every engine against its real controller: an agent, as an administrator installs it, on one cluster of the testbed
// with Velero, Argo, VolSync and Flux.
//
// A rig says how to make an engine succeed, fail and take its time; story_test.go tells the same stories of every rig, one test per way in which
// a run may go. What only one engine does is in that engine's own file.
package engines
