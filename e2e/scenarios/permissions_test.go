// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/demo"
	"vworkspace.io/fleet/e2e/install"
	"vworkspace.io/fleet/e2e/testbed"
	"vworkspace.io/fleet/spoke/hosted"
)

// Who asks. The ServiceAccounts are those of deploy/; the work agent is who Open Cluster Management's registration made of spoke1.
const (
	theHub           = "hub"
	theAgent         = "agent"
	theOperations    = "executor of Operations"
	theInstances     = "executor of instances"
	theCatalog       = "executor of the catalog"
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
	{theHosted, "hub", hosted.DefaultNamespace, install.HostedAccount},
	{theWorkAgent, "hub", "", ""},
	{theAgent, "spoke", opsv1alpha1.DefaultAgentNamespace, "vworkspace-agent"},
	{theOperations, "spoke", opsv1alpha1.DefaultAgentNamespace, "vworkspace-operations"},
	{theInstances, "spoke", opsv1alpha1.DefaultAgentNamespace, "vworkspace-instances"},
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
	gated   = demo.Namespace // carries the gate label
	ungated = "kube-system"
	agentNS = opsv1alpha1.DefaultAgentNamespace
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
	{theHub, "create", "operations.ops.vworkspace.io", "*", false, "requests are people's"},
	{theHub, "create", "manifestworks.work.open-cluster-management.io", "spoke1", true, "send an Operation to a cluster"},
	{theHub, "execute-as", "manifestworks.work.open-cluster-management.io=system:serviceaccount:vworkspace-agent:vworkspace-operations", "spoke1", true, "as the executor of Operations"},
	{theHub, "execute-as", "manifestworks.work.open-cluster-management.io=system:serviceaccount:vworkspace-agent:vworkspace-catalog", "spoke1", true, "as the executor of the catalog"},
	{theHub, "execute-as", "manifestworks.work.open-cluster-management.io=system:serviceaccount:kube-system:default", "spoke1", false, "as nobody else"},
	{theHub, "watch", "operationtemplates.ops.vworkspace.io", "*", true, "what an Operation may be, and goes to the clusters"},
	{theHub, "patch", "operationtemplates.ops.vworkspace.io", "*", false, "the catalog is the platform team's"},
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
	{theHosted, "update", "leases.coordination.k8s.io=" + hosted.LeaderElectionID, hosted.DefaultNamespace, true, "lead"},

	{theWorkAgent, "list", "manifestworks.work.open-cluster-management.io", "spoke1", true, "its own works"},
	{theWorkAgent, "list", "manifestworks.work.open-cluster-management.io", "spoke2", false, "never another cluster's"},
	{theWorkAgent, "get", "manifestworks.work.open-cluster-management.io", "spoke2", false, "not by name either"},
	{theWorkAgent, "get", "operations.ops.vworkspace.io", gated, false, "the hub's Operations are not a cluster's"},
	{theWorkAgent, "create", "manifestworks.work.open-cluster-management.io", "spoke1", false, "a cluster asks for nothing"},

	{theAgent, "create", "operations.ops.vworkspace.io", gated, true, "one per instance"},
	{theAgent, "watch", "agentpolicies.ops.vworkspace.io", "*", true, "heed the owner at once"},
	{theAgent, "create", "operations.ops.vworkspace.io/delivery", "*", true, "pass on who asked; the policy `requester.ops.vworkspace.io` asks for this right"},
	{theAgent, "update", "secrets=vworkspace-agent-admission", agentNS, true, "its certificate for admission"},
	{theAgent, "get", "secrets=other", agentNS, false, "no other Secret"},
	{theAgent, "create", "secrets", "*", false, "the one that it fills is installed with it"},
	{theAgent, "patch", "validatingwebhookconfigurations.admissionregistration.k8s.io=vworkspace-agent-admission", "*", true, "have its certificate trusted"},
	{theAgent, "patch", "validatingwebhookconfigurations.admissionregistration.k8s.io=other", "*", false, "no other webhook is its to change"},
	{theAgent, "patch", "applicationinstances.apps.vworkspace.io", gated, true, "the finalizer, an Upgrade's version"},
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

	{theJobProfile, "create", "jobs.batch", gated, true, "the run's Job"},
	{theJobProfile, "delete", "jobs.batch", gated, true, "cancel"},
	{theJobProfile, "update", "jobs.batch", gated, false, "what runs is not changed"},
	{theJobProfile, "create", "jobs.batch", ungated, false, "the account of another namespace has no rights"},
	{theJobProfile, "patch", "helmreleases.helm.toolkit.fluxcd.io", gated, false, "nor those of another profile"},
	{theJobProfile, "create", "backups.velero.io", "velero", false, "nor where that one has some"},

	{theVeleroProfile, "create", "backups.velero.io", "velero", true, "engine velero"},
	{theVeleroProfile, "patch", "backups.velero.io", "velero", false, "what Velero works on is not changed"},
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

// TestPermissions asks the API servers, by SubjectAccessReview, what each of our identities may do.
func TestPermissions(t *testing.T) {
	ctx := t.Context()
	if err := install.OnHosting(ctx, fleet.Fleet.Hub.Config()); err != nil {
		t.Fatal(err)
	}
	spoke1 := fleet.Fleet.Spokes[0]
	profiled(t, spoke1)
	ask := map[string]client.Client{"hub": connect(t, fleet.Fleet.Hub.Config()), "spoke": connect(t, spoke1.Config())}
	var out bytes.Buffer
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	wrong := 0
	for _, i := range identities {
		user := authenticationv1.UserInfo{
			Username: fmt.Sprintf("system:serviceaccount:%s:%s", i.namespace, i.account),
			Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:" + i.namespace, "system:authenticated"},
		}
		if i.account == "" {
			user = registered(t, spoke1)
		}
		for _, p := range table() {
			if p.who != i.name {
				continue
			}
			verdict := "ok"
			for _, namespace := range where(ctx, t, ask[i.cluster], p) {
				asked := p
				asked.namespace = namespace
				if got := mayDo(ctx, t, ask[i.cluster], user, asked); got != p.may {
					verdict = "WRONG: " + yes(got) + " in " + cmp.Or(namespace, "all namespaces")
					wrong++
					break
				}
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", p.who, p.verb, p.resource, p.namespace, yes(p.may), verdict)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if wrong > 0 {
		t.Errorf("%d of %d are not as they should be:\n%s", wrong, len(table()), out.String())
	}
}

// profiled puts profile job in place in the open namespace, as the agent does before a run.
func profiled(t *testing.T, c *testbed.Cluster) {
	t.Helper()
	role := opsv1alpha1.ProfileRole("job")
	err := agentOf(t, c).Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: gated, Name: role},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: gated, Name: opsv1alpha1.ProfileAccount("job")}},
	})
	if client.IgnoreAlreadyExists(err) != nil {
		t.Fatal(err)
	}
	// An API server goes by it a moment later.
	who := authenticationv1.UserInfo{Username: opsv1alpha1.ProfileUser(gated, "job")}
	err = wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		return mayDo(ctx, t, connect(t, c.Config()), who, permission{verb: "create", resource: "jobs.batch", namespace: gated}), nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func agentOf(t *testing.T, c *testbed.Cluster) client.Client {
	t.Helper()
	config, err := install.AsAgent(t.Context(), c.Config())
	if err != nil {
		t.Fatal(err)
	}
	return connect(t, config)
}

