// SPDX-License-Identifier: Apache-2.0

// Package admission is what the processes of ours answer the API server that asks about a write before it is stored. The hub and the agent serve the same:
//
//	API server  -- create an Operation -->  /stamp      writes down who asks (stamp.go, requester.go)
//	            -- create or change   -->  /validate/*  what nobody could want (validate.go; the rules are plugged in)
//
// Nothing rests on it alone. What needs no lookup is a ValidatingAdmissionPolicy in deploy/policies, which the API server holds by itself: that nobody is
// passed off as somebody else, for one. What needs one is checked again by whoever acts on the object. A webhook that is down, or was
// removed, thus opens nothing: Operations that nobody stamped are sent nowhere.
//
// The certificates are made here (certificates.go) and kept in a Secret that all replicas share (keeper.go), unless they are given as files.
package admission
