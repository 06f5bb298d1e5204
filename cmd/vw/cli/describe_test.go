// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/chain"
)

func (d *delivered) describe(t *testing.T, kubeconfig string, more ...string) chain.Chain {
	t.Helper()
	got := vwWith(t, "", append([]string{"--kubeconfig", kubeconfig, "-n", d.fleet.Namespace, "describe", "op", d.fleet.Name, "--cluster", d.cluster, "-o", "json"}, more...)...)
	var c chain.Chain
	if got.status != ExitOK {
		t.Fatalf("%+v", got)
	}
	if err := json.Unmarshal([]byte(got.out), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func steps(c chain.Chain) string {
	var all []string
	for _, k := range c.Links {
		all = append(all, string(k.Step))
	}
	return strings.Join(all, " ")
}

// TestDescribeChain: the hub alone sees as far as the cluster reports, and with a context of the cluster's name vw goes there.
func TestDescribeChain(t *testing.T) {
	d := deliver(t)
	alone := d.describe(t, contexts(t, "hub"))
	if got, want := steps(alone), "operation plan work cluster workAgent delivery agent clusterOperation"; got != want || alone.Through != "" || alone.Stop != nil {
		t.Errorf("from the hub alone: %s through %q, stop %+v; want %s", got, alone.Through, alone.Stop, want)
	}
	if len(alone.Unseen) != 1 || !strings.Contains(alone.Unseen[0], "--spoke-context") {
		t.Errorf("it does not say how to see more: %q", alone.Unseen)
	}
	for name, c := range map[string]chain.Chain{
		"by name":       d.describe(t, contexts(t, "hub", d.cluster)),
		"by context":    d.describe(t, contexts(t, "hub", "other"), "--spoke-context", "other"),
		"by kubeconfig": d.describe(t, contexts(t, "hub"), "--spoke-kubeconfig", contexts(t, "there")),
	} {
		if got, want := steps(c), "operation plan work cluster workAgent delivery agent clusterOperation instance target"; got != want || c.Through == "" || len(c.Unseen) != 0 {
			t.Errorf("%s: %s through %q, not seen %q; want %s", name, got, c.Through, c.Unseen, want)
		}
	}
}

// TestDescribeWrongCluster: a context that leads to another cluster is found out by the run that is there, and told when nothing is.
func TestDescribeWrongCluster(t *testing.T) {
	d := deliver(t)
	if err := api.Delete(t.Context(), d.below); err != nil {
		t.Fatal(err)
	}
	if c := d.describe(t, contexts(t, "hub", d.cluster)); len(c.Unseen) != 1 || !strings.Contains(c.Unseen[0], "nothing there proves it") {
		t.Errorf("nothing is there, and it says %q", c.Unseen)
	}
	other := operationLike(opsv1alpha1.DefaultAgentNamespace, d.below.Name, func(s *opsv1alpha1.OperationSpec) { s.Selector = &opsv1alpha1.InstanceSelector{} })
	other.Labels = map[string]string{opsv1alpha1.LabelRoot: "another"}
	mustCreate(t, other)
	got := vwWith(t, "", "--kubeconfig", contexts(t, "hub", d.cluster), "-n", d.fleet.Namespace, "describe", d.fleet.Name, "--cluster", d.cluster)
	if got.status != ExitError || !strings.Contains(got.errOut, "context "+d.cluster+" is not cluster "+d.cluster) || !strings.Contains(got.errOut, "--spoke-context") {
		t.Errorf("%+v", got)
	}
	if err := api.Delete(t.Context(), other); err != nil {
		t.Fatal(err)
	}
}

// TestDescribeLease: what a person reads when the work agent is silent.
func TestDescribeLease(t *testing.T) {
	d := deliver(t)
	lease := &coordinationv1.Lease{}
	if err := api.Get(t.Context(), client.ObjectKey{Namespace: d.cluster, Name: chain.LeaseName}, lease); err != nil {
		t.Fatal(err)
	}
	lease.Spec.RenewTime = &metav1.MicroTime{Time: wallClock.Add(-6 * time.Minute)}
	if err := api.Update(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
	got := vwWith(t, "", "--kubeconfig", contexts(t, "hub"), "-n", d.fleet.Namespace, "describe", "op/"+d.fleet.Name, "--cluster", d.cluster)
	for _, want := range []string{
		"It stops at work agent of " + d.cluster + "\n", "the work agent of " + d.cluster + " has not renewed its lease for 6 minutes",
		"To do: is the cluster up", "├─ work agent of " + d.cluster + " ", "✗ silent", "group canary (1 of 2), cluster 1 of 2",
	} {
		if !strings.Contains(got.out, want) {
			t.Errorf("%q is not in\n%s%s", want, got.out, got.errOut)
		}
	}
}

// TestDescribeFewRights: who may read no more than Operations and ConfigMaps is told what they do not see, and why that matters.
func TestDescribeFewRights(t *testing.T) {
	d := deliver(t)
	mustCreate(t, &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: d.fleet.Namespace, Name: "look"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{opsv1alpha1.GroupVersion.Group}, Resources: []string{"operations"}, Verbs: []string{"get"}},
		{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get"}},
	}})
	mustCreate(t, &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: d.fleet.Namespace, Name: "look"}, RoleRef: rbacv1.RoleRef{Kind: "Role", Name: "look"},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, Name: "ann"}}})
	allowed(t, "ann", d.fleet.Namespace)
	c := d.describe(t, contexts(t, "hub"), "--as", "ann")
	all := strings.Join(c.Unseen, "\n")
	for _, want := range []string{"no right to read manifestworks", "whether it was delivered", "no right to read managedclusters", "no right to read leases", "whether the work agent is alive"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not in %q", want, all)
		}
	}
	if c.Stop != nil {
		t.Errorf("it blames what it did not see: %+v", c.Stop)
	}
}

