// SPDX-License-Identifier: Apache-2.0

// Package image makes container images of the hub and the agent without a container runtime, a base image or a registry: a static binary for each
// platform, nothing else in the file system, as one OCI index in an OCI layout and as tarballs that `docker load` takes.
//
//	go build -> binary -> layer -> image (config, labels) -> index of all platforms -> OCI layout
//	              |                                                                     ^
//	              +-> its build info -> SBOM (CycloneDX), beside the layout and attached to the image in it
//
// The same commit makes the same digests, wherever it is built (docs/adr/0011-images-without-a-daemon.md).
package image
