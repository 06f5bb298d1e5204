// SPDX-License-Identifier: Apache-2.0

package permissions

import (
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/demo"
	"vworkspace.io/fleet/e2e/install"
	"vworkspace.io/fleet/spoke/hosted"
)

// Who asks. The ServiceAccounts are those of deploy/; the work agent is who Open Cluster Management's registration made of spoke1.
const (
	theHub           = "hub"
	theAgent         = "agent"
	theOperations    = "executor of Operations"
	theInstances     = "executor of instances"
	theCatalog       = "executor of the catalog"
	theControlPlane  = "account of control planes"
	theHosted        = "hosted agents' process"
	theWorkAgent     = "spoke1's work agent"
	theJobProfile    = "profile job of an open namespace"
	theVeleroProfile = "profile velero of Velero's namespace"
)

// identities says where each is asked about, and what its account is; none for the work agent, whose name only the hub knows.
var identities = []struct {
	name, cluster, namespace, account string
}{
	{theHub, "hub", install.HubNamespace, "vworkspace-hub"},
	{theControlPlane, "hub", install.HubNamespace, opsv1alpha1.DefaultControlPlaneAccount},
	{theHosted, "hub", hosted.DefaultNamespace, install.HostedAccount},
	{theWorkAgent, "hub", "", ""},
	{theAgent, "spoke", opsv1alpha1.DefaultAgentNamespace, "vworkspace-agent"},
	{theOperations, "spoke", opsv1alpha1.DefaultAgentNamespace, "vworkspace-operations"},
	{theInstances, "spoke", opsv1alpha1.DefaultAgentNamespace, "vworkspace-instances"},
	{theCatalog, "spoke", opsv1alpha1.DefaultAgentNamespace, opsv1alpha1.CatalogExecutor},
	{theJobProfile, "spoke", gated, opsv1alpha1.ProfileAccount("job")},
	{theVeleroProfile, "spoke", "velero", opsv1alpha1.ProfileAccount("velero")},
}

// permission is one line of the table: may who do verb on resource (RESOURCE.GROUP/SUBRESOURCE, and =NAME) in a namespace. With namespace *, yes means
// in all of them, and no means in none, but where another line says yes.
type permission struct {
	who, verb, resource, namespace string
	may                            bool
	why                            string
}

const (
	gated   = demo.Namespace // carries the gate label; the tenants' namespace on every fleet that is asked
	ungated = "kube-system"
	agentNS = opsv1alpha1.DefaultAgentNamespace
	hubNS   = install.HubNamespace
)

// dangerous is what none of ours may do anywhere: with any of it they could become more than they are.
var dangerous = []permission{
	{verb: "list", resource: "secrets", namespace: "*", why: "Secrets are named, never read"},
	{verb: "get", resource: "secrets", namespace: ungated, why: "not those of other namespaces either"},
	{verb: "create", resource: "clusterrolebindings.rbac.authorization.k8s.io", namespace: "*", why: "nobody makes itself an administrator"},
	{verb: "update", resource: "rolebindings.rbac.authorization.k8s.io", namespace: ungated, why: "nor of a namespace"},
	{verb: "escalate", resource: "clusterroles.rbac.authorization.k8s.io", namespace: "*", why: "nor by widening a role"},
	{verb: "bind", resource: "clusterroles.rbac.authorization.k8s.io", namespace: "*", why: "nor by handing one out, but a profile"},
	{verb: "impersonate", resource: "users", namespace: "*", why: "nobody acts as somebody else"},
	{verb: "impersonate", resource: "serviceaccounts", namespace: ungated, why: "nor as an account, but a profile's"},
	{verb: "create", resource: "serviceaccounts/token", namespace: ungated, why: "nor by a token of one"},
	{verb: "create", resource: "pods", namespace: ungated, why: "no pods of our own"},
	{verb: "create", resource: "pods", namespace: gated, why: "nor in open namespaces: executors make them"},
	{verb: "create", resource: "pods/exec", namespace: gated, why: "exec is granted per namespace, for quiesce"},
	{verb: "create", resource: "nodes/proxy", namespace: "*", why: "no way round admission through kubelets"},
	{verb: "patch", resource: "namespaces", namespace: "*", why: "the gate label is the administrator's"},
	{verb: "create", resource: "agentpolicies.ops.vworkspace.io", namespace: "*", why: "the last word is the cluster's owner's"},
	{verb: "update", resource: "agentpolicies.ops.vworkspace.io", namespace: "*", why: "nobody takes it back"},
	{verb: "patch", resource: "agentpolicies.ops.vworkspace.io", namespace: "*", why: "nor a part of it"},
	{verb: "delete", resource: "agentpolicies.ops.vworkspace.io", namespace: "*", why: "nor all of it"},
	{verb: "*", resource: "*.*", namespace: "*", why: "nobody is cluster-admin"},
}

