// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"time"

	"vworkspace.io/fleet/engines"
	"vworkspace.io/fleet/engines/all"
	"vworkspace.io/fleet/hub"
)

// odooCluster is the identity of the hub at the fake control plane of a story.
const odooCluster = "lab-fleet"

// Story is something that people do with a fleet, and what has to come of it. Whatever fault is tried on it, the end is the same.
type Story struct {
	Name string
	// Before makes what is there before anything of ours runs; nil for nothing.
	Before func(w *World) error
	// Tell does what people do, and returns when everything has come out as they expect.
	Tell func(w *World) error
	// Odoo is a fake control plane, which the hub takes jobs from: World.Odoo.
	Odoo bool
	// HubOptions change how the hub runs; nil for as it does.
	HubOptions func(*hub.Options)
	// Engines replace those that ship; nil for those.
	Engines func() *engines.Registry
}

func (s Story) hubOptions(w *World) hub.Options {
	o := hub.Options{StatusInterval: 20 * time.Millisecond, CatalogDelay: 20 * time.Millisecond, Clock: w.Clock, Reports: s.Odoo}
	if s.HubOptions != nil {
		s.HubOptions(&o)
	}
	return o
}

func (s Story) registry() *engines.Registry {
	if s.Engines != nil {
		return s.Engines()
	}
	return all.Default()
}
