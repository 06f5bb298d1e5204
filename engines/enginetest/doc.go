// SPDX-License-Identifier: Apache-2.0

// Package enginetest tests engines: Golden runs one folder of YAML per case, Conform holds an engine to the laws that all of them share.
//
// A case is a folder testdata/CASE of the engine's package:
//
//	operation.yaml  the Operation, with its uid and, where the run has begun, its status
//	target.yaml     the ApplicationInstance; may be left out
//	live.yaml       what exists in the cluster, several documents; may be left out
//	plan.yaml       what Plan says: changes, or an error
//	outcome.yaml    what Observe says: an outcome, or an error
//	cancel.yaml     what Cancel says, for engines that can
//
// The last three are written by `go test -update`; read them before they are committed.
package enginetest
