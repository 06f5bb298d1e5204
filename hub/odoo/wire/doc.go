// SPDX-License-Identifier: Apache-2.0

// Package wire speaks the job protocol of vWorkspace Server, application/vnd.vworkspace.agent.v1+json, from the side of the agent: its types, its errors, and a
// client. It knows nothing of Kubernetes. docs/reference/odoo-protocol.md holds the protocol, and what it leaves open.
package wire
