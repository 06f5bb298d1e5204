// SPDX-License-Identifier: Apache-2.0

// Package faults holds the claim that nothing runs twice and nothing is lost against every write that the hub and the agent make, and against
// what Kubernetes, networks, executors and people do to them.
//
//	Lab          a hub and a spoke: two real API servers, for one world at a time
//	World        one story in a lab: its objects, its processes, and those who play what is around them
//	Story        what people do, and what has to come out: add one, and every fault below is tried on it
//	Component    the hub or the agent, in this process: it is killed by cutting its Wire, and a fresh one starts
//	Wire         what stands between a component and its API server: it counts, refuses, delays and loses
//	Witness      sees every change on both API servers, and knows what must never happen
//	Snapshot     what there is in the end, without what may differ between two runs: UIDs, times, order
//
// Around the components everything is played, by the protocol of the real ones: Open Cluster Management's work agent (courier.go), the
// executors (executors.go) and the garbage collector. The real ones are in e2e/scenarios and e2e/engines.
//
// Hosted mode has a story of its own, with two replicas: share.go is what they share, replica.go a process, and leases.go the laws.
//
// # Joining
//
// A new write path joins by a Story in stories_test.go that makes it happen. A new process joins by a Component in component.go.
package faults
