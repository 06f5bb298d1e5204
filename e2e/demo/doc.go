// SPDX-License-Identifier: Apache-2.0

// Package demo is the main job told as a story, on a local fleet of real control planes: install an application on every cluster through
// the hub, run each engine everywhere, roll a runbook out with a canary, a halt and a retry, and upgrade to a version that one cluster cannot take.
//
//	story.go   what is asked of the hub, and how it must end
//	people.go  what people do meanwhile
//	odoo.go    an Odoo, played, in which a person asks for the backup
//	canary.go  the rollout that halts, and is mended
//	demo.go    asks it, step by step
//	watch.go   shows how an Operation goes on, and waits for its end
//	report.go  the table and the JSON document
//
// The scenario tests tell the same story and look closer.
package demo