// TestGateHoldsOnTheFleet: where the table says that RBAC allows too much, the policies that are installed with it refuse.
func TestGateHoldsOnTheFleet(t *testing.T) {
	spoke1 := fleet.Fleet.Spokes[0]
	agent := agentOf(t, spoke1)
	binding := func(namespace, role string) client.Object {
		return &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: role},
			RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: opsv1alpha1.ProfileAccount("workflow")}}}
	}
	account := func(namespace, name string) client.Object {
		return &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	}
	repository := func(namespace string) client.Object {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "HelmRepository",
			"metadata": map[string]any{"namespace": namespace, "name": "gate"}, "spec": map[string]any{"url": "https://charts.example.com"},
		}}
	}
	for name, c := range map[string]struct {
		object  client.Object
		refused string // by the policy of that name; taken when it is empty
	}{
		"a source":                        {repository(gated), ""},
		"a source where it is shut":       {repository(ungated), "gate.vworkspace.io"},
		"a profile":                       {binding(gated, opsv1alpha1.ProfileRole("workflow")), ""},
		"a profile where it is shut":      {binding(ungated, opsv1alpha1.ProfileRole("workflow")), "gate.vworkspace.io"},
		"one profile's role to another":   {binding(gated, opsv1alpha1.ProfileRole("helm")), "profile-bindings.vworkspace.io"},
		"its account":                     {account(gated, opsv1alpha1.ProfileAccount("workflow")), ""},
		"its account where it is shut":    {account(ungated, opsv1alpha1.ProfileAccount("workflow")), "gate.vworkspace.io"},
		"an account that is no profile's": {account(gated, "other"), "profile-accounts.vworkspace.io"},
	} {
		err := agent.Create(t.Context(), c.object, client.DryRunAll)
		if c.refused != "" && (!apierrors.IsForbidden(err) || !strings.Contains(err.Error(), c.refused)) || c.refused == "" && client.IgnoreAlreadyExists(err) != nil {
			t.Errorf("%s: got %v, want it refused by %q", name, err, c.refused)
		}
	}
	profiled(t, spoke1)
	config, err := install.AsAgent(t.Context(), spoke1.Config())
	if err != nil {
		t.Fatal(err)
	}
	config.Impersonate = rest.ImpersonationConfig{UserName: opsv1alpha1.ProfileUser(gated, "job"), Extra: map[string][]string{opsv1alpha1.ProfileExtra: {opsv1alpha1.ProfileExtraAgent}}}
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: gated, GenerateName: "gate-"}, Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{
		Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "c", Image: "registry.example.com/c"}}},
	}}}
	kube, err := kubernetes.NewForConfig(config) // which asks for nothing that a profile may not see
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kube.BatchV1().Jobs(gated).Create(t.Context(), job, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}); err != nil {
		t.Errorf("a Job as profile job, by the agent: %v", err)
	}
}

