// SPDX-License-Identifier: Apache-2.0

// Package kindfleet runs a fleet of kind clusters: real nodes with real kubelets, pods, volumes and logs, where e2e/testbed has control planes
// whose pods are simulated. It is for what only real pods can prove: an image's user and rights, a step of a Workflow that runs a container, a
// mover that copies bytes.
//
// It needs root on Linux, and nothing but the Go module proxy and Debian's packages: what kind would pull is built here (node.go), once per
// machine, and kept in the user's cache folder. A run leaves nothing else behind, also when it is killed: it lives in namespaces of its own, of
// processes, mounts and network (sandbox.go), with a Docker engine of its own in them (engine.go).
//
//	Debian packages, unpacked and not installed    packages.go
//	a root filesystem, as kind's base image        rootfs.go
//	binaries of the node and of the control plane  binaries.go
//	what executors run in pods                     workers.go
//	images of one binary                           image.go
//	images that run on nodes                       podimages.go
//	the node image                                 node.go
//	clusters                                       fleet.go
package kindfleet