// allowed waits until the API server lets a user read Operations and ConfigMaps in a namespace, or whatever else: it learns of rights a moment later.
func allowed(t *testing.T, user, namespace string, what ...authorizationv1.ResourceAttributes) {
	t.Helper()
	if what == nil {
		what = []authorizationv1.ResourceAttributes{reads(opsv1alpha1.GroupVersion.Group, "operations"), reads("", "configmaps")}
	}
	for _, r := range what {
		r.Namespace = namespace
		err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
			review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: user, ResourceAttributes: &r}}
			err := api.Create(ctx, review)
			return review.Status.Allowed, err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func reads(group, resource string) authorizationv1.ResourceAttributes {
	return authorizationv1.ResourceAttributes{Group: group, Resource: resource, Verb: "get"}
}

// TestDescribeOverview: an Operation for people, and for scripts.
func TestDescribeOverview(t *testing.T) {
	d := deliver(t)
	d.fleet.Status.Failures = []opsv1alpha1.Failure{{Name: d.cluster, Reason: opsv1alpha1.ReasonSomeFailed, Message: "1 of 1 failed: shops/shop-a: JobFailed: exit code 1"}}
	d.fleet.Status.Summary = &opsv1alpha1.Summary{Clusters: &opsv1alpha1.Counts{Total: 2, Failed: 1, Pending: 1}}
	d.fleet.Status.History = []opsv1alpha1.Transition{{Time: metav1.NewTime(wallClock.Add(-time.Hour)), Phase: opsv1alpha1.PhaseRunning, Reason: opsv1alpha1.ReasonRollingOut, Message: "began"}}
	mustTell(t, d.fleet)
	got := vw(t, "-n", d.fleet.Namespace, "describe", d.fleet.Name)
	for _, want := range []string{
		"Operation:    " + d.fleet.Namespace + "/nightly", "Does:         RunCommand", "on the clusters of Placement all (2 planned)", "1/2 done, 1 failed, 1 pending",
		"✗ " + d.cluster, "exit code 1", "2030-01-02 02:04:05  Running", "To do:        see why: vw describe op nightly --cluster " + d.cluster,
	} {
		if !strings.Contains(got.out, want) {
			t.Errorf("%q is not in\n%s%s", want, got.out, got.errOut)
		}
	}
	for _, format := range []string{"json", "yaml", "jsonpath={.kind} {.phase} {.clusters.failed}", "name"} {
		if got := vw(t, "-n", d.fleet.Namespace, "describe", d.fleet.Name, "-o", format); got.status != ExitOK || !strings.Contains(got.out, "verview") {
			t.Errorf("-o %s: %+v", format, got)
		}
	}
}

