// SPDX-License-Identifier: Apache-2.0

// Package placement decides which clusters a fleet Operation acts on, in which order, and what their results add up to.
//
//	PlacementDecisions -> Resolve -> Plan -+-> Strategy.Decide -> start these clusters / the run is over
//	                                       |        ^
//	              ManifestWork feedback -> Tally ---+--> counters, failures, verdict
//
// Everything here is a function of what was read and of the time that is passed in: nothing reads, writes or waits.
// The hub acts on what is decided here.
package placement
