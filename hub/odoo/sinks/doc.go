// SPDX-License-Identifier: Apache-2.0

// Package sinks tells AuditSinks what Operations did: any receiver of CloudEvents, or a channel of Odoo's Discuss. What is told, and when, is package stream's to
// decide; here it is put into the words of the receiver.
package sinks