// registered is who the hub takes a cluster's agent of Open Cluster Management for, by the certificate that it got when it joined.
func registered(t *testing.T, c *testbed.Cluster) authenticationv1.UserInfo {
	t.Helper()
	var secret corev1.Secret
	key := client.ObjectKey{Namespace: "open-cluster-management-agent", Name: "hub-kubeconfig-secret"}
	if err := connect(t, c.Config()).Get(t.Context(), key, &secret); err != nil {
		t.Fatal(err)
	}
	hub := fleet.Fleet.Hub.Config()
	config := &rest.Config{Host: hub.Host, TLSClientConfig: rest.TLSClientConfig{
		CAData: hub.CAData, CertData: secret.Data[corev1.TLSCertKey], KeyData: secret.Data[corev1.TLSPrivateKeyKey],
	}}
	who := &authenticationv1.SelfSubjectReview{}
	if err := connect(t, config).Create(t.Context(), who); err != nil {
		t.Fatal(err)
	}
	return who.Status.UserInfo
}

// where a line has to be asked about; "" is for all namespaces at once.
func where(ctx context.Context, t *testing.T, c client.Client, p permission) []string {
	t.Helper()
	if p.namespace != "*" {
		return []string{p.namespace}
	}
	asked := []string{""}
	if p.may {
		return asked
	}
	var list corev1.NamespaceList
	if err := c.List(ctx, &list); err != nil {
		t.Fatal(err)
	}
	for _, ns := range list.Items {
		granted := slices.ContainsFunc(permissions, func(q permission) bool {
			return q.may && q.who == p.who && q.verb == p.verb && q.resource == p.resource && q.namespace == ns.Name
		})
		if !granted {
			asked = append(asked, ns.Name)
		}
	}
	return asked
}

func mayDo(ctx context.Context, t *testing.T, c client.Client, who authenticationv1.UserInfo, p permission) bool {
	t.Helper()
	resource, name, _ := strings.Cut(p.resource, "=")
	resource, sub, _ := strings.Cut(resource, "/")
	resource, group, _ := strings.Cut(resource, ".")
	a := &authorizationv1.ResourceAttributes{Verb: p.verb, Group: group, Resource: resource, Subresource: sub, Name: name, Namespace: p.namespace}
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: who.Username, Groups: who.Groups, UID: who.UID, ResourceAttributes: a,
	}}
	if err := c.Create(ctx, review); err != nil {
		t.Fatal(err)
	}
	return review.Status.Allowed
}

func connect(t *testing.T, config *rest.Config) client.Client {
	t.Helper()
	c, err := client.New(config, client.Options{Scheme: demo.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

var update = flag.Bool("update", false, "write the table of docs/reference/permissions.md")

// TestPermissionsAreDocumented: what is asked above is what people read.
func TestPermissionsAreDocumented(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "reference", "permissions.md")
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- table: written by e2e/scenarios -->\n", "<!-- end of table -->"
	before, rest, found := strings.Cut(string(page), begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has no table between %q and %q", path, begin, end)
	}
	want := before + begin + document() + end + after
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(page) {
		t.Errorf("%s is not what is tested: go test ./e2e/scenarios -run TestPermissionsAreDocumented -update", path)
	}
}

// document renders the table: what is dangerous once for all, the rest by identity.
func document() string {
	var b strings.Builder
	head := "| may | verb | resource | namespace | because |\n|---|---|---|---|---|\n"
	line := func(p permission) {
		fmt.Fprintf(&b, "| %s | %s | `%s` | %s | %s |\n", yes(p.may), p.verb, p.resource, strings.ReplaceAll(p.namespace, "*", "any"), p.why)
	}
	b.WriteString("\n### Every one of them\n\n" + head)
	for _, p := range dangerous {
		line(p)
	}
	for _, i := range identities {
		fmt.Fprintf(&b, "\n### %s, on the %s\n\n%s", strings.ToUpper(i.name[:1])+i.name[1:], i.cluster, head)
		for _, p := range permissions {
			if p.who == i.name {
				line(p)
			}
		}
	}
	b.WriteString("\n")
	return b.String()
}