// TestDescribeOnACluster: without a hub, from the Operation down.
func TestDescribeOnACluster(t *testing.T) {
	d := deliver(t)
	d.instance.Status = opsv1alpha1.OperationStatus{Phase: opsv1alpha1.PhasePending, Reason: opsv1alpha1.ReasonEngineNotInstalled, Message: "engine velero needs Backup", Blocked: true}
	mustTell(t, d.instance)
	for _, name := range []string{d.instance.Name, d.below.Name} {
		ns := d.fleet.Namespace
		if name == d.below.Name {
			ns = d.below.Namespace
		}
		got := vw(t, "-n", ns, "describe", name)
		if got.status != ExitOK || !strings.Contains(got.out, "EngineNotInstalled") || !strings.Contains(got.out, "To do: install the engine, or") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestDescribeErrors(t *testing.T) {
	d := deliver(t)
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no such kind":            {[]string{"pods", "x"}, `"pods" is nothing that can be described: say op, appinst or cluster`},
		"no such operation":       {[]string{"nope"}, "there is no Operation nope in namespace "},
		"no such cluster":         {[]string{d.fleet.Name, "--cluster", "nope"}, "--cluster: there is no cluster nope: the plan of nightly has " + d.cluster + ", zz-other"},
		"no such context":         {[]string{d.fleet.Name, "--cluster", d.cluster, "--spoke-context", "nope"}, `--spoke-context: there is no context "nope"`},
		"no such file":            {[]string{d.fleet.Name, "--cluster", d.cluster, "--spoke-kubeconfig", "/nope"}, "--spoke-kubeconfig:"},
		"two ways":                {[]string{d.fleet.Name, "--cluster", d.cluster, "--spoke-context", "x", "--cluster-proxy", "https://x"}, "two ways to " + d.cluster},
		"plain http":              {[]string{d.fleet.Name, "--cluster", d.cluster, "--cluster-proxy", "http://x"}, "is no https URL"},
		"a path":                  {[]string{d.fleet.Name, "--cluster", d.cluster, "--cluster-proxy", "https://x/y"}, "has a path"},
		"no token":                {[]string{d.fleet.Name, "--cluster", d.cluster, "--cluster-proxy", "https://x"}, "the hub has no Secret " + d.cluster + "/vworkspace-vw: create a ManagedServiceAccount"},
		"instance, which cluster": {[]string{d.fleet.Name, "--instance", "x"}, "--instance: nightly runs on many clusters: say which by --cluster"},
		"no such instance":        {[]string{d.fleet.Name, "--cluster", d.cluster, "--spoke-kubeconfig", kubeconfig, "--instance", "x"}, "--instance: x is none of this Operation's: they are " + d.fleet.Namespace + "/shop-a"},
		"cluster of a cluster":    {[]string{"cluster", d.cluster, "--cluster", "x"}, "--cluster and --instance follow an Operation"},
		"output":                  {[]string{d.fleet.Name, "-o", "xml"}, `--output: "xml" is not known`},
	} {
		t.Run(name, func(t *testing.T) {
			got := vw(t, append([]string{"-n", d.fleet.Namespace, "describe"}, c.args...)...)
			if got.status != ExitError || !strings.Contains(got.errOut, c.want) {
				t.Errorf("%+v, want %q", got, c.want)
			}
		})
	}
}
