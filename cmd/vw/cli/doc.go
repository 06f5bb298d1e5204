// SPDX-License-Identifier: Apache-2.0

// Package cli holds the commands of vw, a file each: flags and arguments in, one call, and what comes of it printed.
//
//	main -> Run -> root -> a command -> a package beside this one that does it -> output
//
// What a command knows beyond its flags is in the packages beside this one, which know nothing of flags. Env is what all of them are given: streams, and the
// cluster that they talk to. Every command that reads prints JSON and YAML too (Output); how a command ends is told by its exit status (exit.go).
package cli
