// SPDX-License-Identifier: Apache-2.0

// Package odoo connects the hub with control planes, which are Odoos with the vWorkspace Server add-ons: a ControlPlane each, by outbound requests alone.
//
//	ControlPlane, Secret -> reconciler -> session -> link ==HTTP==> control plane
//	                                        |  ^
//	                            package jobs   package stream (what Operations do)
//
// The reconciler registers, exchanges credentials before they grow old, and says in the ControlPlane's conditions how things stand. A session lasts as long as
// the ControlPlane and its Secret stay the same; all that it asks goes through one link, which knows when the other side wants to be left alone, and stops
// where it does not take the credentials. Only the hub that leads has any of it, and with no ControlPlane there is nothing.
//
// When a ControlPlane is deleted, its session ends. The records of its open jobs stay: they are gone on with, and their results handed in, when there is one of
// that name again.
package odoo
