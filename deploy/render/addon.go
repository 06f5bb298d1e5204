// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"vworkspace.io/fleet/deploy/charts"
)

const addonHead = `apiVersion: addon.open-cluster-management.io/v1alpha1
kind: AddOnTemplate
metadata:
  name: vworkspace-agent
spec:
  addonName: vworkspace-agent
  # No registration: the agent asks nothing of the hub. Operations reach it by ManifestWorks, and Open Cluster Management's own agent reports.
  registration: []
  agentSpec:
    workload:
      manifests:
`

// orphan keeps an object on the cluster when the add-on goes. With a CRD would go every Operation and ApplicationInstance, and with them,
// by Flux, the applications; with the namespace the records of what ran.
const orphan = "addon.open-cluster-management.io/deletion-orphan"

// writeAddon renders the spoke chart into the AddOnTemplate. Open Cluster Management fills in the name of each cluster.
func writeAddon() error {
	const chart = "deploy/charts/spoke"
	files, err := charts.Render(chart, charts.Options{Release: "vworkspace-agent", Namespace: "vworkspace-agent", Unchecked: true, Values: map[string]any{
		"cluster":   "{{CLUSTER_NAME}}",
		"image":     map[string]any{"repository": "registry.example.com/vworkspace-fleet/spoke"},
		"namespace": map[string]any{"create": true},
		// Open Cluster Management would go on taking away again what the agent fills in: the certificates and who is trusted for them.
		"admission": map[string]any{"enabled": false},
	}})
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString(addonHead)
	for _, name := range inOrder(files) {
		for _, document := range documents(files[name]) {
			b.WriteString(item(kept(document)))
		}
	}
	return replaceOne("deploy/addon/template.yaml", headed(chart, b.String()))
}

// inOrder is the names of the files, those first that the others need: what cannot be applied is tried again only after a while.
func inOrder(files map[string]string) []string {
	names := slices.Sorted(maps.Keys(files))
	needed := []string{"crds.yaml", "namespace.yaml"}
	return append(needed, slices.DeleteFunc(names, func(name string) bool { return slices.Contains(needed, name) })...)
}

// documents splits a YAML stream.
func documents(text string) []string {
	var out []string
	for document := range strings.SplitSeq("\n"+text, "\n---\n") {
		if document = strings.Trim(document, "\n"); document != "" {
			out = append(out, document)
		}
	}
	return out
}

// kept marks what stays when the add-on goes.
func kept(document string) string {
	const metadata = "\nmetadata:\n"
	switch {
	case strings.Contains("\n"+document, "\nkind: CustomResourceDefinition\n"):
		return strings.Replace(document, "\n    helm.sh/resource-policy: keep\n", fmt.Sprintf("\n    %s: \"\"\n", orphan), 1)
	case strings.Contains("\n"+document, "\nkind: Namespace\n"):
		return strings.Replace(document, metadata, fmt.Sprintf("%s  annotations:\n    %s: \"\"\n", metadata, orphan), 1)
	}
	return document
}

// item is a document as an element of the template's list, with its comments.
func item(document string) string {
	const indent = "        "
	var b strings.Builder
	begun := false
	for line := range strings.SplitSeq(document, "\n") {
		switch {
		case line == "":
			b.WriteString("\n")
		case !begun && !strings.HasPrefix(line, "#"):
			begun = true
			b.WriteString(indent + "- " + line + "\n")
		default:
			b.WriteString(indent + "  " + line + "\n")
		}
	}
	return b.String()
}
