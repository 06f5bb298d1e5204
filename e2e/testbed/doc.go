// SPDX-License-Identifier: Apache-2.0

// Package testbed runs a local fleet of real control planes as plain processes on loopback: no containers, no root,
// no registry. Tests, benchmarks, `make demo` and fault injection use it.
//
//	         Up(ctx, Options)                                     one process: the supervisor
//	              |
//	build.go      |  components/ --go build--> cache of binaries and CRDs, by content
//	startup.go    v
//	etcd ---------+------------------------------+---------------- ...
//	   prefix /hub|                  /spoke1     |      /spoke2
//	kube-apiserver, -controller-manager   kube-apiserver, -controller-manager
//	OCM registration, placement, work <-- klusterlet agent (CSR, ManagedCluster, ManifestWork)
//	                                      kube-scheduler, KWOK: one simulated node
//	                                      engines.go: Flux, Velero, Argo, VolSync, CSI
//	                                             ^                  |
//	S3 server <------------------------------------------------------
//	charts.go     Helm repository and OCI registry, inside the supervisor
//
// Real are Kubernetes, etcd, Open Cluster Management with its full registration, and the engines' controllers. Fakes are the S3 server, which
// keeps objects in memory, and the CSI driver, whose volumes hold nothing. Simulated are the node and the Pods: KWOK makes Pods of Deployments ready and those of Jobs complete, or fail, as their annotations say
// (AnnotationOutcome and its siblings).
//
// What must stay true:
//
//   - Nothing is left behind. Every child is killed by the kernel when the supervisor dies, even by kill -9
//     (spawn.go), Down returns when the last one is gone, and testbed.json records pids with their start times, so
//     that no later process of the same pid is taken for one of ours (identity.go).
//   - A component that dies is named, with its exit status and the end of its log (process.go).
//   - Everything listens on loopback only, on ports of its own, so that fleets run beside each other (ports.go).
package testbed
