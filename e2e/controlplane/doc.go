// SPDX-License-Identifier: Apache-2.0

// Package controlplane is a FAKE of vWorkspace Server's control plane: it speaks the job protocol of docs/reference/odoo-protocol.md from its text, in memory, for
// tests and the demo, and it is no server that anybody should run.
//
// It is strict: whatever a client does that the protocol does not allow is kept in Violations, and a test fails on any. It fails in the ways that it is told to
// (Fault), by a schedule or from a seed, and knows which of its answers may have got lost: only then may a client say something twice.
//
// A request goes through these steps: arrive (number, pacing), check (media types, bearer, HMAC), OnRequest before, the fault before the effect, the effect,
// OnRequest after, the fault after the effect, the answer.
package controlplane
