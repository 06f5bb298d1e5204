// SPDX-License-Identifier: Apache-2.0

// Package jobs carries out what a control plane asks for: each job has exactly one result, and nothing is done twice.
//
//	poll -> record -> acknowledge -> open, check -> apply as the ServiceAccount -> follow -> decide -> hand in the result -> close
//	        Received               Acked                                 Applied         Decided                      Closed
//
// The record of a job is a ConfigMap in the hub's namespace. It is there before the job is acknowledged, and says Applied before anything is concluded from
// what was made, Decided before anybody hears of a result: a hub that ends anywhere goes on from there. What is to be done next is decided by
// Next (next.go), which is pure; what an object has come to, by judge.go; the rest acts.
//
// What the record does not say after a crash, the object does: everything that a job makes bears its name in the annotation ops.vworkspace.io/job, so that
// it is found again, and not made again.
package jobs
