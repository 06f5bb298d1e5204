// SPDX-License-Identifier: Apache-2.0

package charts

import (
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestRights: every verb has its reason beside it, and no right is one that nobody needs to have.
func TestRights(t *testing.T) {
	cases(t, func(t *testing.T, chart string, values map[string]any) {
		seen := 0
		for _, document := range rendered(t, chart, values) {
			var node yaml.Node
			if err := yaml.Unmarshal([]byte(document), &node); err != nil {
				t.Fatal(err)
			}
			object := node.Content[0]
			switch kind := field(object, "kind").Value; kind {
			case "Role", "ClusterRole":
				for _, rule := range field(object, "rules").Content {
					seen++
					checkRule(t, kind, field(field(object, "metadata"), "name").Value, rule)
				}
			case "RoleBinding", "ClusterRoleBinding":
				if name := field(field(object, "roleRef"), "name").Value; name == "cluster-admin" || name == "admin" || name == "edit" {
					t.Errorf("%s binds %s", kind, name)
				}
			}
		}
		if seen < 5 {
			t.Errorf("only %d rules: the test does not see them", seen)
		}
	})
}

// dangerous are verbs with which a right becomes other rights.
var dangerous = []string{"escalate", "bind", "impersonate", "deletecollection", "approve", "sign"}

func checkRule(t *testing.T, kind, name string, rule *yaml.Node) {
	t.Helper()
	role, resources := kind+" "+name, values(field(rule, "resources"))
	// Whoever reads the role that he has learns nothing, and becomes nothing.
	readsItself := slices.Equal(values(field(rule, "resourceNames")), []string{name}) && slices.Equal(values(field(rule, "verbs")), []string{"get"})
	for _, verb := range field(rule, "verbs").Content {
		if verb.LineComment == "" {
			t.Errorf("%s: %s on %v has no reason beside it", role, verb.Value, resources)
		}
		if slices.Contains(dangerous, verb.Value) {
			t.Errorf("%s: %s on %v", role, verb.Value, resources)
		}
	}
	for _, list := range []string{"apiGroups", "resources", "verbs", "resourceNames"} {
		if slices.Contains(values(field(rule, list)), "*") {
			t.Errorf("%s: %s holds a wildcard", role, list)
		}
	}
	// One Secret, of which nobody else's rights hang: the keys by which approvals are verified, or the certificate that it shows to the API server.
	named := func(verbs ...string) bool {
		return kind == "Role" && slices.Equal(values(field(rule, "resources")), []string{"secrets"}) && len(values(field(rule, "resourceNames"))) == 1 &&
			slices.Equal(values(field(rule, "verbs")), verbs)
	}
	own := named("get") || strings.HasSuffix(name, "-admission") && slices.Equal(values(field(rule, "resourceNames")), []string{name}) && named("get", "update")
	for _, secret := range []string{"secrets", "serviceaccounts/token", "pods/exec", "nodes", "roles", "clusterroles", "rolebindings", "clusterrolebindings"} {
		if slices.Contains(resources, secret) && (secret != "clusterroles" || !readsItself) && !own {
			t.Errorf("%s: a right on %s", role, secret)
		}
	}
}

// field is a field of a mapping; an empty node if it is not there.
func field(mapping *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == name {
			return mapping.Content[i+1]
		}
	}
	return &yaml.Node{}
}

// values are the scalars of a sequence.
func values(sequence *yaml.Node) []string {
	var out []string
	for _, item := range sequence.Content {
		out = append(out, item.Value)
	}
	return out
}
