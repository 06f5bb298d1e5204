// SPDX-License-Identifier: Apache-2.0

// Package approvals tells whether the people who have to agree to an Operation have.
//
//	policy, spec.approvals ->  Required ->  nothing to ask
//	                              |
//	claim, keys, clock     ->  Verify   ->  Claim     signed, for this Operation, at this time
//	approvedBy, Guard      ->     |     ->  by name   written by the approver, as the API server saw to
//	requested-by           ->  Decide   ->  Approval, or an Obstacle that says how to go on
//	                              |
//	                           Record   ->  what is kept of a claim that is good for one Operation, so that it is not used for another
//
// It reads nothing and writes nothing: hub and spoke read the keys and keep the records. What is approved is bound to the Operation's UID or to
// Digest, its canonical form; docs/how-to/approve.md says so to those who sign.
package approvals
