// SPDX-License-Identifier: Apache-2.0

// Package expressions fills in what the parameters of an Operation take from the cluster that they go to: `${cluster.labels['region']}`.
//
//	parameters -> Read -> Form: the strings with expressions (Blanks), and the expressions compiled; or what is wrong with them
//	Form + what the hub knows of a cluster -> Row: the values that its expressions have there, frozen in the plan
//	parameters + Blanks + Row -> Fill -> what the cluster is sent
//
// Only the last step is taken when a cluster is sent to: nothing is evaluated after the plan was made. It is pure: callers read, and pass in what they
// have read.
package expressions
