// SPDX-License-Identifier: Apache-2.0

// Package permissions is the table of docs/reference/permissions.md: who of ours may do what, and what nobody may. A fleet of processes and one of real
// nodes, with what is installed on them from manifests or from charts, are asked every line of it.
package permissions
