// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"vworkspace.io/fleet/e2e/testbed"
)

// restored are the kinds of which nothing stays that a page has made, in the order in which it goes.
var restored = []string{
	"controlplanes.ops.vworkspace.io", "auditsinks.ops.vworkspace.io", "freezes.ops.vworkspace.io", "cronjobs", "operations.ops.vworkspace.io",
	"applicationinstances.apps.vworkspace.io", "operationtemplates.ops.vworkspace.io", "maintenancewindows.ops.vworkspace.io",
	"agentpolicies.ops.vworkspace.io", "placements.cluster.open-cluster-management.io", "roles", "rolebindings", "clusterroles", "secrets", "namespaces",
}

// object by cluster, kind, namespace and name.
type object struct{ cluster, kind, namespace, name string }

// everything of those kinds on every cluster.
func (o *tools) everything(t *testing.T) map[object]bool {
	t.Helper()
	all := map[object]bool{}
	for _, c := range everyCluster() {
		for _, kind := range restored {
			args := []string{"get", kind, "-A", "--ignore-not-found", "-o", `jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name}{"\n"}{end}`}
			out, err := o.kubectl(t, c, args...)
			if err != nil && !strings.Contains(out, "doesn't have a resource type") {
				t.Fatalf("%s: %s", c.Name, out)
			}
			for _, line := range strings.Fields(out) {
				if namespace, name, ok := strings.Cut(line, "/"); ok && err == nil {
					all[object{c.Name, kind, namespace, name}] = true
				}
			}
		}
	}
	return all
}

// restore deletes what was not there before, on the hub first: what the hub has brought goes with it.
func (o *tools) restore(t *testing.T, before map[object]bool) {
	t.Helper()
	now := o.everything(t)
	for _, c := range everyCluster() {
		for _, kind := range restored {
			for made := range now {
				if made.cluster != c.Name || made.kind != kind || before[made] || ofAgents(made) {
					continue
				}
				args := []string{"delete", kind, made.name, "--ignore-not-found", "--timeout=2m"}
				if made.namespace != "" {
					args = append(args, "-n", made.namespace)
				}
				if out, err := o.kubectl(t, c, args...); err != nil {
					t.Errorf("tidy %s up: %v: %s", c.Name, err, out)
				}
			}
		}
	}
}

// ofAgents tells what the controllers make and take away by themselves.
func ofAgents(o object) bool {
	return o.kind == "rolebindings" && strings.HasPrefix(o.name, "vworkspace-profile-") || strings.HasPrefix(o.name, "sh.helm.release.") || strings.HasPrefix(o.name, "hub.")
}

func (o *tools) kubectl(t *testing.T, c *testbed.Cluster, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, fleet.Fleet.Kubectl(), args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.KubeconfigPath)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// labelled are the kinds whose labels are as they were, after a page.
var labelled = []string{"namespaces", "managedclusters.cluster.open-cluster-management.io"}

// labels by the object.
func (o *tools) labels(t *testing.T) map[object]map[string]string {
	t.Helper()
	all := map[object]map[string]string{}
	for _, c := range everyCluster() {
		for _, kind := range labelled {
			out, err := o.kubectl(t, c, "get", kind, "-o", "json")
			if err != nil {
				continue // a spoke has no ManagedClusters
			}
			var list struct {
				Items []struct {
					Metadata struct {
						Name   string
						Labels map[string]string
					}
				}
			}
			must(t, json.Unmarshal([]byte(out), &list))
			for _, item := range list.Items {
				all[object{c.Name, kind, "", item.Metadata.Name}] = item.Metadata.Labels
			}
		}
	}
	return all
}

// restoreLabels of what is still there.
func (o *tools) restoreLabels(t *testing.T, before map[object]map[string]string) {
	t.Helper()
	now := o.labels(t)
	for _, c := range everyCluster() {
		for at, wanted := range before {
			labels, there := now[at]
			if at.cluster != c.Name || !there {
				continue
			}
			args := []string{"label", at.kind, at.name, "--overwrite"}
			for name := range labels {
				if _, kept := wanted[name]; !kept {
					args = append(args, name+"-")
				}
			}
			for name, value := range wanted {
				if labels[name] != value {
					args = append(args, name+"="+value)
				}
			}
			if len(args) == 4 {
				continue
			}
			if out, err := o.kubectl(t, c, args...); err != nil {
				t.Errorf("tidy the labels of %s up: %v: %s", at.name, err, out)
			}
		}
	}
}
