// SPDX-License-Identifier: Apache-2.0

// Package ask makes Operations of what a person asks for in words.
//
//	OperationTemplate -> Parameters: what may be said, of which type (schema.go, name.go)
//	words -> Value, Set -> parameters by the schema (value.go, set.go)
//	where -> Aim: one instance, or a selector and the clusters it is for (aim.go, clusters.go)
//	how fast, and what stops it -> the rollout (rollout.go)
//	all of it -> Request.Operation -> Check by the template (request.go, check.go)
//
// It is pure: it is given what was read, and knows neither a cluster nor how options are read. What is wrong with one is an Invalid error, which names it.
package ask
