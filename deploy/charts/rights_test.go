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

// ofProfiles are the rights on rights that the agent has, by what it has them on: it puts profiles in place and acts as them, by name. What RBAC cannot name
// deploy/policies does.
var ofProfiles = map[string]struct {
	verbs []string
	names string // all begin with it; none where it is empty
}{
	"serviceaccounts":                    {[]string{"impersonate", "get"}, "vworkspace-"},
	"userextras/ops.vworkspace.io/by":    {[]string{"impersonate"}, "vworkspace-agent"},
	"clusterroles":                       {[]string{"get", "bind"}, "vworkspace-profile-"},
	"rolebindings":                       {[]string{"get"}, "vworkspace-profile-"},
	"serviceaccounts, which has no name": {[]string{"create"}, ""},
	"rolebindings, which has no name":    {[]string{"create"}, ""},
}

// putsProfilesInPlace tells whether a rule is one of ofProfiles, and of the agent.
func putsProfilesInPlace(role string, rule *yaml.Node) bool {
	names, resources := values(field(rule, "resourceNames")), values(field(rule, "resources"))
	if role != "ClusterRole vworkspace-agent" || len(resources) != 1 {
		return false
	}
	key := resources[0]
	if len(names) == 0 {
		key += ", which has no name"
	}
	of, ok := ofProfiles[key]
	return ok && slices.Equal(values(field(rule, "verbs")), of.verbs) &&
		!slices.ContainsFunc(names, func(name string) bool { return !strings.HasPrefix(name, of.names) })
}

// actsForControlPlanes tells whether a rule lets the hub act as accounts of control planes, by name.
func actsForControlPlanes(role string, rule *yaml.Node) bool {
	return role == "Role vworkspace-hub-control-plane" && slices.Equal(values(field(rule, "resources")), []string{"serviceaccounts"}) &&
		slices.Equal(values(field(rule, "verbs")), []string{"impersonate"}) && len(values(field(rule, "resourceNames"))) > 0
}

func checkRule(t *testing.T, kind, name string, rule *yaml.Node) {
	t.Helper()
	role, resources := kind+" "+name, values(field(rule, "resources"))
	// Whoever reads the role that he has learns nothing, and becomes nothing.
	readsItself := slices.Equal(values(field(rule, "resourceNames")), []string{name}) && slices.Equal(values(field(rule, "verbs")), []string{"get"})
	ofProfile := putsProfilesInPlace(role, rule) || actsForControlPlanes(role, rule)
	for _, verb := range field(rule, "verbs").Content {
		if verb.LineComment == "" {
			t.Errorf("%s: %s on %v has no reason beside it", role, verb.Value, resources)
		}
		if slices.Contains(dangerous, verb.Value) && !ofProfile {
			t.Errorf("%s: %s on %v", role, verb.Value, resources)
		}
	}
	for _, list := range []string{"apiGroups", "resources", "verbs", "resourceNames"} {
		if slices.Contains(values(field(rule, list)), "*") {
			t.Errorf("%s: %s holds a wildcard", role, list)
		}
	}
	own := ownSecret(kind, name, rule)
	for _, secret := range []string{"secrets", "serviceaccounts/token", "pods/exec", "nodes", "roles", "clusterroles", "rolebindings", "clusterrolebindings"} {
		if slices.Contains(resources, secret) && !ofProfile && (secret != "clusterroles" || !readsItself) && !own {
			t.Errorf("%s: a right on %s", role, secret)
		}
	}
}

// ownSecret tells whether a rule is about one Secret of which nobody else's rights hang: the keys by which approvals are verified, or the certificate that
// the holder shows to the API server; or about those with the holder's own credentials at control planes, by name.
func ownSecret(kind, name string, rule *yaml.Node) bool {
	names, verbs := values(field(rule, "resourceNames")), values(field(rule, "verbs"))
	if kind != "Role" || !slices.Equal(values(field(rule, "resources")), []string{"secrets"}) {
		return false
	}
	if name == "vworkspace-hub-control-plane" {
		return len(names) > 0 && slices.Equal(verbs, []string{"get", "update"})
	}
	if len(names) != 1 {
		return false
	}
	return slices.Equal(verbs, []string{"get"}) || strings.HasSuffix(name, "-admission") && names[0] == name && slices.Equal(verbs, []string{"get", "update"})
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

// TestProfilesAreNamed: the agent may be and bind the profiles that there are, those of the owner among them, and only runs of a profile may do what a
// profile is for.
func TestProfilesAreNamed(t *testing.T) {
	rules := func(values map[string]any, role string) []*yaml.Node {
		for _, document := range rendered(t, "spoke", values) {
			var node yaml.Node
			if err := yaml.Unmarshal([]byte(document), &node); err != nil {
				t.Fatal(err)
			}
			if o := node.Content[0]; field(o, "kind").Value == "ClusterRole" && field(field(o, "metadata"), "name").Value == role {
				return field(o, "rules").Content
			}
		}
		return nil
	}
	own := smallest(t, "spoke")
	own["profiles"] = map[string]any{"extra": []any{"nightly"}}
	for _, c := range []struct {
		values map[string]any
		names  []string
	}{
		{smallest(t, "spoke"), []string{"helm", "helmhookjob", "job", "velero", "volsync", "workflow"}},
		{own, []string{"helm", "helmhookjob", "job", "velero", "volsync", "workflow", "nightly"}},
	} {
		seen := 0
		for _, rule := range rules(c.values, "vworkspace-agent") {
			prefix := ofProfiles[strings.Join(values(field(rule, "resources")), " ")].names
			if names := values(field(rule, "resourceNames")); len(names) > 1 {
				seen++
				for i, name := range names {
					names[i] = strings.TrimPrefix(name, prefix)
				}
				if !slices.Equal(names, c.names) {
					t.Errorf("a rule on %v names %v, want %v", values(field(rule, "resources")), names, c.names)
				}
			}
		}
		if seen != 3 {
			t.Errorf("%d rules name profiles: the test does not see them", seen)
		}
	}
	for _, profile := range []string{"helm", "helmhookjob", "job", "velero", "volsync", "workflow"} {
		if len(rules(smallest(t, "spoke"), "vworkspace-profile-"+profile)) == 0 {
			t.Errorf("profile %s has no rights", profile)
		}
	}
	without := smallest(t, "spoke")
	without["profiles"] = map[string]any{"install": false}
	if rules(without, "vworkspace-profile-job") != nil {
		t.Error("profiles are installed all the same")
	}
}