// permissions are the rest, identity by identity.
var permissions = []permission{
	{theHub, "watch", "operations.ops.vworkspace.io", "*", true, "act on a request at once"},
	{theHub, "create", "operations.ops.vworkspace.io", "*", true, "put back what an Upgrade has changed, as that one says"},
	{theHub, "update", "operations.ops.vworkspace.io", "*", false, "requests are people's"},
	{theHub, "create", "selfsubjectreviews.authentication.k8s.io", "*", true, "is an Operation that puts another back its own"},
	{theHub, "create", "manifestworks.work.open-cluster-management.io", "spoke1", true, "send an Operation to a cluster"},
	{theHub, "execute-as", "manifestworks.work.open-cluster-management.io=system:serviceaccount:vworkspace-agent:vworkspace-operations", "spoke1", true, "as the executor of Operations"},
	{theHub, "execute-as", "manifestworks.work.open-cluster-management.io=system:serviceaccount:vworkspace-agent:vworkspace-catalog", "spoke1", true, "as the executor of the catalog"},
	{theHub, "watch", "operationtemplates.ops.vworkspace.io", "*", true, "what an Operation may be, and goes to the clusters"},
	{theHub, "get", "operationtemplates.ops.vworkspace.io", "*", true, "what is about to be sent is still so"},
	{theHub, "patch", "operationtemplates.ops.vworkspace.io", "*", false, "the catalog is the platform team's"},
	{theHub, "watch", "freezes.ops.vworkspace.io", "*", true, "hold the fleet at once, and its clusters"},
	{theHub, "delete", "freezes.ops.vworkspace.io", "*", false, "whoever froze it thaws it"},
	{theHub, "execute-as", "manifestworks.work.open-cluster-management.io=system:serviceaccount:kube-system:default", "spoke1", false, "as nobody else"},
	{theHub, "create", "configmaps", gated, true, "keep a plan beside its Operation"},
	{theHub, "list", "configmaps", "*", false, "read only those whose name it derives"},
	{theHub, "list", "configmaps", install.HubNamespace, true, "find the records of used approvals that have expired"},
	{theHub, "get", "secrets=vworkspace-approval-keys", install.HubNamespace, true, "the keys of approvals"},
	{theHub, "get", "secrets=other", install.HubNamespace, false, "one Secret"},
	{theHub, "update", "secrets=vworkspace-approval-keys", install.HubNamespace, false, "keys are the administrator's"},
	{theHub, "get", "validatingadmissionpolicies.admissionregistration.k8s.io=approvals.ops.vworkspace.io", "*", true, "is there what guards approvals"},
	{theHub, "get", "validatingadmissionpolicies.admissionregistration.k8s.io", "*", false, "no other"},
	{theHub, "approve", "operations.ops.vworkspace.io", "*", false, "approvals are people's"},
	{theHub, "patch", "placements.cluster.open-cluster-management.io", gated, false, "who may be reached is the platform team's"},
	{theHub, "update", "managedclusters.cluster.open-cluster-management.io", "*", false, "so is which clusters there are"},
	{theHub, "create", "subjectaccessreviews.authorization.k8s.io", "*", true, "may the one who asks do this"},
	{theHub, "get", "validatingadmissionpolicies.admissionregistration.k8s.io=requester.ops.vworkspace.io", "*", true, "is it kept from being forged who asks"},
	{theHub, "update", "validatingadmissionpolicies.admissionregistration.k8s.io=requester.ops.vworkspace.io", "*", false, "nobody loosens what holds without us"},
	{theHub, "create", "operations.ops.vworkspace.io/delivery", "*", false, "on the hub nothing is delivered"},
	{theHub, "update", "secrets=vworkspace-hub-admission", install.HubNamespace, true, "its certificate for admission"},
	{theHub, "create", "secrets", "*", false, "the one that it fills is installed with it"},
	{theHub, "patch", "mutatingwebhookconfigurations.admissionregistration.k8s.io=vworkspace-hub-admission", "*", true, "have its certificate trusted"},
	{theHub, "patch", "mutatingwebhookconfigurations.admissionregistration.k8s.io=other", "*", false, "no other webhook is its to change"},
	{theHub, "create", "validatingwebhookconfigurations.admissionregistration.k8s.io", "*", false, "nor to make"},
	{theHub, "update", "leases.coordination.k8s.io=vworkspace-hub", install.HubNamespace, true, "lead"},
	{theHub, "update", "leases.coordination.k8s.io=other", install.HubNamespace, false, "one Lease"},

	{theHosted, "list", "secrets", hosted.DefaultNamespace, true, "the kubeconfigs of its clusters"},
	{theHosted, "watch", "secrets", hosted.DefaultNamespace, true, "and their changes"},
	{theHosted, "update", "secrets", hosted.DefaultNamespace, false, "it writes none"},
	{theHosted, "watch", "operations.ops.vworkspace.io", "*", false, "on the cluster it runs on it is nobody's agent"},
	{theHosted, "get", "namespaces", "*", false, "nothing there concerns it"},
	{theHosted, "watch", "leases.coordination.k8s.io", hosted.DefaultNamespace, true, "which replicas there are, and who serves which cluster"},
	{theHosted, "update", "leases.coordination.k8s.io", hosted.DefaultNamespace, true, "serve a cluster, give it up, take it over"},
	{theHosted, "delete", "leases.coordination.k8s.io", hosted.DefaultNamespace, true, "those of replicas that ended and clusters that left"},
	{theHosted, "update", "leases.coordination.k8s.io", ungated, false, "no other process is its to stop"},

	{theWorkAgent, "list", "manifestworks.work.open-cluster-management.io", "spoke1", true, "its own works"},
	{theWorkAgent, "list", "manifestworks.work.open-cluster-management.io", "spoke2", false, "never another cluster's"},
	{theWorkAgent, "get", "manifestworks.work.open-cluster-management.io", "spoke2", false, "not by name either"},
	{theWorkAgent, "get", "operations.ops.vworkspace.io", gated, false, "the hub's Operations are not a cluster's"},
	{theWorkAgent, "create", "manifestworks.work.open-cluster-management.io", "spoke1", false, "a cluster asks for nothing"},

	{theAgent, "create", "operations.ops.vworkspace.io", gated, true, "one per instance"},
	{theAgent, "watch", "agentpolicies.ops.vworkspace.io", "*", true, "heed the owner at once"},
	{theAgent, "watch", "freezes.ops.vworkspace.io", "*", true, "hold the cluster at once"},
	{theAgent, "delete", "freezes.ops.vworkspace.io", "*", false, "whoever froze it thaws it"},
	{theAgent, "create", "operations.ops.vworkspace.io/delivery", "*", true, "pass on who asked; the policy `requester.ops.vworkspace.io` asks for this right"},
	{theAgent, "update", "secrets=vworkspace-agent-admission", agentNS, true, "its certificate for admission"},
	{theAgent, "get", "secrets=other", agentNS, false, "no other Secret"},
	{theAgent, "create", "secrets", "*", false, "the one that it fills is installed with it"},
	{theAgent, "patch", "validatingwebhookconfigurations.admissionregistration.k8s.io=vworkspace-agent-admission", "*", true, "have its certificate trusted"},
	{theAgent, "patch", "validatingwebhookconfigurations.admissionregistration.k8s.io=other", "*", false, "no other webhook is its to change"},
	{theAgent, "patch", "applicationinstances.apps.vworkspace.io", gated, true, "the finalizer, an Upgrade's version"},
	{theAgent, "watch", "operationtemplates.ops.vworkspace.io", "*", true, "what an Operation may be"},
	{theAgent, "patch", "operationtemplates.ops.vworkspace.io", "*", false, "it goes by the catalog, and changes nothing in it"},
	{theAgent, "delete", "applicationinstances.apps.vworkspace.io", gated, false, "instances are people's and the hub's"},
	{theAgent, "create", "jobs.batch", "*", false, "runs write as their profiles"},
	{theAgent, "delete", "jobs.batch", "*", false, "nor is anything cancelled but as one"},
	{theAgent, "create", "workflows.argoproj.io", "*", false, "the same, engine workflow"},
	{theAgent, "create", "backups.velero.io", "*", false, "the same, engine velero"},
	{theAgent, "create", "replicationsources.volsync.backube", "*", false, "the same, engine volsync"},
	{theAgent, "create", "persistentvolumeclaims", "*", false, "the same"},
	{theAgent, "patch", "helmcharts.source.toolkit.fluxcd.io", "*", false, "the same, engine helm"},
	{theAgent, "patch", "helmreleases.helm.toolkit.fluxcd.io", gated, true, "the releases of managed instances"},
	{theAgent, "impersonate", "serviceaccounts=vworkspace-job", gated, true, "profile job"},
	{theAgent, "impersonate", "serviceaccounts=vworkspace-job", ungated, true, "by RBAC; there it has no rights: see profile job"},
	{theAgent, "impersonate", "serviceaccounts=default", gated, false, "no other account"},
	{theAgent, "impersonate", "serviceaccounts=vworkspace-operation-runner", gated, false, "nor whom the pods of runs act as"},
	{theAgent, "impersonate", "groups", "*", false, "nor a group"},
	{theAgent, "create", "serviceaccounts", gated, true, "of profiles; `profile-accounts.vworkspace.io` refuses others"},
	{theAgent, "create", "rolebindings.rbac.authorization.k8s.io", gated, true, "of profiles; `profile-bindings.vworkspace.io` refuses others"},
	{theAgent, "create", "rolebindings.rbac.authorization.k8s.io", ungated, true, "by RBAC; the policy `gate.vworkspace.io` refuses it"},
	{theAgent, "delete", "rolebindings.rbac.authorization.k8s.io", gated, false, "what people have bound stays"},
	{theAgent, "bind", "clusterroles.rbac.authorization.k8s.io=vworkspace-profile-job", "*", true, "profile job, to its account"},
	{theAgent, "bind", "clusterroles.rbac.authorization.k8s.io=cluster-admin", "*", false, "nothing else"},
	{theAgent, "patch", "clusterroles.rbac.authorization.k8s.io=vworkspace-profile-job", "*", false, "what a profile may do is the owner's"},
	{theAgent, "create", "subjectaccessreviews.authorization.k8s.io", "*", true, "what a profile lacks"},
	{theAgent, "get", "pods/log", gated, false, "logs are named, never read"},
	{theAgent, "create", "services/proxy", gated, false, "requests to applications are granted per namespace, for quiesce"},
	{theAgent, "create", "namespaces", "*", false, "namespaces are the administrator's"},
	{theAgent, "get", "clusterclaims.cluster.open-cluster-management.io", "*", false, "it lists them"},
	{theAgent, "get", "clusterroles.rbac.authorization.k8s.io=vworkspace-agent", "*", true, "its claims belong to it, and go when it goes"},
	{theAgent, "get", "clusterroles.rbac.authorization.k8s.io", "*", false, "no other"},
	{theAgent, "get", "secrets=vworkspace-approval-keys", agentNS, true, "the keys of approvals"},
	{theAgent, "get", "validatingadmissionpolicies.admissionregistration.k8s.io=approvals.ops.vworkspace.io", "*", true, "is there what guards approvals"},
	{theAgent, "get", "validatingadmissionpolicies.admissionregistration.k8s.io", "*", false, "no other"},
	{theAgent, "approve", "operations.ops.vworkspace.io", "*", false, "approvals are people's"},
	{theAgent, "update", "leases.coordination.k8s.io=vworkspace-agent", agentNS, true, "lead"},
	{theAgent, "update", "leases.coordination.k8s.io=other", agentNS, false, "one Lease"},

	{theHub, "list", "controlplanes.ops.vworkspace.io", "*", true, "whom to ask"},
	{theHub, "watch", "auditsinks.ops.vworkspace.io", "*", true, "whom to tell"},
	{theHub, "create", "controlplanes.ops.vworkspace.io", "*", false, "whom to ask is the platform team's to say"},
	{theHub, "patch", "controlplanes.ops.vworkspace.io", "*", false, "and what they may do"},
	{theHub, "patch", "controlplanes.ops.vworkspace.io/status", "*", true, "how it gets on with them"},
	{theHub, "update", "secrets=vworkspace-control-plane", hubNS, true, "exchange the registration token for credentials"},
	{theHub, "create", "secrets", hubNS, false, "it is made empty by who installs"},
	{theHub, "delete", "secrets=vworkspace-control-plane", hubNS, false, "nor taken away"},
	{theHub, "impersonate", "serviceaccounts=vworkspace-control-plane", hubNS, true, "carry out jobs with that account's rights"},
	{theHub, "impersonate", "serviceaccounts=vworkspace-hub", hubNS, false, "no other account"},

	{theControlPlane, "create", "operations.ops.vworkspace.io", gated, true, "ask for one, by a job or by itself"},
	{theControlPlane, "patch", "applicationinstances.apps.vworkspace.io", gated, true, "deploy an application"},
	{theControlPlane, "run", "operationtemplates.ops.vworkspace.io", gated, true, "what is asked of whoever asks for an Operation"},
	{theControlPlane, "target", "placements.cluster.open-cluster-management.io", gated, true, "the same"},
	{theControlPlane, "create", "operations.ops.vworkspace.io", ungated, false, "in no namespace that was not opened to it"},
	{theControlPlane, "patch", "operations.ops.vworkspace.io/status", gated, false, "what came out is the hub's to say"},
	{theControlPlane, "approve", "operations.ops.vworkspace.io", gated, false, "approvals are people's, and are signed"},
	{theControlPlane, "create", "operations.ops.vworkspace.io/delivery", "*", false, "it is nobody's hub"},
	{theControlPlane, "create", "manifestworks.work.open-cluster-management.io", "*", false, "clusters are reached through Operations alone"},
	{theControlPlane, "patch", "controlplanes.ops.vworkspace.io", "*", false, "it does not say what it may do"},
	{theControlPlane, "get", "secrets=vworkspace-control-plane", hubNS, false, "its account does not know its credentials"},
	{theControlPlane, "get", "configmaps", gated, false, "plans and results are the hub's; what they say is in the status"},

	{theJobProfile, "create", "jobs.batch", gated, true, "the run's Job"},
	{theJobProfile, "delete", "jobs.batch", gated, true, "cancel"},
	{theJobProfile, "update", "jobs.batch", gated, false, "what runs is not changed"},
	{theJobProfile, "create", "jobs.batch", ungated, false, "the account of another namespace has no rights"},
	{theJobProfile, "patch", "helmreleases.helm.toolkit.fluxcd.io", gated, false, "nor those of another profile"},
	{theJobProfile, "create", "backups.velero.io", "velero", false, "nor where that one has some"},

	{theVeleroProfile, "create", "backups.velero.io", "velero", true, "engine velero"},
	{theVeleroProfile, "patch", "backups.velero.io", "velero", true, "remind Velero of one that it forgot to start; a policy takes annotations alone"},
	{theVeleroProfile, "update", "backups.velero.io", "velero", false, "what Velero works on is not changed"},
	{theVeleroProfile, "patch", "restores.velero.io", "velero", false, "the same"},
	{theVeleroProfile, "create", "backups.velero.io", gated, false, "in Velero's namespace only"},
	{theVeleroProfile, "create", "backups.velero.io", ungated, false, "the same"},

	{theOperations, "create", "operations.ops.vworkspace.io", agentNS, true, "what the hub delivers"},
	{theOperations, "delete", "operations.ops.vworkspace.io", agentNS, true, "what it takes back"},
	{theOperations, "create", "operations.ops.vworkspace.io", gated, false, "in the agent's namespace only"},
	{theOperations, "create", "operations.ops.vworkspace.io/delivery", "*", false, "the work agent has that, which the executor bounds"},
	{theOperations, "patch", "operations.ops.vworkspace.io/status", agentNS, false, "the result is the agent's"},
	{theOperations, "create", "applicationinstances.apps.vworkspace.io", agentNS, false, "the other executor's"},
	{theOperations, "create", "jobs.batch", agentNS, false, "a hub that was taken over gets no further"},

	{theInstances, "create", "applicationinstances.apps.vworkspace.io", gated, true, "what the hub delivers"},
	{theInstances, "create", "operations.ops.vworkspace.io", gated, false, "the other executor's"},
	{theInstances, "create", "helmreleases.helm.toolkit.fluxcd.io", gated, false, "releases are the agent's to make"},
	{theInstances, "create", "applicationinstances.apps.vworkspace.io/status", gated, false, "the result is the agent's"},
	{theInstances, "create", "operationtemplates.ops.vworkspace.io", "*", false, "the other executor's"},

	{theCatalog, "create", "operationtemplates.ops.vworkspace.io", "*", true, "what the hub delivers"},
	{theCatalog, "patch", "operationtemplates.ops.vworkspace.io", "*", true, "what was changed there"},
	{theCatalog, "delete", "operationtemplates.ops.vworkspace.io", "*", true, "what was deleted there"},
	{theCatalog, "list", "operationtemplates.ops.vworkspace.io", "*", false, "the work agent asks for each"},
	{theCatalog, "create", "freezes.ops.vworkspace.io", "*", true, "the hub's, so that what was sent before is held"},
	{theCatalog, "delete", "freezes.ops.vworkspace.io", "*", true, "what was deleted there"},
	{theCatalog, "list", "freezes.ops.vworkspace.io", "*", false, "the work agent asks for each"},
	{theCatalog, "patch", "agentpolicies.ops.vworkspace.io", "*", false, "the last word is the cluster owner's"},
	{theCatalog, "create", "operations.ops.vworkspace.io", agentNS, false, "the other executor's"},
	{theCatalog, "create", "applicationinstances.apps.vworkspace.io", gated, false, "the other executor's"},
}

// table is every line, in the order of identities.
func table() []permission {
	var all []permission
	for _, i := range identities {
		for _, p := range permissions {
			if p.who == i.name {
				all = append(all, p)
			}
		}
		for _, p := range dangerous {
			p.who = i.name
			all = append(all, p)
		}
	}
	return all
}
