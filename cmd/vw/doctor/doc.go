// SPDX-License-Identifier: Apache-2.0

// Package doctor looks a cluster over - a hub, a cluster of the fleet, or one that is both - and says what is wrong, why that matters, and what mends it. It only
// reads; one check asks the API server to pretend to create an Operation.
//
//	Checks -> each looks at one thing of the Site -> Findings -> Diagnosis
//
// A check is a function in a file of its own, named after what it looks at. What it may not read, or what is not there to be read, is a finding of level SKIP that
// says which right or kind is missing; a check never keeps another one from being made.
package doctor
