// SPDX-License-Identifier: Apache-2.0

// Package telemetry is what the hub and the agent have in common in being watched: log lines with the same keys, an Event and a line for every
// transition of an Operation, counts of Operations for Prometheus, and a /readyz that tells the truth.
//
//	status accepted by the API server -> Tell        one line, one Event, per transition
//	                                  -> Operations  counts those that ended
//	cache -> Census -> Operations                    counts those that are there, by difference: a scrape lists nothing
//	AddChecks -> Probe -> /readyz                    what was asked of the API server of late
//
// What only one of the two can know is in hub/metrics.go and spoke/metrics.go. docs/reference/metrics.md lists all of it.
package telemetry
