// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import "strings"

// A profile is what the runs of an engine, or of a template that names another one, may do on a cluster: the ClusterRole that the owner of the
// cluster has installed for it. A run writes as the profile's ServiceAccount in the namespace where its objects are, by impersonation; a RoleBinding
// there gives the ServiceAccount what the ClusterRole allows. Kubernetes knows no capitals in names: helmHookJob is helmhookjob.
const (
	profilePrefix = "vworkspace-"
	rolePrefix    = profilePrefix + "profile-"

	// ProfileExtra is an extra field of the user as whom an agent writes, with the value ProfileExtraAgent. It tells whatever is written by the agent from
	// what somebody else writes with the ServiceAccount of a profile, who has no business with it (deploy/policies/profiles.yaml).
	ProfileExtra = "ops.vworkspace.io/by"
	// ProfileExtraAgent is the value of ProfileExtra.
	ProfileExtraAgent = "vworkspace-agent"
)

// ProfileRole is the name of a profile's ClusterRole, and of the RoleBindings to it.
func ProfileRole(profile string) string { return rolePrefix + strings.ToLower(profile) }

// ProfileAccount is the name of a profile's ServiceAccounts.
func ProfileAccount(profile string) string { return profilePrefix + strings.ToLower(profile) }

// ProfileUser is whom the API server takes a profile's ServiceAccount in a namespace for.
func ProfileUser(namespace, profile string) string {
	return "system:serviceaccount:" + namespace + ":" + ProfileAccount(profile)
}
