// SPDX-License-Identifier: Apache-2.0

// Package deploy embeds what is installed on a hub and on a spoke, so that a binary can install it without a checkout.
package deploy

import "embed"

// Folders of Manifests.
const (
	// CRDs of the APIs; the hub and every spoke serve the same.
	CRDs = "crds"
	// Policies are admission rules of the APIs that a CRD cannot hold; the hub and every spoke have the same.
	Policies = "policies"
	// Catalog holds the built-in OperationTemplates. The hub has them and brings them to the spokes; a spoke without a hub has them itself.
	Catalog = "catalog"
	// Hub is the hub's controller: its namespace, ServiceAccount, rights and Deployment, rendered from the chart.
	Hub = "hub"
	// ControlPlane is what the hub's controller needs besides to take jobs from control planes, and to tell them and others what happens.
	ControlPlane = "controlplane"
	// Spoke is the agent, in the same way.
	Spoke = "spoke"
	// VeleroProfile is a file: what engine velero needs in Velero's namespace, where that is velero.
	VeleroProfile = "spoke/examples/velero-profile.yaml"
	// Hosted is the namespace, the ServiceAccount and the rights of a process that runs the agents of many clusters.
	Hosted = "hosted"
)

// Manifests are the YAML files of the folders above.
//
//go:embed crds/*.yaml catalog/*.yaml policies/*.yaml hub/*.yaml controlplane/*.yaml spoke/*.yaml spoke/examples/velero-profile.yaml hosted/*.yaml
var Manifests embed.FS

// Observability holds dashboard.json for Grafana and rules.yaml for Prometheus.
//
//go:embed observability/dashboard.json observability/rules.yaml
var Observability embed.FS
