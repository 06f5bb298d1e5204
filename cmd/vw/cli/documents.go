// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"vworkspace.io/fleet/cmd/vw/chain"
	"vworkspace.io/fleet/cmd/vw/doctor"
	"vworkspace.io/fleet/cmd/vw/inventory"
	"vworkspace.io/fleet/cmd/vw/listing"
)

// Document is something that vw finds out and prints with -o json that is no object of the API.
type Document struct {
	// Kind that it is printed as, in documentVersion.
	Kind string
	// Command that prints it.
	Command string
	// Of is an empty one.
	Of any
}

// DocumentVersion is the apiVersion of all of them.
const DocumentVersion = documentVersion

// Documents of all commands.
func Documents() []Document {
	return []Document{
		{"Applications", "vw apps", inventory.Apps{}},
		{"ClusterChain", "vw describe cluster", chain.Chain{}},
		{"Clusters", "vw clusters", inventory.Fleet{}},
		{"Diagnosis", "vw doctor", doctor.Diagnosis{}},
		{"InstanceChain", "vw describe appinst", chain.Chain{}},
		{"OperationChain", "vw describe op NAME --cluster", chain.Chain{}},
		{"OperationOverview", "vw describe op", chain.Overview{}},
		{"Plan", "vw plan", plan{}},
		{"RunClusters", "vw get op NAME --clusters", listing.Run{}},
		{"TemplateParameters", "vw templates NAME", templateDocument{}},
		{"Version", "vw version", versionDocument{}},
	}
}
