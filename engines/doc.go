// SPDX-License-Identifier: Apache-2.0

// Package engines holds the contract between a spoke and the executors that do the work: Jobs, Argo Workflows, Velero, VolSync, Flux
// and the hooks of a chart. An engine adapts one executor and nothing else.
//
//	spoke:   validate -> preconditions -> fence -> apply  ...  observe -> terminal
//	                                                ^            ^
//	engine:                                        Plan       Observe
//
// An engine never writes. Plan says what shall exist, deterministic in the run's UID; the spoke puts it there. Observe reads and says
// where the executor stands. Both may be called any number of times, in any order, by a process that has forgotten everything.
package engines
