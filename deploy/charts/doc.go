// SPDX-License-Identifier: Apache-2.0

// Package charts renders the two charts in this folder, hub and spoke, which are the one source of what is installed: the plain manifests in
// deploy/hub and deploy/spoke and the add-on in deploy/addon are made of them by `make generate` (deploy/render).
//
// Its tests hold the charts to what they promise: for every set of values in testdata, and installed, upgraded and uninstalled by Helm's own
// library on a real API server.
package charts
